import unicodedata
from datetime import timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertrouter.escalation import Step, Unless
from alertrouter.runbooks.prose import read_steps

Said = tuple[float, str] | tuple[float, str, Unless]
ACK: Unless = "acknowledged"


def step(minutes: float, to: str, unless: Unless = "resolved") -> Step:
    return Step(timedelta(minutes=minutes), to, unless if minutes else None)


ENGLISH: list[tuple[str | list[str], list[Said]]] = [
    # conditions
    ("If not resolved in 15 min, escalate to engineering", [(15, "engineering")]),
    ("If not resolved within 15 minutes, escalate to the engineering team", [(15, "engineering")]),
    ("If it is still not resolved after half an hour, escalate to the platform team.", [(30, "platform")]),
    ("If the incident hasn’t been resolved within 1h30, hand it over to the database team.", [(90, "database")]),
    ("If we can't fix it within 1.5 hours, bring in the vendor.", [(90, "vendor")]),
    ("If the problem persists for more than 30 minutes, bring in the network team.", [(30, "network")]),
    ("If the alert is still firing 20 minutes after the page, escalate to the storage team.", [(20, "storage")]),
    ("If after 15 min it is not resolved, escalate to engineering", [(15, "engineering")]),
    ("If not mitigated within 30 min, escalate to SRE", [(30, "SRE")]),
    ("If not resolved in 15 min, then escalate to engineering.", [(15, "engineering")]),
    ("If not resolved in 15 min. escalate to engineering", [(15, "engineering")]),
    ("Unless resolved within two hours, escalate to the head of engineering.", [(120, "head of engineering")]),
    ("Escalate to `engineering` if not resolved in 90 s.", [(1.5, "engineering")]),
    ("Without a fix in 30 min, escalate to engineering.", [(30, "engineering")]),
    ("Not resolved in 30 min → engineering", [(30, "engineering")]),
    ("If not acknowledged in 10 min, escalate to X", [(10, "X", ACK)]),
    ("If nobody acks within 10 minutes, page the secondary on-call.", [(10, "secondary on-call", ACK)]),
    ("If no one acknowledges the alert in 5 min, call the engineering manager.", [(5, "engineering manager", ACK)]),
    ("If the on-call engineer does not respond within 10 min, escalate to @engineering", [(10, "engineering", ACK)]),
    ("If there is no response within 10 min, notify the duty manager.", [(10, "duty manager", ACK)]),
    ("Call the manager if there is no ack after 20 min", [(20, "manager", ACK)]),
    ("If unacknowledged for 10 min, page engineering.", [(10, "engineering", ACK)]),
    ("If not acked in twenty-five minutes, escalate to tier 2", [(25, "tier 2", ACK)]),
    ("Unless acknowledged within 15 minutes, escalate to SRE.", [(15, "SRE", ACK)]),
    ("After 15 min without acknowledgement, page the backup.", [(15, "backup", ACK)]),
    ("Engineering is paged after 15 min if nobody acks.", [(15, "Engineering", ACK)]),
    # unsaid: an acknowledgement does not stop it
    ("Escalation to engineering after 45 minutes.", [(45, "engineering")]),
    ("Please page engineering after a quarter of an hour.", [(15, "engineering")]),
    ("DBA and engineering are paged after an hour and a half.", [(90, "DBA and engineering")]),
    ("The incident is escalated to the CTO after two hours.", [(120, "CTO")]),
    ('After two and a half hours, call "Data Platform".', [(150, "Data Platform")]),
    ("Wait 15 minutes, then escalate to engineering.", [(15, "engineering")]),
    ("After 2 days without a resolution, escalate to management", [(2880, "management")]),
    # immediately
    ("Immediate to DBA", [(0, "DBA")]),
    ("Immediately to the DBA", [(0, "DBA")]),
    ("Escalate immediately to the on-call DBA", [(0, "on-call DBA")]),
    ("Immediate escalation to the DBA team.", [(0, "DBA")]),
    ("Immediate to DBA and engineering", [(0, "DBA and engineering")]),
    ("Alert the security team as soon as the incident opens.", [(0, "security")]),
    ("If not resolved in 0 min, escalate to DBA", [(0, "DBA")]),
    # several steps
    ("Page DBA at once, then engineering after 20 min.", [(0, "DBA"), (20, "engineering")]),
    ("Immediately page DBA and engineering after 15 min", [(0, "DBA"), (15, "engineering")]),
    ("Page the DBA right away, wait 15 min, then page engineering.", [(0, "DBA"), (15, "engineering")]),
    ("Page the DBA immediately; if not acked within 15 min, page SRE.", [(0, "DBA"), (15, "SRE", ACK)]),
    (
        "If not resolved in 15 min, escalate to engineering, and if not resolved in 1 hour, escalate to the manager.",
        [(15, "engineering"), (60, "manager")],
    ),
    (["Escalate to engineering after 15 min.", "Then, after 30 min, to the manager."], [(15, "engineering"), (45, "manager")]),
    ("Escalate to engineering after 15 min, then after another 30 min to the CTO.", [(15, "engineering"), (45, "CTO")]),
    (
        "If nobody acks in 5 min, page SRE; if still unresolved after another 30 min, escalate to the CTO",
        [(5, "SRE", ACK), (35, "CTO")],
    ),
    ("Escalate to SRE in 15 min, to the manager in 1 hour and 30 minutes.", [(15, "SRE"), (90, "manager")]),
    (["Immediate: DBA", "If not acked in 10 min: engineering"], [(0, "DBA"), (10, "engineering", ACK)]),
    (["T+45 min: CTO", "0 min: DBA", "15 min -> engineering"], [(0, "DBA"), (15, "engineering"), (45, "CTO")]),
]

PORTUGUESE: list[tuple[str | list[str], list[Said]]] = [
    ("Se não resolver em 15min, escalar para engenharia", [(15, "engenharia")]),
    ("SE NAO RESOLVER EM 1H ESCALAR PARA ENGENHARIA", [(60, "ENGENHARIA")]),
    ("Escalar para engenharia se não resolver em 1 hora", [(60, "engenharia")]),
    (unicodedata.normalize("NFD", "Se não resolver em 90 s, escalar para o plantão"), [(1.5, "plantão")]),
    ("Se não resolver em 15 min., escalar para engenharia", [(15, "engenharia")]),
    ("Se não resolver em meia hora, acionar a engenharia.", [(30, "engenharia")]),
    ("Se o problema não for resolvido em 1h30, escalar para o time de plataforma.", [(90, "plataforma")]),
    ("Caso não seja resolvido em 15 minutos, encaminhar para a equipe de banco de dados.", [(15, "banco de dados")]),
    ("Caso após 30 minutos o problema não seja resolvido, escalar para engenharia", [(30, "engenharia")]),
    ("Se ainda não estiver resolvido depois de 40 min, passar para o time de pagamentos.", [(40, "pagamentos")]),
    ("Se não normalizar em vinte e cinco minutos, avisar o NOC.", [(25, "NOC")]),
    ("Se o alerta persistir por mais de meia hora, acionar a engenharia", [(30, "engenharia")]),
    ("Se o incidente continuar aberto após duas horas, escalar para a diretoria.", [(120, "diretoria")]),
    ("Sem solução em 30 min, escalar para a engenharia.", [(30, "engenharia")]),
    ("Há mais de 20 min sem solução, chamar o fornecedor.", [(20, "fornecedor")]),
    ("Não resolvido em 1 hora: escalar para o CTO", [(60, "CTO")]),
    ("A menos que seja resolvido em 15 minutos, escalar para SRE.", [(15, "SRE")]),
    ("Se ninguém confirmar em 20min, escalar para engenharia.", [(20, "engenharia", ACK)]),
    ("Se não for reconhecido em 20 minutos, escalar para a equipe de dados", [(20, "dados", ACK)]),
    ("Caso ninguém atenda em 5 minutos, acionar o plantão de engenharia.", [(5, "engenharia", ACK)]),
    ("Se o plantonista não responder em 10 min, ligar para o coordenador de TI.", [(10, "coordenador de TI", ACK)]),
    ("Se não houver confirmação em 10 min, avisar a segurança.", [(10, "segurança", ACK)]),
    ("Escalar para a engenharia se em 15 min não houver resposta", [(15, "engenharia", ACK)]),
    ("Escalar para DBA após 10 min se ninguém reconhecer.", [(10, "DBA", ACK)]),
    ("Sem resposta em 15 min: engenharia", [(15, "engenharia", ACK)]),
    ("15 min sem confirmação → gerente", [(15, "gerente", ACK)]),
    ("A engenharia é acionada após 15 min.", [(15, "engenharia")]),
    ("O gerente deve ser avisado após uma hora e meia.", [(90, "gerente")]),
    ("O incidente deve ser escalado para a engenharia após 45 minutos.", [(45, "engenharia")]),
    ("Escalonamento para o plantão após quinze minutos.", [(15, "plantão")]),
    ("Escalar para o time de dados em até 15 min.", [(15, "dados")]),
    ("Aguardar 15 min e escalar para engenharia.", [(15, "engenharia")]),
    ("15 minutos após o início, acionar a infraestrutura.", [(15, "infraestrutura")]),
    ("Avisar o gerente após 1 hora e 30 minutos.", [(90, "gerente")]),
    ("Escalar para a direção após duas horas e meia", [(150, "direção")]),
    ("Imediata para DBA", [(0, "DBA")]),
    ("Acionar imediatamente o DBA e a engenharia.", [(0, "DBA e engenharia")]),
    ("Notificar a segurança assim que o alerta disparar.", [(0, "segurança")]),
    ("Imediata para DBA, depois de 30 min para engenharia.", [(0, "DBA"), (30, "engenharia")]),
    ("Escalar de imediato para o DBA; se ninguém confirmar em 15 min, acionar SRE.", [(0, "DBA"), (15, "SRE", ACK)]),
    (
        ["Escalar para engenharia após 15 min.", "Em seguida, após 30 min, escalar para o gerente."],
        [(15, "engenharia"), (45, "gerente")],
    ),
    ("Escalar para engenharia após 15 min e, após mais 30 min, para o gerente.", [(15, "engenharia"), (45, "gerente")]),
    ("Se não resolver em 15min, escalar para SRE e, se não resolver em 1h, avisar o gerente.", [(15, "SRE"), (60, "gerente")]),
    ("Após 5 min acionar o DBA, após 15 min a SRE e após 1 h o diretor", [(5, "DBA"), (15, "SRE"), (60, "diretor")]),
    (
        ["Imediatamente: acionar DBA", "15 min: engenharia", "1 hora: gerência"],
        [(0, "DBA"), (15, "engenharia"), (60, "gerência")],
    ),
]

SPANISH: list[tuple[str | list[str], list[Said]]] = [
    ("Si no se resuelve en 15 min, escalar a ingeniería.", [(15, "ingeniería")]),
    ("Si el incidente no se ha resuelto en media hora, llamar al equipo de redes.", [(30, "redes")]),
    ("Si no está resuelto en 1h30, avisar al responsable de guardia.", [(90, "responsable de guardia")]),
    ("Si no se soluciona en 1,5 horas, escalar al CTO.", [(90, "CTO")]),
    ("Si aún no está resuelto tras cuarenta y cinco minutos, pasar al equipo de pagos.", [(45, "pagos")]),
    ("Si el problema persiste más de 30 min, llamar al proveedor.", [(30, "proveedor")]),
    ("Si el problema sigue abierto después de dos horas, escalar a dirección.", [(120, "dirección")]),
    ("Si la incidencia sigue sin resolver tras 1 hora, escalar a dirección técnica", [(60, "dirección técnica")]),
    ("Si después de 15 min no se resuelve, escalar a ingeniería", [(15, "ingeniería")]),
    ("Sin solución en 30 minutos, escalar a plataforma.", [(30, "plataforma")]),
    ("De no resolverse en 15 minutos, derivar al equipo de almacenamiento.", [(15, "almacenamiento")]),
    ("En caso de no resolverse en 40 min, contactar con seguridad.", [(40, "seguridad")]),
    ("A menos que se resuelva en 20 minutos, escalar a SRE.", [(20, "SRE")]),
    ("Si nadie confirma en 10 minutos, llamar a la guardia de ingeniería.", [(10, "ingeniería", ACK)]),
    ("Si nadie responde en 5 min, avisar al gerente.", [(5, "gerente", ACK)]),
    ("Si nadie lo reconoce en veinticinco minutos, escalar a operaciones.", [(25, "operaciones", ACK)]),
    ("Si no hay respuesta en 10 min, llamar al supervisor.", [(10, "supervisor", ACK)]),
    ("Salvo que alguien confirme en 10 min, llamar al jefe de turno.", [(10, "jefe de turno", ACK)]),
    ("Pasados 20 minutos sin confirmación, escalar al coordinador.", [(20, "coordinador", ACK)]),
    ("Sin respuesta en 15 min: ingeniería", [(15, "ingeniería", ACK)]),
    ("Ingeniería es avisada tras 15 min si nadie confirma.", [(15, "Ingeniería", ACK)]),
    ("Se escala a ingeniería al cabo de 15 min.", [(15, "ingeniería")]),
    ("Se avisa al gerente después de hora y media.", [(90, "gerente")]),
    ("Esperar 15 minutos y escalar a ingeniería.", [(15, "ingeniería")]),
    ("Espera 10 min y luego llama al jefe de guardia", [(10, "jefe de guardia")]),
    ("Escalamiento a ingeniería después de un cuarto de hora.", [(15, "ingeniería")]),
    ("15 minutos después del aviso, llamar a infraestructura.", [(15, "infraestructura")]),
    ("15 min desde el inicio: ingeniería", [(15, "ingeniería")]),
    ("Escalar al DBA y a ingeniería a los 15 minutos.", [(15, "DBA y ingeniería")]),
    ("Escalar de inmediato al DBA.", [(0, "DBA")]),
    ("¡Avisar inmediatamente al equipo de bases de datos!", [(0, "bases de datos")]),
    ("Escalar inmediatamente a DBA e ingeniería", [(0, "DBA e ingeniería")]),
    ("Avisar enseguida al DBA y, si nadie confirma en 20 min, llamar a redes.", [(0, "DBA"), (20, "redes", ACK)]),
    ("Llamar al DBA al instante, después a ingeniería tras 20 min.", [(0, "DBA"), (20, "ingeniería")]),
    ("Escalar a redes tras 15 min y luego, tras otros 30 min, al gerente.", [(15, "redes"), (45, "gerente")]),
    ("A los 15 minutos, escalar a redes; a los 45 minutos, al director.", [(15, "redes"), (45, "director")]),
    (["Escalar a DBA si no se resuelve en 20 min.", "10 minutos más tarde, escalar a redes."], [(20, "DBA"), (30, "redes")]),
    (["Inmediato: DBA", "15 min: ingeniería"], [(0, "DBA"), (15, "ingeniería")]),
]


@pytest.mark.parametrize(("text", "steps"), ENGLISH + PORTUGUESE + SPANISH)
def test_sentences_state_steps(text: str | list[str], steps: list[Said]) -> None:
    sentences = [text] if isinstance(text, str) else text
    assert read_steps(sentences) == tuple(step(*said) for said in steps)


DURATIONS = {
    0.5: "30s, 30 s, 30 seg, thirty seconds, treinta segundos",
    15: "15min, 15 min, 15m, 15 minutos, quinze minutos, a quarter of an hour, um quarto de hora, un cuarto de hora",
    21: "21 mins, twenty-one minutes, vinte e um minutos, veintiún minutos",
    30: "meia hora, half an hour, a half hour, media hora, 0.5 h",
    45: "forty five minutes, três quartos de hora, tres cuartos de hora, cuarenta y cinco minutos",
    60: "1h, an hour, uma hora, una hora, 1 hr, sixty minutes",
    75: "hora y cuarto, uma hora e um quarto, 1h15",
    90: "1h30, 1h30min, 1 h 30 min, 1,5 hora, 1.5 hours, uma hora e meia, hora y media, an hour and a half, one and a half hours",
    135: "duas horas e 15 minutos, 2 hours 15 minutes, dos horas y quince minutos, 2 hours and 15 min",
    150: "2h e meia, duas horas e meia, dos horas y media, two and a half hours, two hours and a half",
    1440: "24h, 1 day, one day, um dia, 1 día",
}


@pytest.mark.parametrize(("said", "minutes"), [(said, key) for key, line in DURATIONS.items() for said in line.split(", ")])
def test_durations_are_said_in_many_ways(said: str, minutes: float) -> None:
    assert read_steps([f"After {said}: DBA"]) == (step(minutes, "DBA"),)


TRAPS = [
    "",
    # negations, and what must not happen before a time
    "Do not escalate before 30 min",
    "Don't page engineering after 15 min",
    "Never escalate to the CTO immediately",
    "Escalate to engineering, but not before 30 min",
    "Não escalar para engenharia",
    "Não escalar para engenharia antes de 30 min",
    "Se não resolver em 15min, não escalar para engenharia",
    "Nunca acionar o DBA imediatamente",
    "No escalar a ingeniería antes de 30 min",
    "Si nadie confirma en 15 min, no llamar a ingeniería",
    "Unless nobody acks in 15 min, page engineering",
    # conditions that are not ours
    "Escalar apenas se o banco cair",
    "Escalar para DBA após 15 min apenas se o banco cair",
    "Escalate to DBA after 15 min only if not resolved",
    "If the database is down, page the DBA immediately.",
    "Page DBA after 15 min if the database is down",
    "Si la base de datos está caída, llamar al DBA de inmediato",
    "Imediata para DBA se for produção",
    "Se não resolver em 15 min, escalar para engenharia, exceto de madrugada",
    "If not resolved in 15 min, escalate to engineering unless it is the weekend",
    "If it does not respond within 15 min, escalate to DBA",  # the service, or the one who was paged?
    "Se acionar o DBA em 15 min, avisar o gerente",
    # resolved, and not unresolved
    "If resolved in 15 min, escalate to DBA",
    "Se for resolvido em 15 min, escalar para DBA",
    "Si se resuelve en 15 min, escalar a DBA",
    "If there is a solution in 15 min, escalate to DBA",
    "Unless not resolved in 15 min, page DBA",
    # times that contradict each other, or count from nothing
    "Immediate to DBA after 30 min",
    "Page DBA after 15 min within 30 min",
    "After 15 min and after 30 min, escalate to engineering.",
    "Then, after 30 min, escalate to the manager.",
    "30 min más tarde, escalar a gerencia",
    "Após mais 30 min, escalar para o gerente",
    "Escalate to SRE after 15 min, if not acked, escalate to the manager after 30 min",  # whose condition?
    # durations that are no delays, or no one duration
    "Check the dashboard for 15 min",
    "Check the dashboard for 15 min, then escalate to DBA",
    "Verificar o painel por 15 min e escalar para DBA",
    "Se a fila tiver mais de 15 min, escalar para DBA",
    "Si la latencia supera 15 s, escalar a ingeniería",
    "Escalate to engineering within 15 min of restarting the pods",
    "Page engineering for 15 min",
    "Every 15 min, page engineering",
    "A cada 15 min, avisar o gerente",
    "If not resolved in 10-15 min, escalate to engineering",
    "Se não resolver entre 10 e 15 min, escalar para engenharia",
    "If not resolved in 15 to 20 min, escalate to engineering",
    "Escalar para engenharia em 30 min úteis",
    "If not resolved in 2 business hours, escalate to engineering",
    "Si no se resuelve en 2 horas hábiles, escalar a ingeniería",
    "If not resolved in 15 fortnights, escalate to DBA",
    "If not resolved in a few minutes, escalate to engineering",
    "Escalate to the night team after 18h",  # six in the evening
    "Se não resolver em 15 min, escalar às 18h",
    "Após 18 horas, escalar para a equipe da noite",
    "If not resolved in 1,30 h, escalate to DBA",  # an hour and a half?
    "Se não resolver em 15 min, escalar às 9:00 para engenharia",
    # no time
    "If not resolved, escalate to engineering",
    "Escalar a ingeniería",
    "Page DBA immediately, then engineering",
    "Escalate to engineering as soon as possible",
    # nobody, or not the one
    "Imediata",
    "If not resolved in 15 min, escalate to the team",
    "If not resolved in 15 min, escalate to DBA or engineering",
    "Si no se resuelve en 15 min, escalar a DBA o ingeniería",
    "If not resolved in 15 min, page the DBA, the manager",
    "Escalar para ele após 15 min",
    "Immediate to DBA (see the rota)",
    "Escalate to the very long name of some department after 15 min",
    # something else happens too, or instead
    "Se não resolver em 15min, escalar para engenharia e avisar o gerente",
    "If not resolved in 15 min, escalate to engineering and restart the service",
    "After 15 min restart the service",
    "Se não resolver em 15 min, a causa é o disco",
    "Après 15 min, appeler le DBA",
    # questions
    "Should engineering be paged after 15 min?",
    "¿Escalar a ingeniería tras 15 min?",
    "Immediate to " + "x" * 100_000,
]


@pytest.mark.parametrize("sentence", TRAPS)
def test_what_is_not_understood_to_the_last_word_is_not_read(sentence: str) -> None:
    assert read_steps([sentence]) is None


def test_one_sentence_that_is_not_understood_leaves_nothing() -> None:
    assert read_steps(["Immediate to DBA", "Then have a coffee"]) is None


def test_no_sentence_is_no_step() -> None:
    assert read_steps([]) is None


WORDS = sorted(
    {word for text, _ in ENGLISH + PORTUGUESE + SPANISH for word in " ".join([text] if isinstance(text, str) else text).split()}
)


@given(st.lists(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join), max_size=3))
def test_any_text_is_steps_or_none(sentences: list[str]) -> None:
    steps = read_steps(sentences)
    assert steps is None or all(step.to for step in steps)


@pytest.mark.parametrize(
    "piece", ["a ", "1h", "if not ", "DBA and ", "15 min: x ", "after 1 min x, ", "the ", "x@", "and then, ", "x. "]
)
def test_a_monster_takes_no_time(piece: str) -> None:
    started = perf_counter()
    read_steps([(piece * 300)[:300]])
    assert perf_counter() - started < 0.5
