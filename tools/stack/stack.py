"""The parts of the stack, how each is started, and which wait for which."""

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from alertrouter.settings import PREFIX
from tools.stack import files
from tools.stack.parts import ROOT, Part, StackError, answers, end_all, port, wait

DEPLOY = ROOT / "deploy"
USUAL = {"prometheus": 9090, "alertmanager": 9093, "alertrouter": 8080, "agent-service": 8000, "sandbox": 8099}
_READY = {
    "prometheus": "/-/ready",
    "alertmanager": "/-/ready",
    "alertrouter": "/readyz",
    "agent-service": "/healthz",
    "sandbox": "/healthz",
}
_KEYS = ("PAGERDUTY_ROUTING_KEY", "PAGERDUTY_ENGINEERING_KEY", "PAGERDUTY_DBA_KEY")
_HOLD_SECONDS = 60
_LOAD = "5"


class Stack:
    """Prometheus, Alertmanager, PostgreSQL, alertrouter, the sample service and a PagerDuty sandbox; `urls` by name."""

    def __init__(self, folder: Path, times: float, *, usual_ports: bool = True, env: Mapping[str, str] | None = None) -> None:
        """Nothing runs yet. `folder` is for all that they write; `env` is for alertrouter."""
        self._folder = folder
        self._times = times
        self._ports = {name: port(usual if usual_ports else None) for name, usual in USUAL.items()}
        self.urls = {name: f"http://127.0.0.1:{number}" for name, number in self._ports.items()}
        self._env = dict(env or {})
        self._parts: list[Part] = []

    def start(self, is_over: Callable[[], bool] = lambda: False) -> bool:
        """Start everything; False if it was over before all answered. Raises StackError."""
        programs = [_debian("prometheus"), _debian("prometheus-alertmanager")]
        self._write()
        home = str(self._folder / "postgres")
        self._run("postgres", sys.executable, "-m", "tools.stack.postgres", home, TMPDIR=home, XDG_RUNTIME_DIR=home)
        self._run("sandbox", *_ours("sandbox"), "--port", str(self._ports["sandbox"]))
        self._run("agent-service", *self._agent(), PYTHONPATH=str(ROOT / "examples/agent-service"))
        self._run("alertmanager", programs[1], *self._alertmanager())
        if not self._wait((self._folder / "postgres/url").exists, is_over):
            return False
        self._run("alertrouter", *_ours("serve"), **self._settings(), **self._env)
        if not all(self._answers(name, is_over) for name in USUAL if name != "prometheus"):
            return False
        self._run("prometheus", programs[0], *self._prometheus())  # last: what is not there yet, it would alert of
        return self._answers("prometheus", is_over)

    def check(self) -> None:
        """Raises StackError if a part has ended."""
        for part in self._parts:
            part.check()

    def end(self) -> None:
        """End what runs."""
        end_all(self._parts)

    def _run(self, name: str, *arguments: str, **env: str) -> None:
        self._parts.append(Part(name, arguments, env, self._folder))

    def _wait(self, is_there: Callable[[], bool], is_over: Callable[[], bool]) -> bool:
        return wait(self._parts, is_there, is_over)

    def _answers(self, name: str, is_over: Callable[[], bool]) -> bool:
        return self._wait(lambda: answers(f"{self.urls[name]}{_READY[name]}"), is_over)

    def _write(self) -> None:
        """The configuration of each part, and the secrets that they share."""
        token, key = secrets.token_hex(16), secrets.token_hex(16)
        router, targets = self.urls["alertrouter"], {name: f"127.0.0.1:{number}" for name, number in self._ports.items()}
        alertmanager = (DEPLOY / "alertmanager/alertmanager.yml").read_text()
        texts = {
            "secrets/alertrouter_webhook_token": token,
            "secrets/pd_alertrouter": key,
            "prometheus/prometheus.yml": files.prometheus(
                (DEPLOY / "prometheus/prometheus.yml").read_text(), targets, self._times
            ),
            "alertmanager/alertmanager.yml": files.alertmanager(
                alertmanager, router, self.urls["sandbox"], str(self._folder / "secrets"), self._times
            ),
            "alertrouter.yml": files.routing((DEPLOY / "alertrouter.yml").read_text(), self.urls["alertmanager"]),
        }
        for path in (DEPLOY / "prometheus").glob("*.rules.yml"):
            texts[f"prometheus/{path.name}"] = files.rules(path.read_text(), router, self._times)
        (self._folder / "secrets").mkdir(0o700)
        for name, text in texts.items():
            (self._folder / name).parent.mkdir(exist_ok=True)
            (self._folder / name).write_text(text)
        (self._folder / "postgres").mkdir()

    def _settings(self) -> dict[str, str]:
        settings = {
            "DATABASE_URL": (self._folder / "postgres/url").read_text(),
            "RUNBOOKS_DIR": str(ROOT / "runbooks"),
            "CONFIG": str(self._folder / "alertrouter.yml"),
            "PAGERDUTY_EVENTS_URL": self.urls["sandbox"],
            "WEBHOOK_TOKENS_FILE": str(self._folder / "secrets/alertrouter_webhook_token"),
            "RESOLVE_HOLD": f"{max(round(_HOLD_SECONDS / self._times), 1)}s",
            "PORT": str(self._ports["alertrouter"]),
        }
        return {f"{PREFIX}{name}": value for name, value in settings.items()} | {name: secrets.token_hex(16) for name in _KEYS}

    def _agent(self) -> list[str]:
        database = str(self._folder / "agent.db")
        given = ["--port", str(self._ports["agent-service"]), "--load", _LOAD, "--database", database]
        return [sys.executable, "-m", "agent_service", *given]

    def _alertmanager(self) -> list[str]:
        home = self._folder / "alertmanager"
        return [
            f"--config.file={home}/alertmanager.yml",
            f"--storage.path={home}",
            f"--web.listen-address=127.0.0.1:{self._ports['alertmanager']}",
            "--cluster.listen-address=",
        ]

    def _prometheus(self) -> list[str]:
        home = self._folder / "prometheus"
        return [
            f"--config.file={home}/prometheus.yml",
            f"--storage.tsdb.path={home}/data",
            f"--web.listen-address=127.0.0.1:{self._ports['prometheus']}",
            "--enable-feature=exemplar-storage",
            f"--rules.alert.resend-delay={files.shorter('1m', self._times)}",
        ]


def forget_settings() -> None:
    """Settings of this shell are meant for another service."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


def _ours(command: str) -> list[str]:
    return [sys.executable, "-m", "alertrouter.cli", command]


def _debian(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise StackError(f"{program} is not installed: make e2e-deps")
    return path
