"""The tables.

Columns that mirror a value of `alertrouter.incidents` have its field's name.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from alertrouter.columns import Json, Moment
from alertrouter.escalation import Step
from alertrouter.incidents import Page


class IncidentRow(SQLModel, table=True):
    """One episode of one incident key.

    `key` is a hash of the incident key and `subject_key` one of (source, subject): group keys are unbounded, index entries are
    not. `latest` marks the newest episode of a key; there is exactly one.
    """

    __tablename__ = "incident"
    __table_args__ = (
        Index("incident_section", "section", "id"),
        Index("incident_latest", "key", unique=True, sqlite_where=text("latest = 1"), postgresql_where=text("latest")),
        Index("incident_subject", "subject_key", sqlite_where=text("latest = 1"), postgresql_where=text("latest")),
        Index(
            "incident_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL AND resolve_at IS NULL"),
            postgresql_where=text("due_at IS NOT NULL AND resolve_at IS NULL"),
        ),
        Index(
            "incident_hold",
            "resolve_at",
            sqlite_where=text("resolve_at IS NOT NULL"),
            postgresql_where=text("resolve_at IS NOT NULL"),
        ),
        Index("incident_status", "status", "id"),
        Index("incident_open", "id", sqlite_where=text("resolved_at IS NULL"), postgresql_where=text("resolved_at IS NULL")),
    )

    id: str = Field(primary_key=True, sa_type=Text)
    key: str = Field(sa_type=Text)
    subject_key: str = Field(sa_type=Text)
    latest: bool = Field(sa_type=Boolean)
    source: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    per_alert: bool = Field(sa_type=Boolean)
    target: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    severity: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    opened_at: datetime = Field(sa_type=Moment)
    policy_steps: tuple[Step, ...] = Field(sa_column=Column(Json(tuple[Step, ...]), nullable=False))
    policy_source: str = Field(sa_type=Text)
    armed_at: datetime = Field(sa_type=Moment)
    repage_on_new_alert: bool = Field(sa_type=Boolean)
    resolve_hold: timedelta = Field(sa_column=Column(Json(timedelta), nullable=False))
    external_url: str = Field(sa_type=Text)
    receiver: str = Field(sa_type=Text)
    section: str | None = Field(default=None, sa_type=Text)
    step: int = Field(sa_type=Integer)
    round: int = Field(sa_type=Integer)
    due_at: datetime | None = Field(default=None, sa_type=Moment)
    resolve_at: datetime | None = Field(default=None, sa_type=Moment)
    acknowledged_at: datetime | None = Field(default=None, sa_type=Moment)
    acknowledged_by: str | None = Field(default=None, sa_type=Text)
    resolved_at: datetime | None = Field(default=None, sa_type=Moment)
    resolve_reason: str | None = Field(default=None, sa_type=Text)
    resolved_by_person: bool = Field(sa_type=Boolean)
    snoozed_until: datetime | None = Field(default=None, sa_type=Moment)
    previous: str | None = Field(default=None, sa_type=Text)
    notifications: int = Field(sa_type=Integer)
    firing: int = Field(sa_type=Integer)
    resolved: int = Field(sa_type=Integer)
    truncated: int = Field(sa_type=BigInteger)
    pages: tuple[Page, ...] = Field(sa_column=Column(Json(tuple[Page, ...]), nullable=False))


class AlertRow(SQLModel, table=True):
    """One alert inside an incident."""

    __tablename__ = "alert"
    __table_args__ = (Index("alert_name", "name", "incident_id"),)

    incident_id: str = Field(primary_key=True, sa_type=Text)
    fingerprint: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    firing: bool = Field(sa_type=Boolean)
    labels: dict[str, str] = Field(sa_column=Column(Json(dict[str, str]), nullable=False))
    annotations: dict[str, str] = Field(sa_column=Column(Json(dict[str, str]), nullable=False))
    generator_url: str = Field(sa_type=Text)
    severity: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    starts_at: datetime = Field(sa_type=Moment)
    joined_at: datetime = Field(sa_type=Moment)
    ends_at: datetime | None = Field(default=None, sa_type=Moment)
    resolved_at: datetime | None = Field(default=None, sa_type=Moment)
    section: str | None = Field(default=None, sa_type=Text)


class SectionRow(SQLModel, table=True):
    """The text of a runbook section as an incident was opened with it, once per revision.

    `commit` is the git commit that held it, `unread_line` the line of an escalation that could not be read.
    """

    __tablename__ = "section"

    revision: str = Field(primary_key=True, sa_type=Text)
    title: str = Field(sa_type=Text)
    path: str = Field(sa_type=Text)
    anchor: str = Field(sa_type=Text)
    line: int = Field(sa_type=Integer)
    text: str = Field(sa_type=Text)
    commit: str | None = Field(default=None, sa_type=Text)
    unread_line: int | None = Field(default=None, sa_type=Integer)


class TimelineRow(SQLModel, table=True):
    """One line of an incident's story; rows are only ever added."""

    __tablename__ = "timeline"
    __table_args__ = (Index("timeline_incident", "incident_id", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True))
    incident_id: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Moment)
    kind: str = Field(sa_type=Text)
    detail: dict[str, Any] = Field(sa_column=Column(Json(dict[str, Any]), nullable=False))


class DeliveryRow(SQLModel, table=True):
    """One PagerDuty event that is owed: a row of the outbox.

    While it is being sent it is `leased`: `due_at` is the end of the lease and `attempts` the fencing token. `unsure` says that
    an attempt may have reached PagerDuty without our knowing. `urgency` is 0 for critical to 3 for info. `cut` says that it was
    refused once and goes out with the required fields only. `key_fingerprint` is that of the routing key that it was last sent
    with. `unconfirmed_at` is when somebody was warned that PagerDuty took the page and opened no incident.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index(
            "delivery_next",
            "state",
            "due_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "delivery_urgent",
            "state",
            "urgency",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "delivery_waiting",
            "dedup_key",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("delivery_incident", "incident_id", "id"),
        Index("delivery_key", "dedup_key", "action"),
        Index("delivery_state", "state", "id"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True))
    incident_id: str = Field(sa_type=Text)
    target: str = Field(sa_type=Text)
    action: str = Field(sa_type=Text)
    dedup_key: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    urgency: int = Field(sa_type=Integer)
    attempts: int = Field(default=0, sa_type=Integer)
    unsure: bool = Field(default=False, sa_type=Boolean)
    leased: bool = Field(default=False, sa_type=Boolean)
    cut: bool = Field(default=False, sa_type=Boolean)
    key_fingerprint: str | None = Field(default=None, sa_type=Text)
    error: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_type=Moment)
    due_at: datetime = Field(sa_type=Moment)
    sent_at: datetime | None = Field(default=None, sa_type=Moment)
    unconfirmed_at: datetime | None = Field(default=None, sa_type=Moment)


class PagerDutyPageRow(SQLModel, table=True):
    """The PagerDuty incident that holds one of our keys, as far as PagerDuty told.

    `told_at` is when the newest event of that incident happened, by PagerDuty's clock.
    """

    __tablename__ = "pagerduty_page"
    __table_args__ = (Index("pagerduty_page_incident", "pagerduty_id"), Index("pagerduty_page_ours", "incident_id"))

    dedup_key: str = Field(primary_key=True, sa_type=Text)
    pagerduty_id: str = Field(sa_type=Text)
    incident_id: str = Field(sa_type=Text)
    linked_at: datetime = Field(sa_type=Moment)
    told_at: datetime | None = Field(default=None, sa_type=Moment)


class TraceRow(SQLModel, table=True):
    """The trace context (`traceparent`) of what had an event sent, the newest with this key and action; where traces are on."""

    __tablename__ = "trace"
    __table_args__ = (Index("trace_incident", "incident_id"),)

    dedup_key: str = Field(primary_key=True, sa_type=Text)
    action: str = Field(primary_key=True, sa_type=Text)
    incident_id: str = Field(sa_type=Text)
    context: str = Field(sa_type=Text)


class PagerDutyMergeRow(SQLModel, table=True):
    """A PagerDuty incident that was merged into another one."""

    __tablename__ = "pagerduty_merge"

    pagerduty_id: str = Field(primary_key=True, sa_type=Text)
    into_id: str = Field(sa_type=Text)
    merged_at: datetime = Field(sa_type=Moment)


class PagerDutyWebhookRow(SQLModel, table=True):
    """A webhook that was heard: PagerDuty sends each at least once."""

    __tablename__ = "pagerduty_webhook"

    id: str = Field(primary_key=True, sa_type=Text)
    received_at: datetime = Field(sa_type=Moment)


class HeartbeatRow(SQLModel, table=True):
    """An alert whose absence is the problem (see `alertrouter.store.heartbeats.Heartbeat`)."""

    __tablename__ = "heartbeat"

    key: str = Field(primary_key=True, sa_type=Text)
    route: str = Field(sa_type=Text)
    source: str = Field(sa_type=Text)
    labels: dict[str, str] = Field(sa_column=Column(Json(dict[str, str]), nullable=False))
    beat_at: datetime | None = Field(default=None, sa_type=Moment)
    due_at: datetime = Field(sa_type=Moment)
    graced: bool = Field(sa_type=Boolean)
    incident_id: str | None = Field(default=None, sa_type=Text)


class FallbackRow(SQLModel, table=True):
    """A page that goes other ways than through PagerDuty, once for each incident; `due_at` is a lease's end while it is sent.

    `taken` are the ways that have it (see `alertrouter.fallback.Ways`), with spaces between; `sent_at` is when the last one did.
    """

    __tablename__ = "fallback"
    __table_args__ = (
        Index("fallback_due", "due_at", sqlite_where=text("sent_at IS NULL"), postgresql_where=text("sent_at IS NULL")),
    )

    incident_id: str = Field(primary_key=True, sa_type=Text)
    why: str = Field(sa_type=Text)
    asked_at: datetime = Field(sa_type=Moment)
    due_at: datetime = Field(sa_type=Moment)
    attempts: int = Field(sa_type=Integer)
    sent_at: datetime | None = Field(default=None, sa_type=Moment)
    taken: str | None = Field(default=None, sa_type=Text)


class ChangeRow(SQLModel, table=True):
    """A change that somebody told of, such as a deploy: shown beside the incidents that open soon after, and sent to PagerDuty.

    `event` is PagerDuty's change event without its routing key and its time, which is `at`. `state` is `pending`, `sent`, `dead`,
    or `recorded` where it goes to nobody. While it is being sent, `due_at` is the end of the lease and `attempts` the fencing
    token, as in `DeliveryRow`.
    """

    __tablename__ = "change"
    __table_args__ = (
        Index("change_at", "at"),
        Index("change_due", "due_at", sqlite_where=text("state = 'pending'"), postgresql_where=text("state = 'pending'")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True))
    at: datetime = Field(sa_type=Moment)
    received_at: datetime = Field(sa_type=Moment)
    target: str = Field(sa_type=Text)
    event: dict[str, Any] = Field(sa_column=Column(Json(dict[str, Any]), nullable=False))
    state: str = Field(sa_type=Text)
    attempts: int = Field(default=0, sa_type=Integer)
    error: str | None = Field(default=None, sa_type=Text)
    due_at: datetime = Field(sa_type=Moment)
    sent_at: datetime | None = Field(default=None, sa_type=Moment)


class HeldRow(SQLModel, table=True):
    """What the Alertmanagers hold of an open incident: since when nothing any more, or who silenced all of it and until when."""

    __tablename__ = "held"

    incident_id: str = Field(primary_key=True, sa_type=Text)
    absent_since: datetime | None = Field(default=None, sa_type=Moment)
    silenced_by: str | None = Field(default=None, sa_type=Text)
    silenced_until: datetime | None = Field(default=None, sa_type=Moment)


class UnreadableRow(SQLModel, table=True):
    """An alert that could not be read, kept for people to see."""

    __tablename__ = "unreadable"

    id: int | None = Field(default=None, sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True))
    received_at: datetime = Field(sa_type=Moment)
    source: str = Field(sa_type=Text)
    group_key: str = Field(sa_type=Text)
    error: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)
