"""What can be broken, by hand, while the agent runs."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from agent_service.metrics import ERROR_TYPES


class SwitchError(ValueError):
    """Not a switch, or not one of its positions; the text says which."""


@dataclass(slots=True)
class Switches:
    """All off means that all is well.

    `slow`: the model takes 6 to 8 seconds. `failing`: every message that comes to that part ends in this type of error.
    `databaseless`: the database takes all connections away. `expensive`: tokens cost ten times as much.
    """

    slow: bool = False
    failing: str | None = None
    databaseless: bool = False
    expensive: bool = False

    def turn(self, wanted: dict[str, Any]) -> None:
        """Turn some of them; the others stay. Raises SwitchError, and then none is turned."""
        for name, value in wanted.items():
            if name not in {one.name for one in fields(self)}:
                raise SwitchError(f"{name}: no such switch; there are {', '.join(asdict(self))}")
            if name == "failing" and value not in (None, *ERROR_TYPES):
                raise SwitchError(f"failing: one of {', '.join(ERROR_TYPES)}, or null")
            if name != "failing" and not isinstance(value, bool):
                raise SwitchError(f"{name}: true or false")
        for name, value in wanted.items():
            setattr(self, name, value)
