"""The house: imports go one way, and the pure core stays pure."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "alertrouter"
FLOORS = [
    {
        "traces",
        "durations",
        "moments",
        "escalation",
        "alertmanager",
        "urls",
        "timeline",
        "refusals",
        "incidents",
        "clock",
        "bundled",
        "watch",
        "senders",
    },
    {"ack_links", "bell", "report"},
    {"routing", "runbooks", "pagerduty", "settings"},
    {"routing_model", "routing_file", "planning", "deliveries", "paging", "changes", "alertmanager_api", "holding"},
    {"columns", "tables", "store"},
    {"telemetry", "logs", "rounds"},
    {
        "intake",
        "posts",
        "actions",
        "heartbeats",
        "feedback",
        "reconciler",
        "forwarding",
        "worker",
        "coverage",
        "backlog",
        "reload",
        "fallback",
        "inventory",
        "pruning",
        "restoring",
    },
    {"service", "connections", "server", "sandbox"},
    {"web"},
    {"demo"},
    {"drill", "commands"},
    {"cli"},
]
PURE = ["incidents", "escalation", "durations", "routing", "planning", "deliveries", "urls", "timeline", "paging", "alertmanager"]
PURE += [
    "runbooks/parse",
    "runbooks/match",
    "runbooks/commands",
    "runbooks/render",
    "runbooks/policy",
    "runbooks/prose",
    "runbooks/phrases",
]
PURE += [
    "runbooks/phrases",
    "runbooks/lint",
    "runbooks/lint_text",
    "runbooks/lint_rules",
    "runbooks/rules",
    "runbooks/skeleton",
    "runbooks/changes",
]
PURE += ["report", "ack_links", "pagerduty/webhooks", "pagerduty/events", "pagerduty/outcomes", "pagerduty/keys", "changes"]
PURE += ["refusals"]
IMPURE = {"sqlalchemy", "sqlmodel", "starlette", "httpx", "aiohttp", "asyncio", "time", "os", "random", "structlog"}


def imports(file: Path) -> set[str]:
    """The modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} if node.module != "alertrouter" else {f"alertrouter.{name.name}" for name in node.names}
    return found


def files(name: str) -> list[Path]:
    return sorted((PACKAGE / name).rglob("*.py")) if (PACKAGE / name).is_dir() else [PACKAGE / f"{name}.py"]


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_nothing_imports_from_a_floor_above(floor: int) -> None:
    above = {name for names in FLOORS[floor + 1 :] for name in names}
    for name in FLOORS[floor]:
        for file in files(name):
            used = {module.split(".")[1] for module in imports(file) if module.startswith("alertrouter.")}
            assert not used & above, f"{file} imports {used & above}"


def test_every_module_has_its_floor() -> None:
    there = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir() if path.suffix in {"", ".py"}}
    assert there - {"__init__", "__pycache__"} == set().union(*FLOORS)


@pytest.mark.parametrize("name", PURE)
def test_the_pure_core_knows_no_framework_no_database_and_no_clock(name: str) -> None:
    for file in files(name):
        used = {module.split(".")[0] for module in imports(file)}
        assert not used & IMPURE, f"{file} imports {used & IMPURE}"
        assert not {"alertrouter.store", "alertrouter.tables"} & {".".join(module.split(".")[:2]) for module in imports(file)}
        assert "datetime.now(" not in file.read_text()
