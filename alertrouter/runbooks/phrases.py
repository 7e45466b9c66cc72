"""The phrases that escalation prose is made of, in English, Portuguese and Spanish, and the durations in them.

A table holds one regular expression a line, for folded text: lower case, no accents, single spaces. Its groups capture nothing,
and a name in capitals stands for an expression of `_NAMES`.
"""

import re
from datetime import timedelta

_NAMES = {
    "IT": r"""
        it|this|the (incident|alert|alarm|issue|problem|outage|page)
        isso|isto|(o|este) (incidente|alerta|problema|alarme|chamado)|a (falha|pagina|queda|situacao)
        esto|lo|el (incidente|problema|aviso|fallo)|la (alerta|alarma|incidencia|falla|pagina|situacion)
    """,
    "ONCALL": r"""
        we|you|(the )?(primary )?on-?call( engineer| person)?
        o plantao|o plantonista|o on-call|quem estiver de plantao|la guardia|el on-call|quien este de guardia
    """,
    "NOBODY": "nobody|no one|no-one|ninguem|nadie",
    "SOMEBODY": "somebody|someone|alguem|alguien",
    "STILL": "still|yet|ainda|aun|todavia",
    "IF": "if|when|se|caso|si|en caso de|em caso de",
    "UNLESS": "unless|a menos que|a nao ser que|salvo que|salvo se|excepto si",
    "NOT": r"""
        (it's |it is |is |has |was )?(still )?not( yet)?( been| be)?|(is|has|was)n't( been)?
        nao( for| foi| seja| esta| estiver| tiver sido| ficar| se| houver sido)?
        no( se| es| esta| fue| ha sido| se ha| queda| quedo)?
    """,
    "DOESNT": "does not|doesn't|do not|don't|did not|didn't|cannot|can't|could not|couldn't|has not|hasn't|have not|haven't",
    "FIXED": r"""
        resolved|fixed|solved|cleared|mitigated|mitigad[oa]|resolvid[oa]|solucionad[oa]|corrigid[oa]|sanad[oa]|normalizad[oa]
        resuelt[oa]|solucionad[oa]|arreglad[oa]|corregid[oa]
    """,
    "FIX": r"""
        resolver|resolva|resolveu|resolverem|solucionar|solucione|solucionou|corrigir|corrija|normalizar|normalize
        mitigar|mitigue|mitiga
        resuelve|resuelven|resuelva|soluciona|solucione|arregla|arregle|corrige|resolverse|solucionarse
    """,
    "SOLUTION": "solution|fix|resolution|solucao|resolucao|correcao|solucion|resolucion",
    "SEEN": r"""
        acknowledged|acked|confirmed|answered|picked up|confirmad[oa]|reconhecid[oa]|atendid[oa]|assumid[oa]|reconocid[oa]
    """,
    "CONFIRM": r"""
        confirmar|reconhecer|confirme|reconheca|confirmou|confirma|reconoce|reconozca|confirmarse
    """,
    "SEE": r"""
        CONFIRM|acknowledges?|acks?|confirms?|answers?|responds?|reacts?|replies|reply|picks? up|takes
        atender|responder|assumir|der ack|atenda|responda|assuma|respondeu|atendeu
        atiende|responde|contesta|acusa recibo|da ack|atienda|acuse recibo
    """,
    "ANSWER": r"""
        ack|acknowledge?ment|response|answer|reply|reaction
        confirmacao|reconhecimento|resposta|retorno|confirmacion|respuesta|acuse de recibo|acuse
    """,
    "NONE": "(no|without|sem|sin|nao houver|nao haja|no hay)( any?| a| nenhuma| uma| ninguna| una)?",
    "OPEN": r"""
        unresolved|open|firing|active|ongoing|abert[oa]|ativ[oa]|sem SOLUTION|abiert[oa]|activ[oa]|sin resolver|sin SOLUTION
    """,
    "PAGED": r"""
        paged|called( in)?|notified|alerted|contacted|informed|woken up|brought in|engaged
        (acionad|chamad|avisad|notificad|contatad|contactad|informad|llamad)[oa]s?
    """,
    "MODAL": "please|you must|we|we must|must|should|favor|por favor|deve-se|deve|devemos|hay que|se debe|debe|debemos",
    "GROUP": "equipe|time|equipo|grupo|plantao|guardia|pessoal|area|setor|squad",
    "ARTICLE": r"""
        GROUP d(e la|e los|el|e|o|a|os|as)|equipe|time|equipo|the|our|an?|o|os|as|el|la|los|las|um|uma|una?
    """,
}

_RESOLVED = r"""
    (IF )?(IT )?(STILL )?NOT (STILL )?FIXED( STILL)?
    (IF )?(ONCALL |IT )?(STILL )?NOT FIX( IT)?|de no FIX
    IF (ONCALL |IT )DOESNT (resolve|fix|solve|recover|clear)( IT| itself)?
    IF NOBODY (has |can |IT )?(fix|solve|resolve|fixes|solves|resolves|FIX|FIXED)( IT)?
    IF (IT )?(persists|continues|persistir|continuar|persista|persiste|continua)( OPEN)?
    IF (IT )?(STILL )?((is |remains )?still|remains|continuar|continue|permanecer|sigue|continua|estiver|esta) (STILL )?OPEN
    (IF )?(IT )?(is )?(still )?(unresolved|unsolved|unfixed)
    (IF )?(there is |there's )?(STILL )?NONE SOLUTION( yet| is found)?
    sin (resolver|resolverse)
    UNLESS (IT )?(is |has been |gets |for |seja |esteja |este )?FIXED|UNLESS (SOMEBODY |se |IT )?FIX( IT)?
    UNLESS SOMEBODY (fixes|solves|resolves|has fixed|has resolved)( IT)?
"""
_ACKNOWLEDGED = r"""
    (IF )?(IT )?(STILL )?NOT (STILL )?SEEN( STILL)?
    IF ONCALL ((STILL )?NOT|DOESNT) SEE( to)?( IT)?|IF (STILL )?NOT CONFIRM( IT)?|de no confirmarse
    (IF )?NOBODY (has |IT )?(SEE|SEEN|responded|reacted|replied)( to)?( IT)?
    (IF )?(IT )?(is )?(still )?(unacknowledged|unacked)
    (IF )?(there is |there's )?(STILL )?NONE ANSWER( yet)?
    sin (confirmar|reconocer)
    UNLESS (IT )?(is |has been |for |seja |este |sea )?SEEN|UNLESS (SOMEBODY|ONCALL) (IT )?SEE( to)?( IT)?|UNLESS se CONFIRM
"""
_NOW = r"""
    immediate(ly)?|at once|right away|straight away|instantly|without delay|from the (start|beginning)
    as soon as IT (fires|opens|starts|is opened)
    imediat[oa](mente)?|de imediato|na hora|agora mesmo|sem demora|desde o (inicio|comeco)|assim que IT (abrir|disparar|comecar)
    inmediat[oa](mente)?|de inmediato|enseguida|en seguida|al instante|en el acto|sin demora|desde el (inicio|principio)
    en cuanto (IT )?(se )?(abra|dispare|salte)( IT)?
"""
_THEN = r"""
    then|after that|afterwards|next|depois disso|depois|em seguida|a seguir|apos isso|na sequencia|entao
    despues de eso|despues|luego|a continuacion|entonces|tras eso
"""
_PASSIVE = r"""
    (is|are|gets|get|will be|must be|should be) PAGED|takes over
    (e|sao|sera|serao|deve ser|devem ser|es|son|seran|debe ser|deben ser) PAGED|assume
"""
_VERB = r"""
    (MODAL )?(escalate|hand|pass|forward|reassign|assign)( IT)?( over| off| on)?
    (MODAL )?(page|call|phone|ring|notify|alert|inform|contact|engage|ping|wake|bring|loop)( in| up)?
    (MODAL )?(escal|escalon|acion|cham|avis|pass|repass|encaminh|contac?t|inform|acord|llam|pas|deriv)(ar|a|e|en|em)( IT)?
    se (escala|avisa|informa|llama|pasa|deriva|contacta|notifica)( IT)?
    (MODAL )?(notifi(car|ca|que|quen|camos)|lig(ar|a|ue)|desp(ertar|ierta|ierte)|entr(ar|e) em contato)( IT)?
    (MODAL )?(escalarlo|escalarla|pasarlo|pasarla)
    (IT )?(is |gets |must be |should be |will be )(escalated|passed on|handed over)|IT (goes|escalates)
    (IT )?(e|sera|deve ser|vai ser|es|debe ser) (escalad|encaminhad|repassad|derivad)[oa]|IT (vai|passa|pasa|se escala)
    escalation( goes)?|escalacao|escalonamento|escalamiento
"""
_AND = "and|e|y"
_TO = r"(to|with|para|pra|pro|ao|aos|a|as|al|com|con)( (ARTICLE)){0,4}"
_ARTICLE = r"(ARTICLE)( (ARTICLE)){0,3}"

_WAIT = "wait( for)?|esperar|espere|espera|esperamos|aguardar|aguarde"
_WITHIN = r"""
    after|in|within( the first| at most)?|in (less|under|more) than|in the first|at(?= \d+ ?min)
    (for )?(more|longer) than|for over
    apos|em( ate| no maximo| menos de| mais de)?|dentro de|depois de|passad[oa]s|decorrid[oa]s|com|nos primeiros
    (ha |por )?mais de|ao (fim|cabo|final) de|aos
    en( menos de| un maximo de| un plazo de| los primeros)?|tras|despues de|luego de|pasad[oa]s|transcurrid[oa]s|al cabo de|a los
    (por |hace |durante )?mas de
"""
# What is a delay only right after a condition: "not resolved for 15 min", but not "watch it for 15 min".
_LASTING = "for|before|por|durante|ha|ate|antes de|hace|desde hace"
_MORE = "another|a further|further|an additional|additional|mais|outr[oa]s?|otr[oa]s?"
_LATER = r"""
    later|after (that|the (previous|last) (step|page))|more
    depois disso|apos isso|depois|mais tarde|a mais|despues de eso|despues|mas tarde|mas
"""
_OPENING = r"""
    (after|of|from|since) (the )?(first )?(alert|alarm|page|incident|start|opening|beginning)( (fires|starts|opens))?
    ((apos|desde) [oa]|(depois |a partir )?d[oa]) (primeir[oa] )?(alerta|alarme|inicio|abertura|incidente|pagina|disparo|aviso)
    ((desde|tras) (el|la)|(despues |a partir )?(del|de la)) (primera? )?(alerta|alarma|inicio|apertura|incidente|pagina|aviso)
"""

_SECOND = "s|secs?|seconds?|segs?|segundos?"
_MINUTE = "m|min|mins|minutes?|minutos?"
_HOUR = "h|hrs?|hours?|horas?"
_DAY = "d|days?|dias?"
_SECONDS = ((_SECOND, 1), (_MINUTE, 60), (_HOUR, 3600), (_DAY, 86400))
_ONES = """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
    um dois tres quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete dezoito dezenove
    un dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve
"""
_TENS = """
    twenty thirty forty fifty sixty seventy eighty ninety
    vinte trinta quarenta cinquenta sessenta setenta oitenta noventa
    veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa
"""
_VEINTI = "veintiuno veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve"
_SMALL = {word: at + 1 for line in _ONES.strip().splitlines() for at, word in enumerate(line.split())}
_SMALL |= {word: at + 21 for at, word in enumerate(_VEINTI.split())}
_SMALL |= {"a": 1, "an": 1, "uma": 1, "una": 1, "duas": 2, "veintiun": 21}
_TEN = {word: 10 * (at + 2) for line in _TENS.strip().splitlines() for at, word in enumerate(line.split())}
# Parts of an hour in minutes: alone, and on top of hours.
_FRACTIONS = (
    ("three quarters of an hour|tres (?:quartos|cuartos) de hora", 45),
    ("(?:a |um |un )?(?:quarter of an hour|(?:quarto|cuarto) de hora)", 15),
    ("half an hour|(?:a )?half[ -]hour|meia[ -]hora|media hora", 30),
)
_EXTRAS = (("and a half|e meia|y media", 30), ("and a quarter|e um quarto|y cuarto", 15))


def _pattern(table: str) -> str:
    """A table as one expression."""
    text = "|".join(line.strip() for line in table.strip().splitlines())
    named = re.sub(r"\b[A-Z]{2,}\b", lambda word: _pattern(_NAMES[word[0]]), text)
    return "(?:" + re.sub(r"\((?!\?)", "(?:", named) + ")"


_NUMBER = rf"(?:{'|'.join(_TEN)})(?:(?: e | y | |-)(?:{'|'.join(_SMALL)}))?|{'|'.join(_SMALL)}"
# One decimal at most: "1,30 h" may be an hour and a half.
_COUNT = rf"(?:\d{{1,4}}(?:[.,]\d)? ?|(?:{_NUMBER}) (?=[a-z]{{3}}))"
_FRACTION = "|".join(words for words, _ in _FRACTIONS)
_EXTRA = "|".join(words for words, _ in _EXTRAS)
_DURATION = _pattern(rf"""
    {_FRACTION}|{_COUNT}?({_HOUR}) ({_EXTRA})|{_COUNT}({_EXTRA}) ({_HOUR})
    \d{{1,2}} ?h ?[0-5]\d( ?({_MINUTE}))?|{_COUNT}({_HOUR})(,| and| e| y)? {_COUNT}({_MINUTE})
    {_COUNT}({_SECOND}|{_MINUTE}|{_HOUR}|{_DAY})
""")
_DELAY = (
    rf"(?:(?P<waiting>{_WAIT}) )?(?:(?P<within>{_pattern(_WITHIN)}) |(?P<lasting>{_LASTING}) )?(?:t?\+ ?)?(?:(?P<more>{_MORE}) )?"
    rf"(?P<duration>{_DURATION}|(?(more)(?:hour|hora|minute|minuto)|(?!)))(?!\w)\.?"
    rf"(?: (?P<opening>{_pattern(_OPENING)})| (?P<later>{_pattern(_LATER)}))?"
)
_AMOUNT = re.compile(rf"(?:({_COUNT})|(?<![a-z]))({_SECOND}|{_MINUTE}|{_HOUR}|{_DAY})(?![a-z])|(\d+)")
# After six in the evening, or after eighteen hours?
CLOCK = re.compile(r"(?:1[3-9]|2[0-3]) ?(?:h(?![a-z])|horas)")

# What a sentence is scanned for, in this order: the letter of the phrase in the sentence's shape, and its expression.
# R not resolved, K not acknowledged, T a time, I the "if" of "if after 15 min not resolved", N now, H then,
# P is paged, V escalate, "&" and, O to, A the, W any other word.
_WORDS = (
    ("K", _pattern(_ACKNOWLEDGED)),
    ("R", _pattern(_RESOLVED)),
    ("T", _DELAY),
    ("I", _pattern(f"(IF)(?= {_pattern(_WITHIN)} )")),
    ("N", _pattern(_NOW)),
    ("H", _pattern(_THEN)),
    ("P", _pattern(_PASSIVE)),
    ("V", _pattern(_VERB)),
    ("&", _AND),
    (",", "first|primeiro|primero"),
    ("O", _pattern(_TO)),
    ("A", _pattern(_ARTICLE)),
    ("W", r"[\"'`“”«»@]*\w[\w&/@'+-]*(?:\.[\w&/@'+-]+)*[\"'`“”«»]*"),
)
_MARKS = ((",", ","), (":", r":|[-=]+>|→|[-–—](?= )"), (";", r"[;.](?= |$)"))
PHRASES = tuple((kind, re.compile(rf"(?:{words})(?!\w)")) for kind, words in _WORDS)
PHRASES += tuple((kind, re.compile(mark)) for kind, mark in _MARKS)


def duration(text: str) -> timedelta:
    """The length of a duration that a time phrase gives, such as "1h30", "meia hora" or "an hour and a half"."""
    minutes = 0
    for said, fraction in _EXTRAS + _FRACTIONS:  # "two and a half hours" before "half hour"
        text, times = re.subn(f" ?(?:{said})", "", text)
        minutes += times * fraction
    total = timedelta(minutes=minutes)
    for count, unit, bare in _AMOUNT.findall(text):
        seconds = next((length for units, length in _SECONDS if re.fullmatch(units, unit)), 60)
        total += timedelta(seconds=seconds * _number((bare or count or "1").strip()))
    return total


def _number(said: str) -> float:
    """A number as it is written: in digits, with a comma or a point, or as one or two words."""
    if said[0].isdecimal():
        return float(said.replace(",", "."))
    return sum(_SMALL.get(word, 0) + _TEN.get(word, 0) for word in re.split(r"[ -]", said) if word not in {"e", "y"})
