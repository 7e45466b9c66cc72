"""Play a plan against a world, and hold what came of it against the promises."""

import asyncio
import sys
import time
from pathlib import Path

from chaos.checker import History
from chaos.faults import Breaker
from chaos.plan import Plan
from chaos.sender import Sender
from chaos.world import World

_SETTLE_SECONDS = 240.0


async def run(plan: Plan, folder: Path, url: str = "") -> History:
    """What happened, on servers of its own or on the PostgreSQL database at `url`. Everything is ended, whatever happens."""
    world = await asyncio.to_thread(World, folder, plan.database, url)
    try:
        await world.start(plan.replicas)
        return await _play(plan, world)
    finally:
        await world.stop()


async def _play(plan: Plan, world: World) -> History:
    sender = Sender([replica.port for replica in world.replicas])
    breaker = Breaker(world)
    faults = [fault for fault in plan.faults if world.is_small or fault.kind != "full"]
    if len(faults) < len(plan.faults):
        sys.stderr.write("SKIPPED: no small disk can be mounted here (that wants root), so none is full\n")
    listening = asyncio.create_task(world.listen())
    async with asyncio.TaskGroup() as group:
        group.create_task(sender.play(plan.stories))
        group.create_task(breaker.play(faults))
    await _settle(world)
    listening.cancel()
    await asyncio.wait([listening])
    world.hear()
    return History(plan.stories, sender.told, world.heard, world.owed(), breaker.clock, breaker.done, sender.refusals)


async def _settle(world: World) -> None:
    """Wait until nothing is owed; what is left after minutes is for the checker to tell."""
    until = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < until and (await asyncio.to_thread(world.left)) > 0:
        await asyncio.sleep(0.3)
