"""Takes the pictures in docs/img. Usage: `make screenshots` (it wants Debian's chromium)."""

import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from processes import Router, Sandbox, debian, ending, notification

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs/img"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "device_scale_factor": 2}
ALERTS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("HighErrorRate", "critical", "Error rate above 1 %", {"error_type": "llm", "namespace": "agents"}),
    ("HighLatency", "warning", "p95 above 5 s", {"namespace": "agents"}),
    ("HighLLMCost", "info", "More than 10 USD an hour", {}),
)


def main() -> None:
    """Open some incidents, and look at them."""
    folder = Path(tempfile.mkdtemp())
    sandbox = Sandbox(folder)
    with ending(sandbox):
        keys = ("PAGERDUTY_ROUTING_KEY", "PAGERDUTY_ENGINEERING_KEY", "PAGERDUTY_DBA_KEY")
        env = {"ALERTROUTER_RUNBOOKS_DIR": f"{ROOT}/runbooks", "ALERTROUTER_CONFIG": f"{ROOT}/deploy/alertrouter.yml"}
        env |= {name: str(number) * 32 for number, name in enumerate(keys)}
        router = Router(folder, sandbox.url, f"sqlite:///{folder}/shots.db", **env)
        with ending(router), sync_playwright() as playwright:
            incident = open_some(router)
            browser = playwright.chromium.launch(executable_path=debian("chromium"), args=["--no-sandbox", "--disable-gpu"])
            shoot(browser, WIDE, f"{router.url}/", "open.png")
            shoot(browser, WIDE, f"{router.url}/incidents/{incident}", "incident.png")
            shoot(browser, PHONE, f"{router.url}/incidents/{incident}", "phone.png")
            browser.close()


def open_some(router: Router) -> str:
    """The incident to look at."""
    ids = []
    for name, severity, summary, labels in ALERTS:
        body = notification(name, group=name, instance="agent-0")
        body["alerts"][0]["labels"] |= {"severity": severity, **labels}
        body["alerts"][0]["annotations"] = {"summary": summary}
        ids += router.post(body).json()["incidents"]
    time.sleep(2)
    return str(ids[0])


def shoot(browser: Browser, device: dict[str, object], url: str, name: str) -> None:
    """One picture, of what is seen without scrolling."""
    with browser.new_context(**device) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(url)
        page.wait_for_timeout(500)
        IMAGES.mkdir(exist_ok=True)
        page.screenshot(path=IMAGES / name)


if __name__ == "__main__":
    main()
