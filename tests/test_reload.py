"""The routing file is taken in when it changes, without a restart, and a bad one never."""

import asyncio
import re
import signal
from pathlib import Path

import httpx
import pytest

from alertrouter.routing import Routing, Target, key_fingerprint
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


async def test_what_a_rotated_key_has_triggered_is_resolved_with_it_and_the_next_start_is_warned_of(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    env = {"ALERTROUTER_CONFIG": str(write(config))}
    old, new = KEYS["oncall"], KEYS["engineering"]

    def routing() -> Routing:
        return read_routing(config / "alertrouter.yml", load_settings({}), {})

    async with running(url, tmp_path, env, routing()) as router:
        [one] = (await router.post(notification("NoRunbook"))).json()["incidents"]
        await router.settled()
        (config / "key").write_text(new)
        await until(lambda: asyncio.sleep(0.02, key_fingerprint(new) in router.service.playbook.routing.configured))
        await router.service._measure()
        assert router.service.lost_keys == ("oncall",)
        assert "List the old key of oncall under previous_routing_keys" in (await router.http.get("/")).text
        assert "alertrouter_lost_routing_keys 1.0" in (await router.http.get("/metrics")).text
        told = capsys.readouterr().out
        assert "open incidents need a routing key that nobody configures" in told
        assert not {old, new} & set(re.findall("[0-9a-f]{32}", told))
        (await router.http.post(f"/api/v1/incidents/{one}/resolve", json={"by": "ana"})).raise_for_status()
        await router.settled()
        assert [alert["status"] for alert in await router.alerts()] == ["resolved"]
        await router.service._measure()
        assert "under previous_routing_keys" not in (await router.http.get("/")).text


async def test_a_key_that_is_listed_as_a_previous_one_is_not_warned_of(url: str, tmp_path: Path) -> None:
    old, new = KEYS["oncall"], KEYS["engineering"]
    async with running(url, tmp_path, routing=Routing([Target("oncall", old)], (), "oncall")) as router:
        await router.post(notification("NoRunbook"))
        await router.settled()
        for previous, lost in (((), ("oncall",)), ((old,), ())):
            await router.rotate(Routing([Target("oncall", new, previous_routing_keys=previous)], (), "oncall"))
            await router.service._measure()
            assert router.service.lost_keys == lost


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
