"""The routing file is taken in when it changes, without a restart, and a bad one never."""

import asyncio
import signal
from pathlib import Path

import httpx

from alertrouter.routing_file import read_routing
from alertrouter.settings import load_settings
from processes import KEYS, Router, Sandbox, ending, notification, wait_for
from serving import Running, running, until

FILE = """
targets:
  oncall: {{routing_key_file: {key}}}
routes:
  - match: ['severity="critical"']
    target: {target}
default_target: oncall
"""


def write(folder: Path, target: str = "oncall") -> Path:
    (folder / "key").write_text(KEYS["oncall"])
    file = folder / "alertrouter.yml"
    file.write_text(FILE.format(key=folder / "key", target=target))
    return file


def target_of(router: Running) -> str:
    return router.service.playbook.routing.route({"severity": "critical"}).target


async def test_a_changed_file_is_taken_in_and_a_bad_one_keeps_the_last_good(url: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    env = {"ALERTROUTER_CONFIG": str(write(config))}
    routing = read_routing(config / "alertrouter.yml", load_settings({}), {})
    async with running(url, tmp_path, env, routing) as router:
        write(config, "none")
        await until(lambda: asyncio.sleep(0.02, target_of(router) == "none"))
        (config / "alertrouter.yml").write_text("targets: {}\nrouts: []\n")
        await until(lambda: asyncio.sleep(0.02, router.service.files.problems))
        assert target_of(router) == "none"
        page = (await router.http.get("/")).text
        assert "The routing file is wrong: the last good one goes on" in page
        assert f"{config}/alertrouter.yml:2: there is no option routs" in page
        assert "alertrouter_routing_problems 2.0" in (await router.http.get("/metrics")).text
        assert (await router.http.get("/readyz")).status_code == 200
        write(config, "oncall")
        await until(lambda: asyncio.sleep(0.02, target_of(router) == "oncall"))
        assert "The routing file is wrong" not in (await router.http.get("/")).text


async def test_a_key_that_is_rotated_in_its_file_is_taken_in(url: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    env = {"ALERTROUTER_CONFIG": str(write(config))}
    routing = read_routing(config / "alertrouter.yml", load_settings({}), {})
    async with running(url, tmp_path, env, routing) as router:
        before = dict(router.service.playbook.routing.fingerprints())
        (config / "key").write_text("0" * 32)
        await until(lambda: asyncio.sleep(0.02, router.service.playbook.routing.fingerprints() != before))


def test_sighup_reads_everything_again_and_loses_nothing(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    with ending(sandbox):
        router = Router(tmp_path, sandbox.url, f"sqlite:///{tmp_path / 'a.db'}")
        with ending(router):
            assert router.post(notification()).status_code == 200
            (tmp_path / "runbooks" / "service.md").write_text("# Other\n\nNew.\n")
            router.process.popen.send_signal(signal.SIGHUP)
            wait_for("the log to say so", lambda: "the files were read again" in router.process.log.read_text())
            assert httpx.get(f"{router.url}/runbooks/for/Other").status_code == 302
            assert router.post(notification("Second", group="2")).status_code == 200
            wait_for("both pages", lambda: len(sandbox.alerts()) == 2)


async def test_a_key_file_that_comes_after_the_file_that_names_it_is_taken_in(url: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    env = {"ALERTROUTER_CONFIG": str(write(config))}
    routing = read_routing(config / "alertrouter.yml", load_settings({}), {})
    async with running(url, tmp_path, env, routing) as router:
        later = tmp_path / "elsewhere" / "key"
        (config / "alertrouter.yml").write_text(FILE.format(key=later, target="none"))
        await until(lambda: asyncio.sleep(0.02, router.service.files.problems))
        later.parent.mkdir()
        later.write_text(KEYS["oncall"])
        await until(lambda: asyncio.sleep(0.02, target_of(router) == "none"))
        assert router.service.files.problems == ()
