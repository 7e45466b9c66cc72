"""PagerDuty is down for an hour, and comes back to what was owed meanwhile."""

from collections import Counter
from pathlib import Path
from typing import Any

from alertrouter.pagerduty.keys import PROBES
from alertrouter.worker import MOST_IN_FLIGHT
from processes import notification
from serving import Running, running

INCIDENTS = 60
LOOKS = 20


async def test_an_outage_is_probed_and_then_made_good_for_the_most_severe_first(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as router:
        await router.pagerduty.post("/faults", json={"mode": "500", "count": 100_000})
        opened = [await of_severity(router, number, ["warning", "critical"][number % 2]) for number in range(INCIDENTS)]
        await hour(router)
        attempts = Counter(one["dedup_key"] for one in await router.events())
        assert attempts.total() <= MOST_IN_FLIGHT + 3 * LOOKS * PROBES  # each of the three keys has its probes
        over = [incident for incident in opened if not any(key.startswith(incident) for key in attempts)][:10]
        for incident in over:
            await router.http.post(f"/api/v1/incidents/{incident}/resolve", json={"by": "ana"})
        sent = await back(router)
        triggers = [one for one in sent if one["event_action"] == "trigger"]
        assert {one["dedup_key"].partition("/")[0] for one in sent} == set(opened) - set(over)
        assert len({one["dedup_key"] for one in triggers}) == len(triggers)
        ranks = [one["payload"]["severity"] for one in triggers]
        last_critical = len(ranks) - 1 - ranks[::-1].index("critical")
        assert last_critical < ranks.index("warning", PROBES) + MOST_IN_FLIGHT


async def of_severity(router: Running, number: int, severity: str) -> str:
    body = notification("Unknown", group=str(number), instance=str(number))
    body["alerts"][0]["labels"]["severity"] = severity
    [incident] = (await router.post(body)).json()["incidents"]
    return str(incident)


async def hour(router: Running) -> None:
    """The worker looks now and then; steps fall due meanwhile."""
    for _ in range(LOOKS):
        await router.settled_but_failing()
        router.clock.pass_(minutes=60 / LOOKS)
        router.service.worker.poke()
    await router.settled_but_failing()


async def back(router: Running) -> list[dict[str, Any]]:
    """What PagerDuty gets when it takes events again, without what it refused before."""
    before = len(await router.events())
    await router.pagerduty.delete("/faults")
    router.clock.pass_(seconds=1)
    return (await router.settled())[before:]
