"""How the text of a section has changed: PURE."""

from difflib import unified_diff
from typing import Literal

Line = tuple[Literal["same", "gone", "new", "place"], str]
_MOST_LINES = 2000  # comparing is slow for very long texts


def difference(before: str, after: str) -> list[Line]:
    """The lines that went and came, each with three lines around it, as (what became of it, text); "place" begins a new spot."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > _MOST_LINES:
        return [("place", f"{len(old)} lines before, {len(new)} now: too long to compare here")]
    lines = list(unified_diff(old, new, lineterm=""))[3:]  # without the names of files and the first place
    kinds: dict[str, Literal["same", "gone", "new", "place"]] = {" ": "same", "-": "gone", "+": "new"}
    return [(kinds[line[0]], line[1:]) if line[0] in kinds else ("place", "…") for line in lines]
