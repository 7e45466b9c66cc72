"""What the pages tell of an incident's state: whom it pages next."""

from alertrouter.escalation import Policy
from alertrouter.incidents import Incident
from alertrouter.incidents.draft import next_step
from alertrouter.tables import IncidentRow


def incident_of(row: IncidentRow) -> Incident:
    """The value that a row holds."""
    names = [name for name in Incident.__struct_fields__ if name != "policy"]
    return Incident(policy=Policy(row.policy_steps, row.policy_source), **{name: getattr(row, name) for name in names})


def next_target(incident: Incident) -> str:
    """Who is paged at `due_at`; empty if nobody is."""
    return target_of(incident, next_step(incident) or 0) if incident.due_at else ""


def target_of(incident: Incident, number: int) -> str:
    """Whom a step pages; empty if there is no such step."""
    if not 1 <= number <= len(incident.policy.steps):
        return ""
    return incident.policy.steps[number - 1].to or incident.target
