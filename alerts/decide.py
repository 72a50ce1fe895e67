"""What the engine writes: alarms, audit and outbox; and what follows from one step of an alarm's life. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from alerts.message import number_text, ward_of
from clinical.lifecycle_events import Kind, Transition
from clinical.lifecycle_state import Outcome, State
from clinical.messages import Breach, Severity
from clinical.notices import Notice, Rule, after, rank

PRIORITY: dict[Severity, int] = {"high": 0, "medium": 1, "low": 2}
WHO = "alert-engine"

Key = tuple[str, str, str]
"""What an alarm is about: patient, attribute and direction."""

EndReason = Literal["cleared", "dropped", "discharged"]
END_REASONS: dict[Kind, EndReason] = {
    Kind.CLEARED: "cleared",
    Kind.DROPPED: "dropped",
    Kind.ENDED_BY_DISCHARGE: "discharged",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """A row of `alarms` of the clinical kind. `state` None: it is over.

    `breach`: the newest one of the alarm's severity, of which a mail speaks. `ward`: the newest that is known.
    """

    alarm_id: str
    breach: Breach
    ward: str
    state: State | None
    notice: Notice
    started_at: int
    last_breach_at: int
    breaches: int
    last_value: float
    severity: Severity | None = None
    peak: Severity | None = None
    raised_at: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    ended_at: int | None = None
    end_reason: EndReason | None = None

    @property
    def key(self) -> Key:
        return self.breach["patient_id"], self.breach["attribute"], self.breach["direction"]

    @property
    def patient_id(self) -> str:
        return self.breach["patient_id"]

    @property
    def attribute(self) -> str:
        return self.breach["attribute"]


@dataclass(frozen=True)
class Event:
    """A row of `alarm_events`."""

    alarm_id: str
    at: int
    who: str
    what: str
    why: str
    breach_id: str | None = None
    notification_id: str | None = None


@dataclass(frozen=True)
class Notification:
    """A row of `notifications`, not sent yet. `group_key`: within it the order of sending is kept."""

    notification_id: str
    alarm_id: str
    group_key: bytes
    topic: str
    kind: str
    notice: str
    priority: int
    severity: str
    ward: str
    attribute: str
    subject: str
    body: str
    created_at: int
    escalation: int = 0


@dataclass
class Changes:
    """What one batch of messages changes, written in one transaction."""

    alarms: dict[str, Alarm] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)


def counted(alarm: Alarm, breach: Breach, at: int) -> Alarm:
    """The alarm with one more breach; a breach is kept when it is as severe as the alarm is, and as new."""
    newest = at >= alarm.last_breach_at
    worth_telling = newest and rank(breach["severity"]) >= rank(alarm.severity)
    return replace(
        alarm,
        breach=breach if worth_telling else alarm.breach,
        ward=ward_of(breach) if breach["ward"] and newest else alarm.ward,
        last_breach_at=max(at, alarm.last_breach_at),
        breaches=alarm.breaches + 1,
    )


def advanced(
    alarm: Alarm, outcome: Outcome, now: int, rule: Rule, silenced: bool, breach_id: str | None = None
) -> tuple[Alarm, list[Event]]:
    """The alarm after a step of its life, with a line of the audit for each thing that happened."""
    state = outcome.state
    events = []
    alarm = replace(alarm, state=state, last_value=state.readings[-1].value if state else alarm.last_value)
    for change in outcome.transitions:
        alarm = replace(_changed(alarm, change), notice=after(alarm.notice, change, now, rule, silenced))
        events.append(_event(alarm, change, now, breach_id))
    return alarm, events


def _changed(alarm: Alarm, change: Transition) -> Alarm:
    if change.value is not None:
        alarm = replace(alarm, last_value=change.value)
    match change.kind:
        case Kind.RAISED | Kind.SEVERITY_ROSE | Kind.SEVERITY_FELL:
            peak = alarm.peak if rank(alarm.peak) > rank(change.severity) else change.severity
            raised_at = change.event_at if alarm.raised_at is None else alarm.raised_at
            return replace(alarm, severity=change.severity, peak=peak, raised_at=raised_at)
        case Kind.ACKNOWLEDGED:
            first = change.clock_at if alarm.acknowledged_at is None else alarm.acknowledged_at
            return replace(alarm, acknowledged_at=first, acknowledged_by=change.author)
        case Kind.CLEARED | Kind.DROPPED | Kind.ENDED_BY_DISCHARGE:
            return replace(alarm, ended_at=change.event_at, end_reason=END_REASONS[change.kind])
    return alarm


def _event(alarm: Alarm, change: Transition, now: int, breach_id: str | None) -> Event:
    parts = [change.reason or change.why]
    if change.value is not None:
        value = f"{number_text(alarm.attribute, change.value)} {alarm.breach['unit']}".strip()
        parts.insert(0, f"{value} {alarm.breach['direction']}:")
    who = WHO if change.author is None else change.author
    return Event(alarm.alarm_id, now, who, change.kind.value, " ".join(parts)[:2000], breach_id)


def attributes_of(alarms: Iterable[Alarm]) -> str:
    """The attributes that a mail speaks of, as `notifications.attribute` holds them."""
    return ",".join(dict.fromkeys(alarm.attribute for alarm in alarms))
