"""The states of an incident as a picture; its arrows and what stands at them are `decide()`'s."""

from html import escape

from tools import state_table

_PLACES = {
    "no incident": (110, 60),
    "triggered": (110, 230),
    "acknowledged": (890, 230),
    "held back": (500, 420),
    "resolved": (500, 580),
}
_WAYS = {
    ("no incident", "triggered"): ("M110,80 V209", "start", 122, 125),
    ("triggered", "acknowledged"): ("M185,218 H814", "middle", 500, 208),
    ("acknowledged", "triggered"): ("M815,242 H186", "middle", 500, 262),
    ("triggered", "held back"): ("M185,250 L424,409", "start", 336, 340),
    ("held back", "triggered"): ("M425,425 L126,251", "end", 250, 350),
    ("acknowledged", "held back"): ("M815,250 L576,409", "end", 664, 340),
    ("held back", "acknowledged"): ("M575,425 L874,251", "start", 750, 350),
    ("triggered", "resolved"): ("M60,250 V580 H424", "start", 72, 550),
    ("acknowledged", "resolved"): ("M940,250 V580 H576", "end", 928, 550),
    ("held back", "resolved"): ("M500,440 V559", "start", 512, 475),
    ("resolved", "triggered"): ("M450,560 V515 H95 V251", "start", 107, 506),
    ("resolved", "a new incident"): ("M500,600 V648 H20 V230 H34", "start", 32, 602),
}
"""Each arrow, and where its text begins, stands in the middle or ends."""
_LINE = 16
_STYLE = """
text { font: 13px sans-serif; fill: #333 } .state { font-weight: bold; text-anchor: middle }
rect, path { fill: none; stroke: #666; stroke-width: 1.5 } .head { fill: #666; stroke: none }
@media (prefers-color-scheme: dark) { text { fill: #ccc } rect, path { stroke: #999 } .head { fill: #999 } }
"""


def picture() -> str:
    """An SVG. Raises ValueError when there is an arrow to draw that has no way, or a way that nothing takes."""
    moves = _moves()
    if moves.keys() != _WAYS.keys():
        raise ValueError(f"these ways and these moves differ: {sorted(moves.keys() ^ _WAYS.keys())}")
    moves["resolved", "a new incident"].insert(0, "a new incident:")
    arrows = "\n".join(_arrow(way, moves[ends]) for ends, way in _WAYS.items())
    boxes = "\n".join(
        f'<rect x="{x - 75}" y="{y - 20}" width="150" height="40" rx="6"/><text class="state" x="{x}" y="{y + 5}">{name}</text>'
        for name, (x, y) in _PLACES.items()
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 30 1000 630" role="img">
<title>The states of an incident</title>
<style>{_STYLE}</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="head" d="M0,0 L8,4 L0,8 Z"/></marker></defs>
{arrows}
{boxes}
</svg>
"""


def _moves() -> dict[tuple[str, str], list[str]]:
    """What leads from one state to another."""
    (_, *states), *rows = state_table.rows()
    found: dict[tuple[str, str], list[str]] = {}
    for event, *outcomes in rows:
        for state, outcome in zip(states, outcomes, strict=True):
            start, end = _state(state), _end(state, outcome)
            # A step that is due is long after the hold: that it is over stands there already.
            if end and end != start and (start, event) != ("held back", "a step is due"):
                texts = found.setdefault((start, end), [])
                texts += [text for text in [event.partition(" (")[0]] if text not in texts]
    return found


def _state(name: str) -> str:
    return "held back" if name.endswith("held") else name.removesuffix(" by a person")


def _end(state: str, outcome: str) -> str:
    """Where the first thing that happens leads; nowhere where nothing does."""
    status = outcome.partition(";")[0].partition(" → ")[0]
    if status in ("·", "409"):
        return ""
    new = "triggered" if state == "no incident" else "a new incident"
    return new if status == "**new incident**" else _state(status)


def _arrow(way: tuple[str, str, int, int], texts: list[str]) -> str:
    path, anchor, x, y = way
    lines = "".join(
        f'<text text-anchor="{anchor}" x="{x}" y="{y + number * _LINE}">{escape(text)}</text>'
        for number, text in enumerate(texts)
    )
    return f'<path d="{path}" marker-end="url(#head)"/>{lines}'
