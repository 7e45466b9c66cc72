from datetime import timedelta

import pytest

from alertrouter.escalation import Step, Unless
from alertrouter.runbooks.parse import parse
from alertrouter.runbooks.policy import read_list


def step(minutes: float, to: str, unless: Unless | None = "resolved") -> Step:
    return Step(timedelta(minutes=minutes), to, unless if minutes else None)


LATER = (step(15, "engenharia"),)
BOTH = (step(0, "DBA"), step(20, "engineering", "acknowledged"))


@pytest.mark.parametrize(
    ("text", "policy", "line"),
    [
        ("### A\ntext\n**Escalação**: Se não resolver em 15min, escalar para engenharia\n", LATER, 3),
        ("### A\n\n**Escalação:** Se não resolver em 15min,\nescalar para engenharia\n**Dono:** x\n", LATER, 3),
        ("### A\nSeverity: high\nEscalation: Immediate to DBA\nOwner: me\n", (step(0, "DBA"),), 3),
        ("### A\n- Severity: high\n- **Escalation**: Immediate to DBA\n", (step(0, "DBA"),), 3),
        # sentences and items are steps, in the order of their times
        ("### A\nEscalation: If not acked in 20 min, escalate to engineering. Immediate to DBA.\n", BOTH, 2),
        ("### A\n**Escalation**:\n\n1. Immediate to DBA\n2. If not acked in 20m, escalate to engineering\n", BOTH, 2),
        ("### A\n#### ESCALAMIENTO\n\n- Immediate to DBA\n- If not acked in 20m, escalate to engineering\n", BOTH, 4),
        ("### A\n#### 3. Escalonamento:\nImmediate to DBA\n#### More\nx\n", (step(0, "DBA"),), 3),
        # the exact form
        ("### A\n#### Escalation\n```yaml\n- {after: 0s, to: DBA}\n```\n", (step(0, "DBA"),), 3),
        ("### A\n**Escalation**:\n```yaml\n- {after: 0s, to: DBA}\n```\n", (step(0, "DBA"),), 2),
        # a nested part of the same text is read, another alert's is not
        ("### A\n#### Mitigation\n**Escalation**: Immediate to DBA\n", (step(0, "DBA"),), 3),
        ("### A\n#### B\n**Escalation**: Immediate to DBA\n##### Escalation\nImmediate to DBA\n", None, None),
        ("### A\n#### B\ntext\n#### Escalation\nImmediate to DBA\n", (step(0, "DBA"),), 5),
        # what is said twice is not guessed at
        ("### A\nEscalation: Immediate to DBA\n\nEscalation: Immediate to X\n", None, 4),
        # what stands around it belongs to it
        ("### A\n**Escalation**: Immediate to DBA\n\n- If not acked in 20 min, escalate to engineering\n", BOTH, 2),
        ("### A\n**Escalation**: Immediate to DBA\n**Only in production.**\n", None, 2),
        ("### A\n**Escalation**: Immediate to DBA\n**Nota** x\n", None, 2),
        ("### A\nEscalation: Immediate to DBA\nExceto: madrugada\n", None, 2),
        ("### A\n**Escalation**: Immediate to DBA\n\nOnly in production, otherwise nobody.\n", None, 2),
        ("### A\n**Escalation**: Immediate to DBA\n\nSee also the [backup](b.md).\n", (step(0, "DBA"),), 2),
        ("### A\n- Escalation: Immediate to DBA\n  - only in production\n", None, 2),
        ("### A\n#### Escalation\nImmediate to DBA\n##### After hours\nNobody.\n", None, 3),
        ("### A\n#### Escalation\nImmediate to DBA\n\n<p>Except at night: nobody.</p>\n", None, 3),
        ("### A\n#### Escalation\nImmediate to DBA\n\n    not at night\n", None, 3),
        ("### A\n#### Escalation\nNever page at night.\n```yaml\n- {after: 0s, to: DBA}\n```\n", None, 3),
        ("### A\n#### Escalation\n![Immediate to DBA](x.png)\n", None, 3),
        # other ways to head it, and those that are only nearly one
        ("### A\n#### Escalation policy\nImmediate to DBA\n", (step(0, "DBA"),), 3),
        ("### A\n**Escalado** - Inmediata al DBA\n", (step(0, "DBA"),), 2),
        ("### A\n**Escalation path**: Immediate to DBA\n", (step(0, "DBA"),), 2),
        ("### A\n**Escalation**\n\nImmediate to DBA\n", (step(0, "DBA"),), 2),
        ("### A\n**Escalation (production)**: Immediate to DBA\n", None, 2),
        ("### A\n#### Escalation at night\nImmediate to DBA\n", None, 2),
        ("### A\n| a | b |\n|-|-|\n| Escalation | Immediate to DBA |\n", None, 4),
        ("### A\nEscalation is explained elsewhere: ask.\n", None, None),
        # stated, and not readable: where it is, and nothing guessed
        ("### A\n**Escalação**: ligar para o João\n", None, 2),
        ("### A\nEscalation: Immediate to DBA. Then have a coffee.\n", None, 2),
        ("### A\n#### Escalation\n", None, 2),
        ("### A\n#### Escalation\n```yaml\n- {after: soon}\n```\nImmediate to DBA\n", None, 3),
        # not stated
        ("### A\nNo word of it.\n", None, None),
        ("### A\n<!-- Escalation: Immediate to DBA -->\n", None, None),
        ("### A\n```\nEscalation: Immediate to DBA\n```\n", None, None),
    ],
)
def test_a_section_says_its_own_escalation(text: str, policy: tuple[Step, ...] | None, line: int | None) -> None:
    section = parse("a.md", text).sections[1]
    assert (section.policy, section.policy_line) == (policy, line)


def test_a_file_named_after_an_alert_is_read_under_its_title_and_parts() -> None:
    text = "---\ntitle: x\n---\n# A\n\n## Diagnosis\n\nLook.\n\n## Escalation\n\nImmediate to DBA\n"
    whole = parse("A.md", text).sections[0]
    assert (whole.policy, whole.policy_line) == ((step(0, "DBA"),), 12)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("- {after: 10m, to: dba, unless: acknowledged}", (step(10, "dba", "acknowledged"),)),
        ("- {after: 10m, to: dba}", (step(10, "dba"),)),  # unsaid: an acknowledgement does not stop it
        ("- after: 1h\n- {after: 0s, to: dba, unless: resolved}", (step(0, "dba"), step(60, ""))),
        ("[]", ()),  # stated: nobody else is paged
        ("after: 10m", None),
        ("- {after: 10, to: dba}", None),  # ten of what?
        ("- {after: 10m, to: dba, when: never}", None),
        ("- {after: 10m, to: [dba]}", None),
        ("- {after: 10m, unless: sleeping}", None),
        ("- {after: 10m, unless: [a]}", None),
        ("- {after: 10m}\n- nonsense", None),
        ("- {", None),
        ("", None),
    ],
)
def test_a_yaml_list_is_the_exact_form(text: str, read: tuple[Step, ...] | None) -> None:
    assert read_list(text) == read
