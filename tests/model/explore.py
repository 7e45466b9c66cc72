"""Looks at every state that a small model can get into, breadth first: what is found is told by the shortest way to it."""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)
Moves = Callable[[State], Iterator[tuple[str, State]]]
Property = Callable[[State], bool]


@dataclass(frozen=True)
class Explored(Generic[State]):
    """What was found: how many states, and for each property that does not hold the moves that lead to where it does not."""

    states: int
    broken: Mapping[str, tuple[str, ...]]

    def told(self) -> str:
        """The counterexamples, a line for each move."""
        return "\n".join("\n  ".join((f"NOT: {name}", *trace)) for name, trace in self.broken.items())


def explore(
    start: State, moves: Moves[State], always: Mapping[str, Property[State]], at_last: Property[State]
) -> Explored[State]:
    """Whether each property of `always` holds in every state, and whether every state can still come to one of `at_last`.

    The latter is broken under the name `it always ends well`.
    """
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    before: dict[State, list[State]] = defaultdict(list)
    broken: dict[str, tuple[str, ...]] = {}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        for name, holds in always.items():
            if name not in broken and not holds(state):
                broken[name] = _trace(came_from, state)
        for move, following in moves(state):
            before[following].append(state)
            if following not in came_from:
                came_from[following] = (state, move)
                waiting.append(following)
    safe = _leading_to(at_last, came_from, before)
    if lost := next((state for state in came_from if state not in safe), None):
        broken["it always ends well"] = _trace(came_from, lost)
    return Explored(len(came_from), broken)


def _leading_to(
    wanted: Property[State], states: Mapping[State, tuple[State, str] | None], before: Mapping[State, list[State]]
) -> set[State]:
    """The states from which a wanted one can be reached."""
    found = {state for state in states if wanted(state)}
    waiting = deque(found)
    while waiting:
        for earlier in before.get(waiting.popleft(), ()):
            if earlier not in found:
                found.add(earlier)
                waiting.append(earlier)
    return found


def _trace(came_from: Mapping[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    moves = []
    while (step := came_from[state]) is not None:
        state, move = step
        moves.append(move)
    return tuple(reversed(moves))
