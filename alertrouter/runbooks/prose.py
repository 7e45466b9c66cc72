"""Reading sentences of prose as escalation steps.

A sentence is cut into phrases (`phrases.PHRASES`), and the phrases into clauses, each of which says one step. What is not
understood to the last word is not read, nor is what can be understood in two ways: a wrong guess pages the wrong people, None
leaves the default policy in force.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Literal

from alertrouter.escalation import Step, Unless, in_order
from alertrouter.runbooks.phrases import CLOCK, PHRASES, duration
from alertrouter.runbooks.words import fold

Since = Literal["opening", "step", "wait", "unsaid"]

_LONGEST_SENTENCE = 300
_LONGEST_CLAUSE = 30  # phrases and words
_LONGEST_TARGET = 4  # words
# A target with one of these is a sentence that goes on.
_GOES_ON = """
    or if only when then after before unless until while except without besides excluding otherwise within during
    but not never no nor just ever every each always all any some more less again later soon today tomorrow possible
    in on at by from for per because since as so who which that is are be was were has have had does don't will can may
    it them they him her us me you we nobody anyone someone everyone somebody team
    check restart wait open run verify stop start try close reopen ignore create write send look make see tell read use
    ou se so somente apenas quando depois apos antes exceto salvo senao em no na nos nas durante caso sem sob
    mas nao nunca jamais por pelo pela cada todos que como porque pois desde ate mais menos ainda ja logo agora sempre tambem
    ele ela eles elas isso verificar aguardar abrir rodar executar parar tentar fechar reiniciar checar criar olhar
    si solo solamente cuando despues excepto en pero ni sino hasta les este esta sea esto tampoco tambien ya luego siempre
    comprobar revisar ejecutar detener esperar cerrar probar crear mirar
    uteis habiles laborables comerciais hours hour minutes minute min horas hora minutos minuto dias days
"""
_NOT_A_TARGET = frozenset(_GOES_ON.split())
_QUOTES = "\"'`“”«»@"
_JOINS = frozenset(["de", "do", "da", "dos", "das", "del", "of"])

# Clauses by the letters of their phrases. F is a time that is one only after a condition, B one that is one only before a ":".
_MOMENT = r"(?:[RKTN]|(?<=[RK])F|B(?=[RK]|:)|I(?=T,?[RK]))"
_WHEN = rf"(?:{_MOMENT}[,:]?)*"
_CLAUSE = re.compile(
    rf"(?P<lead>[,;&H]*){_WHEN}(?:&?H,?|&(?=V))?(?P<verb>V?),?{_WHEN}"
    rf"(?P<target>[OA]*W{{1,4}}(?:&[OA]*W{{1,4}}){{0,3}})(?P<passive>P?)(?:,?{_MOMENT})*"
)
_UNLESS: dict[str, Unless] = {"R": "resolved", "K": "acknowledged"}


@dataclass(frozen=True, slots=True)
class _Phrase:
    kind: str
    text: str
    said: re.Match[str]


@dataclass(frozen=True, slots=True)
class _Clause:
    """One step as it is said: `after` is None for "immediately", `since` what the delay counts from."""

    to: str
    after: timedelta | None
    since: Since
    unless: Unless


def read_steps(sentences: Iterable[str]) -> tuple[Step, ...] | None:
    """The steps that the sentences state, in the order of their times; None if one cannot be read, or there is none.

    "Se não resolver em 15min, escalar para engenharia" is `(Step(15 min, "engenharia", "resolved"),)`, "Immediate to DBA" is
    `(Step(0, "DBA", None),)`. A delay counts from the opening, after a "then" from the step before. The target is as it was
    written, without article or "team"; two of them are one text ("DBA and engineering").
    """
    steps: list[Step] = []
    for sentence in sentences:
        clauses = _clauses(sentence)
        for clause in clauses:
            step = _step(clause, steps[-1] if steps else None)
            if step is None:
                return None
            steps.append(step)
        if not clauses:
            return None
    return in_order(steps) if steps else None


def _step(clause: _Clause, last: Step | None) -> Step | None:
    """The step of a clause that comes after the step `last`; None if it counts from a step and there is none."""
    if clause.after is None:
        return Step(timedelta(), clause.to, None)
    if clause.since == "step" and last is None:
        return None
    start = last.after if last and clause.since in {"step", "wait"} else timedelta()
    return Step(start + clause.after, clause.to, clause.unless)


def _clauses(sentence: str) -> tuple[_Clause, ...]:
    """The clauses of a sentence in their order; none if it cannot be read, or in more than one way."""
    text = unicodedata.normalize("NFC", " ".join(sentence.split()).strip(" .;,!¡")).replace("’", "'")
    readings = _readings(_scan(text)) if len(text) <= _LONGEST_SENTENCE else []
    return readings[0] if len(readings) == 1 else ()


def _scan(text: str) -> list[_Phrase]:
    """Cut a sentence into phrases; none if some of it is no phrase."""
    folded, at = fold(text), 0
    phrases: list[_Phrase] = []
    while at < len(text):
        phrase = _phrase(text, folded, at)
        if phrase is None:
            return []
        phrases.append(phrase)
        at = phrase.said.end() + folded.startswith(" ", phrase.said.end())
    return phrases


def _phrase(text: str, folded: str, at: int) -> _Phrase | None:
    """The phrase that begins at a place in a sentence."""
    kind, said = next(((kind, said) for kind, words in PHRASES if (said := words.match(folded, at))), ("", None))
    if said is None or (kind == "T" and CLOCK.match(said["duration"])):
        return None
    written = text[at : said.end()]
    if kind == "&" and written.lower() != said[0]:  # "é" is no "e"
        return None
    if kind == "T" and not any(said[part] for part in ("waiting", "within", "more", "later", "opening")):
        kind = "F" if said["lasting"] else "B"
    return _Phrase(kind, written, said)


def _readings(phrases: list[_Phrase]) -> list[tuple[_Clause, ...]]:
    """Up to two ways to cut phrases into clauses, all of which but the first begin with "and", "then", a mark or "15 min:"."""
    length = len(phrases)
    shape = "".join(phrase.kind for phrase in phrases)
    ways: list[list[tuple[_Clause, ...]]] = [[] for _ in phrases] + [[()]]
    for start in reversed(range(length)):
        if start and shape[start] not in ",;&HB":
            continue
        for end in range(start + 1, min(length, start + _LONGEST_CLAUSE) + 1):
            clause = _clause(shape[start:end], phrases[start:end], first=not start) if ways[end] else None
            if clause:
                ways[start] += [(clause, *rest) for rest in ways[end]]
        del ways[start][2:]
    return ways[0] if phrases else []


def _clause(shape: str, phrases: Sequence[_Phrase], *, first: bool) -> _Clause | None:
    """The step that phrases of this shape say: one target, one time, and at most one condition."""
    match = _CLAUSE.fullmatch(shape)
    times = [at for at, kind in enumerate(shape) if kind in "TFBN"]
    conditions = [kind for kind in shape if kind in _UNLESS]
    if not match or len(times) != 1 or len(conditions) > 1 or not _may_stand(match, phrases[match.start("target")], first=first):
        return None
    to = _target(phrases[match.start("target") : match.end("target")])
    time, then = phrases[times[0]], "H" in match["lead"]
    if to is None:
        return None
    if time.kind == "N":
        return None if conditions or then else _Clause(to, None, "unsaid", "resolved")
    unless = _UNLESS[conditions[0]] if conditions else "resolved"
    return _Clause(to, duration(time.said["duration"]), _since(time.said, then=then), unless)


def _may_stand(match: re.Match[str], to: _Phrase, *, first: bool) -> bool:
    """Whether the target, of which `to` is the first phrase, stands where one may: anywhere else unknown words say more."""
    before = match.string[: match.start("target")]
    if match["verb"]:
        return not match["passive"] and (before[-1] in "VN:" or to.kind in "OA")
    if match["passive"] or before[-1:] in {"N", ":", "H", "&"} or (not first and before == match["lead"]):
        return True
    if first:
        return bool(before) and to.kind == "O" and to.said[0].split()[0] not in {"a", "as"}  # not "após 15 min, a causa ..."
    return to.kind in "OA"


def _since(time: re.Match[str], *, then: bool) -> Since:
    """What a delay counts from: "wait 15 min" from the step before, if there is one."""
    if time["opening"]:
        return "opening"
    if time["more"] or time["later"] or then:
        return "step"
    return "wait" if time["waiting"] else "unsaid"


def _target(phrases: Sequence[_Phrase]) -> str | None:
    """The text of a target, without articles, "team" and quotes; None if it has words that no target has."""
    text, words = "", 0
    for joined, group in groupby(phrases, key=lambda phrase: phrase.kind == "&"):
        parts = list(group)
        name = parts[0].text if joined else _name([part.text for part in parts if part.kind == "W"])
        if name is None:
            return None
        text += f" {name} " if joined else name
        words += 0 if joined else len(name.split())
    return text if words <= _LONGEST_TARGET else None


def _name(words: list[str]) -> str | None:
    """One target of words without quotes and a closing "team"; None if it is none, or has words that no target has."""
    if fold(words[-1]) == "team":
        words = words[:-1]
    name = " ".join(words).strip(_QUOTES)
    folded = [word.strip(_QUOTES) for word in fold(name).split()]
    if not folded or not _NOT_A_TARGET.isdisjoint(folded) or {folded[0], folded[-1]} & _JOINS:
        return None
    return name
