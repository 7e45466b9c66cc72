"""The skeleton of a new runbook: PURE."""

import re

from alertrouter.runbooks.rules import Rule

_LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}")
_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_EVERYWHERE = {"alertname", "severity"}


def skeleton(alertname: str, rule: Rule | None, escalation: str) -> str:
    """A markdown file for an alert, filled from its rule as far as there is one; `escalation` is a sentence that can be read."""
    meaning = _prose(rule.annotations, "description", "message", "summary") if rule else ""
    severity = rule.labels.get("severity", "") if rule else ""
    parts = [
        f"# {alertname}",
        meaning or "TODO: what this alert means, in a sentence or two.",
        f"**Severity**: {severity}" if severity and "{{" not in severity else "",
        "## Impact",
        "TODO: who notices it, and how badly.",
        "## Diagnosis",
        "1. TODO: the first thing to look at, with the command to paste.",
        _labels(rule),
        f"What fires:\n\n```promql\n{rule.expr.strip()}\n```" if rule and rule.expr.strip() else "",
        "## Mitigation",
        "1. TODO: what brings the service back, the safest way first.",
        "## Escalation",
        escalation,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _prose(annotations: dict[str, str], *names: str) -> str:
    """The first of these annotations as one paragraph; of its templates only labels have a place in a runbook."""
    text = next((annotations[name] for name in names if annotations.get(name, "").strip()), "")
    return " ".join(_TEMPLATE.sub("…", _LABEL.sub(r"`<\1>`", text)).split())


def _labels(rule: Rule | None) -> str:
    known = sorted(((rule and rule.known_labels()) or frozenset()) - _EVERYWHERE)
    shown = ", ".join(f"`{{{{ labels.{name} }}}}`" for name in known)
    return f"Commands can use what the alert brings: {shown}." if shown else ""
