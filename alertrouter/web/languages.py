"""The languages of the pages: English, and Brazilian Portuguese for browsers that prefer Portuguese.

Texts are marked by `say(…)` in Python, refusals where they are raised (`Refusal`, `RefusalError` and its kin), and by `_(…)` and
`{% trans %}` in templates; the catalogue is under `locale/` (`make translations`).
What people and alerts write is shown as it is.
"""

from collections.abc import Callable
from functools import cache
from gettext import NullTranslations, translation
from pathlib import Path

Say = Callable[[str], str]
ENGLISH = "en"
PORTUGUESE = "pt-BR"
_FOLDER = Path(__file__).parent / "locale"


def choose(accept_language: str) -> str:
    """The language that an Accept-Language header (RFC 9110, 12.5.4) likes best among those that there are; else English."""
    best, found = 0.0, ENGLISH
    for part in accept_language.split(",")[:50]:
        name, _, weight = part.partition(";")
        language = _ours(name.strip().lower())
        liked = _weight(weight)
        if language and liked > best:
            best, found = liked, language
    return found


def _ours(name: str) -> str:
    if name == "*":
        return ENGLISH
    return {"en": ENGLISH, "pt": PORTUGUESE}.get(name.partition("-")[0], "")


def _weight(text: str) -> float:
    if not text.strip():
        return 1.0
    name, _, value = text.partition("=")
    try:
        return min(max(float(value), 0.0), 1.0) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0


@cache
def catalogue(language: str) -> NullTranslations:
    """What texts are in a language."""
    return NullTranslations() if language == ENGLISH else translation("alertrouter", _FOLDER, [language.replace("-", "_")])


def say_in(language: str) -> Say:
    """What says a marked text in a language; a text that has no translation stays as it is."""
    return catalogue(language).gettext
