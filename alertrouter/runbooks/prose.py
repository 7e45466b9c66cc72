"""Reading one sentence of prose as an escalation step.

The words are tables; the sentence must be made of nothing else. What is not understood to the last word is not read: a wrong
guess pages the wrong people, None leaves the default policy in force.
"""

import re
import unicodedata
from datetime import timedelta

from alertrouter.escalation import Step, Unless
from alertrouter.runbooks.words import fold

# All patterns are matched against folded text: lower case, no accents, single spaces.
_CONDITIONS: dict[Unless, tuple[str, ...]] = {
    "resolved": (
        r"se nao (?:for )?(?:resolver|resolvid[oa])",
        r"if (?:it is |it's )?not (?:resolved|fixed)",
    ),
    "acknowledged": (
        r"se nao (?:for )?(?:confirmad[oa]|reconhecid[oa])",
        r"se ninguem (?:confirmar|reconhecer)",
        r"if (?:it is |it's )?not (?:acknowledged|acked)",
        r"if (?:nobody|no one) (?:acknowledges|acks)",
    ),
}
_UNITS = {
    "seconds": ("s", "sec", "secs", "second", "seconds", "seg", "segundo", "segundos"),
    "minutes": ("m", "min", "mins", "minute", "minutes", "minuto", "minutos"),
    "hours": ("h", "hr", "hrs", "hour", "hours", "hora", "horas"),
}
_IMMEDIATE = ("imediata", "imediato", "imediatamente", "immediate", "immediately")
_ESCALATE = ("escalar", "escale", "escalate")
_WITHIN = ("em", "in", "within", "after", "apos")
_TO = ("para", "pra", "to", "ao", "a")
_ARTICLES = ("o ", "a ", "os ", "as ", "the ", "equipe de ", "equipe ", "time de ", "time ")
# A target with one of these is a sentence that goes on.
_GOES_ON = """
    e ou se so apenas somente quando depois apos antes exceto em durante caso mas nao para
    and or if only when then after before unless except in within during but not to
"""
_NOT_A_TARGET = frozenset(_GOES_ON.split())
_LONGEST_SENTENCE = 300


def _any(words: tuple[str, ...]) -> str:
    return "(?:" + "|".join(words) + ")"


_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}
_CONDITION = "|".join(f"(?P<{unless}>{_any(forms)})" for unless, forms in _CONDITIONS.items())
_DELAY = rf"(?:{_CONDITION}) {_any(_WITHIN)} (?P<count>\d{{1,4}}) ?(?P<unit>{'|'.join(_UNIT_OF)})"
_TARGET = rf"{_any(_TO)} (?:{_any(_ARTICLES)})*(?P<target>[^\W_][\w .&/@+-]*?)(?: team)?"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"{_DELAY} ?,? {_any(_ESCALATE)} {_TARGET}",
        rf"{_any(_ESCALATE)} {_TARGET} ?,? {_DELAY}",
        rf"(?:{_any(_ESCALATE)} )?{_any(_IMMEDIATE)} {_TARGET}",
    )
)


def read_policy(text: str) -> tuple[Step, ...] | None:
    """The step that one sentence states, None if it cannot be read.

    "Se não resolver em 15min, escalar para engenharia" is `(Step(15 min, "engenharia", "resolved"),)`, "Immediate to DBA" is
    `(Step(0, "DBA", None),)`. The target is as it was written, without article or "team".
    """
    sentence = unicodedata.normalize("NFC", " ".join(text.split()).rstrip(" .;!"))
    if len(sentence) > _LONGEST_SENTENCE:
        return None
    folded = fold(sentence)
    match = next((found for form in _FORMS if (found := form.fullmatch(folded))), None)
    if match is None:
        return None
    target = sentence[match.start("target") : match.end("target")]
    if not _NOT_A_TARGET.isdisjoint(re.split(r"\W+", fold(target))) or len(target.split()) > 3:
        return None
    said = match.groupdict()
    if not said.get("count"):
        return (Step(timedelta(), target, None),)
    unless: Unless = "resolved" if said["resolved"] else "acknowledged"
    after = timedelta(**{_UNIT_OF[said["unit"]]: int(said["count"])})
    return (Step(after, target, unless if after else None),)
