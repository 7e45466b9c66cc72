"""The promises that only real processes can break: `kill -9` at the worst moments, on both databases."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from processes import Router, Sandbox, ending, notification, wait_for


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A PagerDuty to page."""
    running = Sandbox(tmp_path)
    with ending(running):
        yield running


@pytest.fixture
def router(tmp_path: Path, sandbox: Sandbox, database_url: str) -> Iterator[Router]:
    """A service to kill."""
    running = Router(tmp_path, sandbox.url, database_url)
    with ending(running):
        yield running


def test_killed_after_the_200_and_before_the_delivery_it_pages_once_after_the_restart(
    router: Router, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.fault("500", count=1000)
    [incident] = router.post(notification("NoRunbook")).json()["incidents"]
    router.process.kill()
    refused = len(sandbox.events())
    sandbox.heal()
    router.start()
    wait_for("the page", sandbox.alerts)
    assert sandbox.actions()[refused:] == [("trigger", incident)]
    assert [(one["dedup_key"], one["notifications"]) for one in sandbox.alerts()] == [(incident, 1)]


def test_killed_between_send_and_record_it_sends_again_and_nobody_is_paged_twice(router: Router, sandbox: Sandbox) -> None:
    sandbox.fault("drop", count=1, seconds=30)
    [incident] = router.post(notification("NoRunbook")).json()["incidents"]
    wait_for("the first send", sandbox.alerts)
    router.process.kill()
    router.start()
    wait_for("the second send", lambda: len(sandbox.actions()) >= 2, 40)
    wait_for("the record", lambda: router.incident(incident)["deliveries"][0]["state"] == "sent")
    assert [(one["dedup_key"], one["notifications"]) for one in sandbox.alerts()] == [(incident, 1)]


def test_killed_before_a_timer_is_due_it_escalates_once_and_not_early(router: Router, sandbox: Sandbox) -> None:
    [incident] = router.post(notification()).json()["incidents"]
    wait_for("the page", sandbox.alerts)
    router.process.kill()
    router.start()
    wait_for("the escalation", lambda: len(sandbox.alerts()) == 2)
    assert Counter(sandbox.actions()) == Counter([("trigger", incident), ("trigger", f"{incident}/e1")])
    [page] = [one for one in sandbox.alerts() if one["dedup_key"] == f"{incident}/e1"]
    opened = datetime.fromisoformat(router.incident(incident)["opened_at"])
    assert (datetime.fromisoformat(page["opened_at"]) - opened).total_seconds() >= 4
    assert page["routing_key"].endswith("3210")


def test_killed_during_the_hold_it_resolves_after_the_restart(router: Router, sandbox: Sandbox) -> None:
    [incident] = router.post(notification("NoRunbook")).json()["incidents"]
    wait_for("the page", sandbox.alerts)
    router.post(notification("NoRunbook", firing=False))
    router.process.kill()
    router.start()
    wait_for("the resolve", lambda: sandbox.alerts()[0]["status"] == "resolved")
    assert sandbox.actions() == [("trigger", incident), ("resolve", incident)]
    assert router.incident(incident)["status"] == "resolved"


def test_sigterm_ends_it_within_a_few_seconds_with_nothing_half_done(router: Router, sandbox: Sandbox) -> None:
    for number in range(20):
        router.post(notification("NoRunbook", group=f"g{number}", instance=f"i{number}"))
    assert router.process.stop(8) == 0
    router.start()
    wait_for("every page", lambda: len(sandbox.alerts()) == 20)
    assert set(Counter(sandbox.actions()).values()) == {1}
