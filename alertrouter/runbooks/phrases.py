"""The phrases that escalation prose is made of, in English, Portuguese and Spanish, and the durations in them.

A table holds one regular expression a line, for folded text: lower case, no accents, single spaces. Its groups capture nothing,
and a name in capitals stands for an expression of `_NAMES`.
"""

import re
from datetime import timedelta

_NAMES = {
    "IT": r"""
        it|this|the (incident|alert|alarm|issue|problem|outage|page)
        isso|isto|[oe] (incidente|alerta|problema|alarme|chamado)|a (falha|pagina|queda|situacao)
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
        resolved|fixed|solved|cleared|resolvid[oa]|solucionad[oa]|corrigid[oa]|sanad[oa]|normalizad[oa]
        resuelt[oa]|solucionad[oa]|arreglad[oa]|corregid[oa]
    """,
    "FIX": r"""
        resolves|fixes|solves|resolve|fix|solve|recover|clear|resolver|resolva|resolveu|resolverem|solucionar|solucione|solucionou
        corrigir|corrija|normalizar|normalize|resuelve|resuelven|resuelva|soluciona|solucione|arregla|arregle|corrige
        resolverse|solucionarse
    """,
    "SOLUTION": "solution|fix|resolution|solucao|resolucao|correcao|solucion|resolucion",
    "SEEN": r"""
        acknowledged|acked|confirmed|answered|picked up|confirmad[oa]|reconhecid[oa]|atendid[oa]|assumid[oa]|reconocid[oa]
    """,
    "SEE": r"""
        acknowledges?|acks?|confirms?|answers?|responds?|reacts?|replies|reply|picks? up|takes?
        confirmar|reconhecer|atender|responder|assumir|der ack|confirme|reconheca|atenda|responda|assuma|confirmou|respondeu|atendeu
        confirma|reconoce|atiende|responde|contesta|acusa recibo|da ack|confirmarse|reconozca|atienda|acuse recibo
    """,
    "ANSWER": r"""
        ack|acknowledge?ment|response|answer|reply|reaction
        confirmacao|reconhecimento|resposta|retorno|confirmacion|respuesta|acuse de recibo|acuse
    """,
    "OPEN": "unresolved|open|firing|active|ongoing|abert[oa]|ativ[oa]|sem SOLUTION|abiert[oa]|activ[oa]|sin resolver|sin SOLUTION",
    "PAGED": r"""
        paged|called( in)?|notified|alerted|contacted|informed|woken up|brought in|engaged
        (acionad|chamad|avisad|notificad|contatad|contactad|informad|llamad)[oa]s?
    """,
    "GROUP": "equipe|time|equipo|grupo|plantao|guardia|pessoal|area|setor|squad",
    "ARTICLE": r"""
        GROUP d(e la|e los|el|e|o|a|os|as)|equipe|time|equipo|the|our|an?|o|os|as|el|la|los|las|um|uma|una?
    """,
}

_RESOLVED = r"""
    (IF )?(IT )?(STILL )?NOT (STILL )?FIXED( STILL)?
    IF (ONCALL |NOBODY |IT )?((STILL )?NOT|DOESNT) (can )?FIX( IT| itself)?
    (IF )?(NOBODY|no se|de no) (has |can |IT )?(FIX|FIXED)( IT)?
    IF (IT )?(persists|continues|persistir|continuar|persista|persiste|continua)( OPEN)?
    IF (IT )?((is |remains )?still|remains|continuar|continue|permanecer|sigue|seguir|continua|estiver|esta) (STILL )?OPEN
    (IF )?(IT )?(is )?(still )?(unresolved|unsolved|unfixed)
    (IF )?(there is |there's |nao houver |nao haja |no hay )?(STILL )?(no |without |sem |sin )?(a |any |una |uma )?SOLUTION( yet| is found)?
    sin (resolver|resolverse)
    UNLESS (IT )?(is |has been |gets |for |seja |esteja |este |se |SOMEBODY )?(FIXED|FIX)( IT)?
"""
_ACKNOWLEDGED = r"""
    (IF )?(IT )?(STILL )?NOT (STILL )?SEEN( STILL)?
    IF (ONCALL |IT )?((STILL )?NOT|DOESNT) SEE( to)?( IT)?
    (IF )?NOBODY (has |IT )?(SEE|SEEN|responded|reacted|replied)( to)?( IT)?
    de no confirmarse
    (IF )?(IT )?(is )?(still )?(unacknowledged|unacked)
    (IF )?(there is |there's )?no (ANSWER)( from ONCALL)?( yet)?
    (IF )?(nao houver|nao haja|no hay|without|sem|sin) (an |any |a |nenhuma |ninguna )?(ANSWER|confirmar|reconocer)
    UNLESS (IT )?(is |has been |for |seja |este |sea |se |SOMEBODY )?(IT )?(SEEN|SEE)( IT)?
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
    (please |you must |you should |we |must |should )?(escalate|hand|pass|forward|reassign|assign)( IT)?( over| off| on)?
    (please |you must |you should |we |must |should )?(page|call|phone|ring|notify|alert|inform|contact|engage|ping|wake)( in| up)?
    (please )?(bring|loop) in|wake up|escalation( goes)?
    (IT )?(is |gets |must be |should be |will be )(escalated|passed on|handed over)|IT (goes|escalates)
    (favor |deve-se |deve )?(escalar|escalonar|acionar|chamar|avisar|notificar|passar|repassar|encaminhar|contatar|informar)( IT)?
    (escale|escalone|acione|chame|avise|notifique|passe|repasse|encaminhe|contate|informe|ligue|ligar|acorde|acordar|escalamos)( IT)?
    entr[ae]r? em contato|escalacao|escalonamento|(IT )?(e|sera|deve ser|vai ser) (escalad|encaminhad|repassad)[oa]|IT (vai|passa)
    (hay que |se debe |debe )?(escalar|llamar|avisar|notificar|contactar|pasar|derivar|despertar|informar)(lo|la)?( IT)?
    (escale|escalen|llame|llamen|avise|avisen|notifique|contacte|pase|derive|despierte)( IT)?
    (IT )?se (escala|avisa|llama|notifica|contacta|deriva|pasa|informa)( IT)?|escalamiento|IT (es|sera|debe ser) escalad[oa]
"""
_AND = "and|e|y"
_TO = r"(to|with|para|pra|pro|ao|aos|a|as|al|com|con)( (ARTICLE)){0,4}"
_ARTICLE = r"(ARTICLE)( (ARTICLE)){0,3}"

_WAIT = "wait( for)?|esperar|espere|espera|esperamos|aguardar|aguarde"
_WITHIN = r"""
    after|in|within( the first| at most)?|in (less|under|more) than|in the first|for (more|longer) than|for over|at(?= \d+ ?min)
    apos|em( ate| no maximo| menos de| mais de)?|dentro de|depois de|passad[oa]s?|decorrid[oa]s?|transcorrid[oa]s?|ha mais de
    por mais de|ao (fim|cabo|final) de|aos|nos primeiros|com
    en( menos de| un maximo de| un plazo de| los primeros)?|tras|despues de|luego de|transcurrid[oa]s?|al cabo de|a los
    por mas de|hace mas de|durante mas de
"""
# What is a delay only right after a condition: "not resolved for 15 min", but not "watch it for 15 min".
_LASTING = "for|before|por|durante|ha|ate|antes de|hace|desde hace"
_MORE = "another|a further|further|an additional|additional|mais|outr[oa]s?|otr[oa]s?"
_LATER = r"""
    later|after (that|the (previous|last) (step|page))|more
    depois disso|apos isso|depois|mais tarde|a mais|despues de eso|despues|mas tarde|mas
"""
_OPENING = r"""
    (after|of|from|since) (the )?(first )?(alert|alarm|page|incident|start|opening|beginning)( fires| fired| starts| started| opens)?
    (apos |depois |a partir |desde )?(d?[oa]|de) (primeir[oa] )?(alerta|alarme|inicio|abertura|incidente|pagina|disparo|aviso)
    (despues |desde |tras |a partir )?(del?|el|la|de la) (primera? )?(alerta|alarma|inicio|apertura|incidente|pagina|aviso|disparo)
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
_SMALL |= {"a": 1, "an": 1, "uma": 1, "una": 1, "duas": 2} | {word: at + 21 for at, word in enumerate(_VEINTI.split())}
_TEN = {word: 10 * (at + 2) for line in _TENS.strip().splitlines() for at, word in enumerate(line.split())}
# Minutes that are said without a number, longest first.
_FRACTIONS = (
    ("three quarters of an hour|tres (quartos|cuartos) de hora", 45),
    ("(a |um |un )?(quarter of an|quarto de|cuarto de) (hour|hora)|quarter hour|(and a quarter|e um quarto|y cuarto)", 15),
    ("half an hour|(a )?half[ -]hour|meia[ -]hora|media hora|(and a half|e meia|y media)", 30),
)


def _pattern(table: str) -> str:
    """A table as one expression."""
    text = "|".join(line.strip() for line in table.strip().splitlines())
    while (named := re.sub(r"\b[A-Z]{2,}\b", lambda word: _pattern(_NAMES[word[0]]), text)) != text:
        text = named
    return "(?:" + re.sub(r"\((?!\?)", "(?:", text) + ")"


_COUNT = rf"(?:\d{{1,4}}(?:[.,]\d{{1,2}})?|(?:{'|'.join(_TEN)})(?:(?: e | y | |-)(?:{'|'.join(_SMALL)}))?|{'|'.join(_SMALL)})"
_PART = "(and a half|e meia|y media|and a quarter|e um quarto|y cuarto)"
_DURATION = _pattern(rf"""
    three quarters of an hour|tres (quartos|cuartos) de hora|(a |um |un )?(quarter of an hour|(quarto|cuarto) de hora)
    half an hour|(a )?half[ -]hour|meia[ -]hora|media hora
    ({_COUNT} )?({_HOUR}) {_PART}|{_COUNT} {_PART} ({_HOUR})
    \d{{1,2}} ?h ?[0-5]\d( ?({_MINUTE}))?|{_COUNT} ?({_HOUR})(,| and| e| y)? {_COUNT} ?({_MINUTE})
    {_COUNT} ?({_SECOND}|{_MINUTE}|{_HOUR}|{_DAY})
    (?<=(another|utr[oa]s|.otra) )(hour|hora|minute|minuto)
""") if False else ""
