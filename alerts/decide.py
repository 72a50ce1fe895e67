"""From breaches to what must be written: alarms, audit and outbox. No I/O; identifiers are random."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from alerts.database import digest
from alerts.message import Style, clinical_mail, number_text, ward_of
from clinical.alarms import AlarmState, Notice, Rule, judge
from clinical.messages import Breach, Severity

PRIORITY: dict[Severity, int] = {"high": 0, "medium": 1, "low": 2}
WHO = "alert-engine"


@dataclass(frozen=True)
class Alarm:
    """A row of `alarms` of the clinical kind; `ended_at` is set once a newer alarm of the same key has begun."""

    alarm_id: str
    key: bytes
    patient_id: str
    attribute: str
    direction: str
    ward: str | None
    last_value: float
    state: AlarmState
    ended_at: int | None = None


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
    notice: str
    priority: int
    severity: str
    ward: str
    attribute: str
    subject: str
    body: str
    created_at: int


@dataclass
class Changes:
    """What one batch of messages changes, written in one transaction."""

    alarms: dict[str, Alarm] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)


def alarm_key(breach: Breach) -> bytes:
    """What an alarm is about: patient, attribute and direction."""
    return digest("clinical", breach["patient_id"], breach["attribute"], breach["direction"])


def decide(breaches: Iterable[Breach], newest: dict[bytes, Alarm], now: int, rule: Rule, style: Style) -> Changes:
    """Judge breaches, in their order, against the `newest` alarm of each key; `newest` is brought up to date.

    `newest` must hold every key that has an alarm. `now`: epoch ms.
    """
    changes = Changes()
    for breach in breaches:
        _decide_one(breach, newest, now, rule, style, changes)
    return changes


def _decide_one(
    breach: Breach, newest: dict[bytes, Alarm], now: int, rule: Rule, style: Style, changes: Changes
) -> None:
    key = alarm_key(breach)
    before = newest.get(key)
    verdict = judge(before.state if before else None, breach["recorded_at"], breach["severity"], now, rule)
    if verdict.began:
        if before is not None:
            changes.alarms[before.alarm_id] = replace(before, ended_at=before.state.last_breach_at)
            why = f"no breach for {rule.lapse_seconds} s, then a new one"
            changes.events.append(Event(before.alarm_id, now, WHO, "ended", why))
        alarm = _new_alarm(key, breach, verdict.state)
        changes.events.append(Event(alarm.alarm_id, now, WHO, "began", _why(breach), breach["breach_id"]))
    else:
        assert before is not None
        ward = breach["ward"] or before.ward
        alarm = replace(before, ward=ward, last_value=breach["value"], state=verdict.state)
    newest[key] = changes.alarms[alarm.alarm_id] = alarm
    if verdict.notice is not Notice.NONE:
        notification = _notification(breach, alarm, verdict.notice, now, style)
        changes.notifications.append(notification)
        changes.events.append(
            Event(
                alarm.alarm_id,
                now,
                WHO,
                verdict.notice.value,
                _why(breach),
                breach["breach_id"],
                notification.notification_id,
            )
        )


def _new_alarm(key: bytes, breach: Breach, state: AlarmState) -> Alarm:
    return Alarm(
        alarm_id=uuid.uuid4().hex,
        key=key,
        patient_id=breach["patient_id"],
        attribute=breach["attribute"],
        direction=breach["direction"],
        ward=breach["ward"],
        last_value=breach["value"],
        state=state,
    )


def _notification(breach: Breach, alarm: Alarm, notice: Notice, now: int, style: Style) -> Notification:
    notification_id = uuid.uuid4().hex
    mail = clinical_mail(breach, alarm.state, notice, notification_id, now, style)
    return Notification(
        notification_id=notification_id,
        alarm_id=alarm.alarm_id,
        group_key=digest("patient", breach["patient_id"]),
        topic="doctors",
        notice=notice.value,
        priority=PRIORITY[breach["severity"]],
        severity=breach["severity"],
        ward=ward_of(breach),
        attribute=breach["attribute"],
        subject=mail.subject,
        body=mail.body,
        created_at=now,
    )


def _why(breach: Breach) -> str:
    value = number_text(breach["attribute"], breach["value"])
    text = (
        f"{value} {breach['unit']} {breach['direction']}, severity {breach['severity']}, rule {breach['threshold_row']}"
    )
    return text[:2000]
