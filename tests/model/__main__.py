"""Prints how many states the protocol has, and what goes wrong without each of its guards."""

import sys

from model import sending, taking
from model.explore import Explored, explore


def _sent(missing: str) -> Explored[sending.World]:
    guards = sending.GUARDS - {missing}
    world = sending.World(guards, 0, people_act_there=True) if missing == "relink" else sending.World(guards)
    return explore(world, sending.moves, sending.ALWAYS, sending.ends_well)


def _taken(missing: str) -> Explored[taking.World]:
    return explore(taking.World(taking.GUARDS - {missing}), taking.moves, taking.ALWAYS, taking.ends_well)


for part, look, all_guards in (("sending", _sent, sending.GUARDS), ("taking", _taken, taking.GUARDS)):
    for guard in ("", *sorted(all_guards)):
        found = look(guard)
        without = f", without {guard}" if guard else ""
        sys.stdout.write(f"{part}{without}: {found.states} states\n{found.told() or 'every property holds'}\n\n")
