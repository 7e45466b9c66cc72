from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import fields, replace

from alertrouter.escalation import Policy, Step
from alertrouter.incidents import Incident, Member, Page
from alertrouter.moments import from_micros, to_micros
from alertrouter.store import codec
from alertrouter.store.database import Database
from alertrouter.tables import AlertRow, IncidentRow

NOW = datetime(2026, 11, 23, 3, 0, 0, 123456, tzinfo=UTC)
INCIDENT = Incident(
    id="i", source="s", subject="g\u2028", per_alert=True, target="oncall", status="acknowledged", severity="critical", title="t",
    opened_at=NOW, policy=Policy((Step(timedelta(minutes=15), "dba", "resolved"), Step(timedelta(0), "", None)), "r.md:3"),
    armed_at=NOW, repage_on_new_alert=False, resolve_hold=timedelta(seconds=90), external_url="http://a", receiver="r",
    section="rev", step=1, round=2, due_at=NOW, resolve_at=NOW, acknowledged_at=NOW, acknowledged_by="ana", resolved_at=NOW,
    resolve_reason="why", resolved_by_person=True, snoozed_until=NOW, previous="p", notifications=3, firing=2, resolved=1,
    truncated=4, pages=(Page("i", "oncall", 0, True), Page("i/e1", "dba", 1)),
)  # fmt: skip
MEMBER = Member("f", True, {"a": 'b"\0'}, {"c": "ü"}, "http://g", "warning", "t", NOW, NOW, NOW, NOW, "rev")


def test_the_sample_values_differ_from_every_default() -> None:
    for value in (INCIDENT, MEMBER):
        assert not [field.name for field in fields(value) if getattr(value, field.name) == field.default]


def test_an_incident_and_a_member_come_back_as_they_were_written() -> None:
    row = codec.incident_row(INCIDENT)
    assert codec.incident_from(row[name] for name in codec.INCIDENT_COLUMNS) == INCIDENT
    row = codec.member_row("i", MEMBER)
    assert codec.member_from(row[name] for name in codec.MEMBER_COLUMNS) == MEMBER


def test_the_rows_have_exactly_the_columns_of_the_tables() -> None:
    columns: Any = IncidentRow.__table__.columns  # type: ignore[attr-defined]
    assert codec.incident_row(INCIDENT).keys() == set(columns.keys())
    columns = AlertRow.__table__.columns  # type: ignore[attr-defined]
    assert codec.member_row("i", MEMBER).keys() == set(columns.keys())


def test_what_the_driver_wrote_a_session_reads(database_url: str) -> None:
    from alertrouter.incidents import Change, State
    from alertrouter.store import incidents

    database = Database(database_url)
    with database.transaction() as tx:
        incidents.save(tx, [Change(State(INCIDENT, {"f": MEMBER}), (MEMBER,), opened=True)])
    with database.read() as session:
        row = session.get(IncidentRow, "i")
        alert = session.get(AlertRow, ("i", "f"))
    assert row is not None
    assert alert is not None
    for field in fields(INCIDENT):
        if field.name != "policy":
            assert getattr(row, field.name) == getattr(INCIDENT, field.name), field.name
    assert (row.policy_steps, row.policy_source) == (INCIDENT.policy.steps, INCIDENT.policy.source)
    assert {field.name: getattr(alert, field.name) for field in fields(MEMBER)} == {
        field.name: getattr(MEMBER, field.name) for field in fields(MEMBER)
    }
    with database.transaction() as tx:
        [state] = incidents.load(tx, ["i"])
    assert (state.incident, state.members) == (INCIDENT, {"f": MEMBER})
    database.close()


def test_lists_hold_whole_incidents(database_url: str) -> None:
    from alertrouter.incidents import Change, State
    from alertrouter.store import incidents, listing

    past = replace(INCIDENT, status="resolved")
    still_open = replace(INCIDENT, id="j", subject="another", resolved_at=None)
    database = Database(database_url)
    with database.transaction() as tx:
        incidents.save(tx, [Change(State(one, {}), opened=True) for one in (past, still_open)])
    with database.read() as session:
        assert listing.past(session, listing.Filter(), None, 1) == ([past], None)
        assert listing.open_ones(session, listing.Filter(), 1, 0) == ([still_open], 1)
    database.close()


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        to_micros(datetime(2026, 1, 1))  # noqa: DTZ001
    assert from_micros(to_micros(NOW)) == NOW
