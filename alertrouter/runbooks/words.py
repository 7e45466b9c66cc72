"""The words that runbooks use for their parts, and how words are compared."""

import unicodedata

_ESCALATION = """
    escalation escalations escalacao escalacoes escalonamento escalonamentos
    escalamiento escalamientos escalado escalada escalacion
"""
_WORDS_OF_ESCALATION = frozenset(_ESCALATION.split())
_POLICY = (
    "{} policy",
    "{} path",
    "{} rule",
    "{} rules",
    "{} steps",
    "politica de {}",
    "regra de {}",
    "regras de {}",
    "reglas de {}",
)
ESCALATION = _WORDS_OF_ESCALATION | {form.format(word) for word in _WORDS_OF_ESCALATION for form in _POLICY}
_RESTRICTS = """
    only except unless if when not never no but however note exception otherwise outside during before after then and or
    apenas so somente exceto salvo se quando nao nunca jamais mas porem nota obs observacao excecao fora durante
    antes depois apos entao e ou
    solo solamente excepto si cuando pero sino excepcion fuera despues luego tras y o
"""
_RESTRICTING = frozenset(_RESTRICTS.split())

_STEPS = """
    investigation diagnosis action actions mitigation steps resolution remediation troubleshooting
    investigacao diagnostico acao acoes mitigacao passos resolucao procedimento
    investigacion accion acciones mitigacion pasos resolucion procedimiento
"""
STEPS = frozenset(_STEPS.split())

# Parts of one alert's text: what stands under such a heading still speaks of that alert.
_PARTS = """
    meaning impact summary description overview severity notes
    significado impacto resumo descricao severidade notas
    resumen descripcion severidad
"""
PARTS = STEPS | frozenset(_PARTS.split())


def fold(text: str) -> str:
    """Lower case without accents, character for character: the result is as long as the text in NFC."""
    return "".join(unicodedata.normalize("NFD", char)[0].lower()[0] for char in unicodedata.normalize("NFC", text))


def name(text: str) -> str:
    """A heading or lead as it is compared: folded, without numbering, decoration or a closing colon."""
    folded = fold(text)
    first = next((at for at, char in enumerate(folded) if char.isalpha()), len(folded))
    last = next((at for at in range(len(folded), first, -1) if folded[at - 1].isalpha()), first)
    return folded[first:last]


def starts_steps(text: str) -> bool:
    """Whether a heading or lead of at most five words names the part that a person needs first."""
    words = name(text).split()
    return 0 < len(words) <= 5 and words[0] in STEPS


def begins_escalation(folded: str) -> bool:
    """Whether a name (see `name`) is about the escalation without being its own heading or lead: "escalation at night"."""
    return folded not in ESCALATION and (folded.split() or [""])[0] in _WORDS_OF_ESCALATION


def restricts(folded: str) -> bool:
    """Whether a text (see `name`) goes on with what was said before, such as "only in production"."""
    return (folded.split() or [""])[0].strip(",") in _RESTRICTING
