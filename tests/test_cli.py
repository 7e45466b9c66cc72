"""The commands, as a person runs them."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from processes import KEYS, Process, Router, Sandbox, ending, free_port, notification, wait_for


def run(*arguments: str, cwd: Path, **env: str) -> tuple[int, str]:
    """The exit code, and all that was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "alertrouter.cli", *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("env", "line"),
    [
        (
            {},
            "alertrouter: ALERTROUTER_PAGERDUTY_ROUTING_KEY: "
            "set it to the integration key of a PagerDuty service (Events API v2)",
        ),
        (
            {"ALERTROUTER_RESOLVE_HOLD": "a minute"},
            "alertrouter: ALERTROUTER_RESOLVE_HOLD: 'a minute' is not a duration such as 90s, 15m or 1h30m",
        ),
        (
            {"PAGERDUTY_ROUTING_KEY": KEYS["oncall"], "ALERTROUTER_RUNBOOKS_DIR": "nowhere"},
            "alertrouter: ALERTROUTER_RUNBOOKS_DIR: there is no folder nowhere",
        ),
        (
            {"PAGERDUTY_ROUTING_KEY": KEYS["oncall"], "ALERTROUTER_ESCALATE_TO": "ops"},
            "alertrouter: ALERTROUTER_ESCALATE_TO: there is no target ops",
        ),
        (
            {"PAGERDUTY_ROUTING_KEY": KEYS["oncall"], "ALERTROUTER_DATABASE_URL": "sqlite:///nowhere/x.db"},
            "alertrouter: ALERTROUTER_DATABASE_URL: the folder of nowhere/x.db does not exist",
        ),
        (
            {"PAGERDUTY_ROUTING_KEY": KEYS["oncall"], "ALERTROUTER_DATABASE_URL": f"sqlite:///{__file__}"},
            "alertrouter: ALERTROUTER_DATABASE_URL: file is not a database",
        ),
        ({"ALERTROUTER_CONFIG": "none.yml"}, "alertrouter: none.yml: it cannot be read: No such file or directory"),
    ],
)
def test_serve_refuses_to_start_with_one_line_that_says_what_to_set(env: dict[str, str], line: str, tmp_path: Path) -> None:
    code, said = run("serve", cwd=tmp_path, **env)
    assert (code, said.strip().splitlines()) == (1, [line])
    assert not list(tmp_path.iterdir()), "a start that failed leaves nothing behind"


def test_serve_says_in_one_line_that_postgres_cannot_be_reached(tmp_path: Path) -> None:
    url = f"postgresql://nobody:canary@127.0.0.1:{free_port()}/none"
    code, said = run("serve", cwd=tmp_path, PAGERDUTY_ROUTING_KEY=KEYS["oncall"], ALERTROUTER_DATABASE_URL=url)
    assert code == 1
    assert "canary" not in said
    assert [line.startswith("alertrouter: ALERTROUTER_DATABASE_URL: ") for line in said.strip().splitlines()] == [True]


def test_check_tells_everything_that_is_wrong_and_all_well(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "bad.md").write_bytes(b"# x\n\xff")
    code, said = run("check", cwd=tmp_path, PAGERDUTY_ROUTING_KEY=KEYS["oncall"])
    assert (code, said) == (1, "alertrouter: runbooks/bad.md:2: not UTF-8\n")
    (tmp_path / "runbooks" / "bad.md").write_text("# A\n\nEscalation: to ops, perhaps\n\n# B\n\nEscalation: Immediate to DBA\n")
    code, said = run("check", cwd=tmp_path, PAGERDUTY_ROUTING_KEY=KEYS["oncall"])
    assert said.splitlines() == [
        "alertrouter: runbooks/bad.md:3: the escalation cannot be read; the default would apply",
        "alertrouter: runbooks/bad.md:7: there is no target DBA",
    ]
    (tmp_path / "runbooks" / "bad.md").write_text("# x\n")
    code, said = run("check", cwd=tmp_path, PAGERDUTY_ROUTING_KEY=KEYS["oncall"])
    assert (code, said) == (0, "all well: 1 targets, 1 runbooks\n")


def test_db_upgrade_makes_the_tables(tmp_path: Path) -> None:
    assert run("db", "upgrade", cwd=tmp_path) == (0, "")
    assert (tmp_path / "alertrouter.db").stat().st_size > 0
    assert run("db", "upgrade", cwd=tmp_path) == (0, "")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A PagerDuty."""
    running = Sandbox(tmp_path)
    with ending(running):
        yield running


@pytest.fixture
def router(tmp_path: Path, sandbox: Sandbox) -> Iterator[Router]:
    """A service with that sandbox."""
    running = Router(tmp_path, sandbox.url, f"sqlite:///{tmp_path / 'cli.db'}", ALERTROUTER_API_TOKENS="secret")
    with ending(running):
        yield running


def test_incidents_are_handled_from_the_terminal(router: Router, tmp_path: Path) -> None:
    body = notification()
    body["alerts"][0]["annotations"]["summary"] = "red \x1b[31m"
    [incident] = router.post(body).json()["incidents"]
    env = {"ALERTROUTER_URL": router.url, "ALERTROUTER_API_TOKEN": "secret"}

    def say(*arguments: str) -> str:
        code, said = run("incidents", *arguments, cwd=tmp_path, **env)
        assert code == 0, said
        return said

    assert incident in say("list")
    shown = say("show", incident)
    assert "Opened by HighErrorRate" in shown
    assert "kubectl logs -n prod deploy/api" in shown
    assert "\x1b" not in shown  # what an alert holds gives no orders to the terminal
    [incident] = router.post(notification("NoRunbook", group="other")).json()["incidents"]
    assert "next step at" in say("snooze", incident, "--for", "30m")
    assert "acknowledged" in say("ack", incident, "--by", "ana")
    say("escalate", incident)
    assert run("incidents", "escalate", incident, cwd=tmp_path, **env)[0] == 1
    assert say("list", "--limit", "1").endswith("\nthere are more: see --limit\n")
    assert "resolved" in say("resolve", incident)
    assert incident not in say("list")
    assert say("list", "--status", "acknowledged") == "no incident is like that\n"
    assert json.loads(say("list", "--status", "acknowledged", "--json")) == {"incidents": [], "next": None}
    assert incident in say("list", "--status", "all")
    assert run("incidents", "show", "nosuch", cwd=tmp_path, **env) == (1, "alertrouter: there is no incident nosuch\n")
    assert run("incidents", "list", cwd=tmp_path, **{**env, "ALERTROUTER_API_TOKEN": "wrong"}) == (
        1,
        "alertrouter: an API token is wanted (ALERTROUTER_API_TOKENS); the one in ALERTROUTER_API_TOKEN does not do\n",
    )


def test_dead_letters_are_handled_from_the_terminal(router: Router, sandbox: Sandbox, tmp_path: Path) -> None:
    env = {"ALERTROUTER_URL": router.url, "ALERTROUTER_API_TOKEN": "secret"}

    def say(*arguments: str) -> tuple[int, str]:
        return run("deliveries", *arguments, cwd=tmp_path, **env)

    sandbox.fault("400", count=2)
    [incident] = router.post(notification("NoRunbook")).json()["incidents"]
    shown = wait_for("the dead letter", lambda: say("list")[1])
    assert "dead" in shown
    assert "trigger to oncall" in shown
    assert incident in shown
    assert "this refusal was ordered by a fault" in shown
    number = shown.split()[0]
    code, said = say("retry", number, "--by", "ana")
    assert (code, said.split()[:2]) == (0, [number, "pending"])
    wait_for("the page", sandbox.alerts)
    assert say("list") == (0, "")
    assert wait_for("the record", lambda: number in say("list", "--state", "sent")[1])
    code, said = say("discard", number)
    assert (code, said) == (1, f"alertrouter: delivery {number}: it is sent: only what is dead or pending can be discarded\n")
    assert say("retry", "4711") == (1, "alertrouter: there is no delivery 4711\n")


def test_a_change_is_told_from_the_terminal_with_a_webhook_token_or_else_the_api_token(tmp_path: Path, sandbox: Sandbox) -> None:
    database = f"sqlite:///{tmp_path / 'change.db'}"
    router = Router(tmp_path, sandbox.url, database, ALERTROUTER_WEBHOOK_TOKENS="hook,other", ALERTROUTER_API_TOKENS="api")
    with ending(router):

        def say(*arguments: str, **env: str) -> tuple[int, str]:
            return run("change", *arguments, cwd=tmp_path, ALERTROUTER_URL=router.url, **env)

        links = ("--link", "https://ci.test/7", "--link", "https://git.test")
        tokens = {"ALERTROUTER_WEBHOOK_TOKENS": "hook", "ALERTROUTER_API_TOKEN": "api"}
        assert say("deploy 1.2.3", "--target", "engineering", *links, **tokens) == (0, "change 1 is taken\n")
        assert say("deploy 1.2.4", ALERTROUTER_API_TOKEN="other") == (0, "change 2 is taken\n")
        sent = wait_for("both changes", lambda: found if len(found := sandbox.events()) == 2 else None)
        assert [one["event"]["payload"]["summary"] for one in sent] == ["deploy 1.2.3", "deploy 1.2.4"]
        assert [link["href"] for link in sent[0]["event"]["links"]] == ["https://ci.test/7", "https://git.test"]
        assert sent[0]["routing_key"] != sent[1]["routing_key"]
        refused = (1, "alertrouter: a webhook token is wanted (ALERTROUTER_WEBHOOK_TOKENS)\n")
        assert say("deploy", ALERTROUTER_API_TOKEN="api") == refused
        assert say("deploy", "--target", "ops", **tokens) == (1, "alertrouter: there is no target 'ops'\n")
        assert say("", **tokens) == (1, "alertrouter: summary is empty\n")


@pytest.mark.parametrize("command", [("incidents", "list"), ("incidents", "watch"), ("deliveries", "list"), ("drill",)])
def test_a_service_that_is_not_there_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, said = run(*command, cwd=tmp_path, ALERTROUTER_URL=url)
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith(f"alertrouter: {url} does not answer: ")
    assert said.endswith("Connection refused (ALERTROUTER_URL)\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("incidents", "list", "--statsu"), "No such option: --statsu (Possible options: --status)"),
        (("incidents", "ack"), "Missing argument 'incident'"),
        (("incidents", "lst"), "No such command 'lst'. Did you mean 'list'?"),
        (("incidnts",), "No such command 'incidnts'. Did you mean 'incidents'?"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line(arguments: tuple[str, ...], line: str, tmp_path: Path) -> None:
    code, said = run(*arguments, cwd=tmp_path)
    assert (code, said.partition(" (see ")[0], said.count("\n")) == (2, f"alertrouter: {line}", 1)


def test_the_demo_tells_its_story_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    arguments = [sys.executable, "-m", "alertrouter.cli", "demo", "--speed", "300"]
    log = tmp_path / "demo.log"
    env = {"ALERTROUTER_PORT": str(port), "TMPDIR": str(temporary), "HOME": str(home), "PYTHONUNBUFFERED": "1"}
    process = Process(arguments, env, log)
    try:
        wait_for("the end of the story", lambda: "the story is over" in log.read_text(), 40)
        wait_for("the last resolve", lambda: all(one["status"] != "triggered" for one in _alerts(port)), 20)
        told = {(one["event"]["payload"]["summary"].split(" on ")[0], one["routing_key"], one["status"]) for one in _alerts(port)}
        assert told == {
            ("[CRITICAL] HighErrorRate", "oncall", "resolved"),
            ("[CRITICAL] Escalated to engineering: HighErrorRate", "engineering", "resolved"),
            ("[CRITICAL] DatabaseDown", "oncall", "resolved"),
            ("[CRITICAL] Escalated to dba: DatabaseDown", "dba", "resolved"),
            ("[WARNING] HighLatency", "oncall", "resolved"),
            ("[WARNING] HighLLMCost", "oncall", "acknowledged"),
        }
        process.popen.send_signal(signal.SIGINT)
        assert process.popen.wait(10) == 0
    finally:
        if process.popen.poll() is None:
            process.kill()
    assert not list(home.iterdir())
    assert not list(temporary.iterdir())


def _alerts(port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"http://127.0.0.1:{port}/sandbox/alerts").json()["alerts"]
    return found


def test_incidents_and_deliveries_are_printed_as_json_for_programs(router: Router, tmp_path: Path) -> None:
    [incident] = router.post(notification("NoRunbook", group="json")).json()["incidents"]
    env = {"ALERTROUTER_URL": router.url, "ALERTROUTER_API_TOKEN": "secret"}
    for arguments, name in [
        (("incidents", "list", "--json"), "incidents"),
        (("incidents", "show", incident, "--json"), "timeline"),
        (("incidents", "ack", incident, "--json"), "acknowledged_by"),
        (("deliveries", "list", "--state", "all", "--json"), "deliveries"),
    ]:
        code, said = run(*arguments, cwd=tmp_path, **env)
        assert (code, name in json.loads(said)) == (0, True), arguments


def test_the_board_shows_what_is_open_until_it_is_interrupted(router: Router, tmp_path: Path) -> None:
    router.post(notification("NoRunbook", group="board")).raise_for_status()
    env = {**os.environ, "ALERTROUTER_URL": router.url, "ALERTROUTER_API_TOKEN": "secret", "COLUMNS": "120"}
    # whoever started the tests in the background may have had Ctrl-C ignored
    command = ["env", "--default-signal=INT", sys.executable, "-m", "alertrouter.cli", "incidents", "watch", "--every", "0.2"]
    ours, theirs = pty.openpty()
    board = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**env, "TERM": "xterm"})
    shown = ""
    while not ("NoRunbook on a" in shown and "nobody" in shown):
        assert select.select([ours], [], [], 20)[0], shown
        shown += os.read(ours, 65536).decode()
    router.process.kill()
    while "This is how it was then" not in shown:
        assert select.select([ours], [], [], 20)[0], shown
        shown += os.read(ours, 65536).decode()
    board.send_signal(signal.SIGINT)
    until = time.monotonic() + 20
    while board.poll() is None and time.monotonic() < until and select.select([ours], [], [], 5)[0]:
        os.read(ours, 65536)  # a terminal that nobody reads blocks its writer
    if board.poll() is None:
        board.kill()
    assert board.wait(10) == 0
    os.close(ours)
    os.close(theirs)


def test_it_says_which_version_it_is(tmp_path: Path) -> None:
    code, said = run("--version", cwd=tmp_path)
    assert (code, said) == (0, f"alertrouter {version('alertrouter')}\n")


def test_the_commands_that_ask_a_service_load_none_of_it(tmp_path: Path) -> None:
    script = "import sys; from alertrouter.cli import app\ntry: app(['incidents', '--help'])\nfinally: print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True).stdout
    loaded = {name.partition(".")[0] for name in said.splitlines()[-1].split()}
    assert "httpx" in loaded
    assert not loaded & {"sqlalchemy", "sqlmodel", "starlette", "uvicorn", "alembic", "dulwich", "pygal"}


def test_the_service_loads_nothing_that_it_may_never_need(tmp_path: Path) -> None:
    script = "import sys; from alertrouter.cli import app\ntry: app(['serve'])  # without a key\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert "ROUTING_KEY" in done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"httpx", "structlog", "sqlmodel", "starlette"} <= loaded
    assert not loaded & {"rich", "pygments", "alembic", "dulwich", "pygal", "bcrypt", "authlib", "apprise", "opentelemetry"}
