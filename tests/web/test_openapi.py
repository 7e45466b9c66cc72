"""The OpenAPI document is true: a fuzzer that goes by it finds nothing to object to."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from browsing import open_one
from processes import Router, Sandbox, ending, notification
from serving import running

IDS = """
[[operations]]
include-path-regex = "/incidents/"
parameters = {{ id = "{incident}" }}

[[operations]]
include-path-regex = "/deliveries/"
parameters = {{ id = "{delivery}" }}
"""


def deliveries(router: Router) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{router.url}/api/v1/deliveries").json()["deliveries"]
    return found


def test_the_service_does_what_its_openapi_document_says(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        sandbox.fault("400", count=4)
        router = Router(tmp_path, sandbox.url, f"sqlite:///{tmp_path}/a.db", ALERTROUTER_RESOLVE_HOLD="1h")
        with ending(router):
            for number in range(12):
                router.post(notification(group=f"g{number}", instance=f"{number}")).raise_for_status()
            (tmp_path / "schemathesis.toml").write_text(
                IDS.format(incident=router.incidents()[0]["id"], delivery=deliveries(router)[0]["id"])
            )
            arguments = [
                "run",
                f"{router.url}/openapi.json",
                "--checks",
                "all",
                "--max-examples",
                "25",
                "--seed",
                "7",
                "--no-color",
            ]
            fuzzed = subprocess.run(
                [str(Path(sys.executable).with_name("schemathesis")), *arguments],
                capture_output=True,
                text=True,
                timeout=150,
                cwd=tmp_path,
                check=False,
            )
    assert fuzzed.returncode == 0, fuzzed.stdout[-5000:]
    assert "Operations:       10 selected / 10 total" in fuzzed.stdout
    assert "404" not in fuzzed.stdout  # it has been told of an incident and of a delivery that there are


async def test_what_has_not_changed_is_not_sent_again(url: str, tmp_path: Path) -> None:
    async with running(url, tmp_path) as router:
        incident = await open_one(router, "HighErrorRate")
        for path in ("/api/v1/incidents", f"/api/v1/incidents/{incident}", "/api/v1/deliveries", "/api/v1/runbooks"):
            await router.settled()
            first = await router.http.get(path)
            again = await router.http.get(path, headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'})
            assert (again.status_code, again.content) == (304, b""), path
        listed = (await router.http.get("/api/v1/incidents")).headers["etag"]
        await router.http.post(f"/api/v1/incidents/{incident}/acknowledge", headers={"If-None-Match": listed})
        changed = await router.http.get("/api/v1/incidents", headers={"If-None-Match": listed})
        assert (changed.status_code, changed.json()["incidents"][0]["status"]) == (200, "acknowledged")


@pytest.mark.parametrize("path", ["/openapi.json", "/healthz"])
async def test_the_document_is_open_to_whoever_wants_to_know_how_to_ask(url: str, tmp_path: Path, path: str) -> None:
    async with running(url, tmp_path, {"ALERTROUTER_API_TOKENS": "secret"}) as router:
        assert (await router.http.get(path)).status_code == 200
