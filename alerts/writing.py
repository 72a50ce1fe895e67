"""The mail of some alarms of one patient, as a row of the outbox, and what the audit says of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.bedside import Bedside
from alerts.database import digest
from alerts.decide import PRIORITY, WHO, Alarm, Event, Notification, attributes_of
from alerts.manner import Manner
from alerts.message import UNKNOWN_WARD, Current, Told, clinical_mail
from clinical.lifecycle_state import Phase
from clinical.notices import ENDS, Item

SHOWN_VALUES = 10


def write_mail(
    alarms: Sequence[Alarm], items: Sequence[Item], bedside: Bedside, manner: Manner, notification_id: str, now: int
) -> tuple[Notification, list[Event]]:
    """`alarms` and `items` belong together one by one and share ward, severity and escalation; `now` is epoch ms."""
    first, lead = items[0], alarms[0]
    told = [_told(alarm, item, bedside) for alarm, item in zip(alarms, items, strict=True)]
    current = [
        Current(value.attribute, value.value, value.recorded_at, value.inputs_used, value.inputs_expected)
        for value in bedside.current(lead.patient_id)
    ]
    mail = clinical_mail(told, current, first.escalation, notification_id, manner.link, now, manner.style)
    notification = Notification(
        notification_id=notification_id,
        alarm_id=lead.alarm_id,
        group_key=digest("patient", lead.patient_id),
        topic="doctors",
        kind="clinical",
        notice=first.news.value,
        priority=PRIORITY[first.severity],
        severity=first.severity,
        ward=first.ward,
        attribute=attributes_of(alarms),
        subject=mail.subject,
        body=mail.body,
        created_at=now,
        escalation=first.escalation,
    )
    return notification, [_event(alarm, item, notification_id, now) for alarm, item in zip(alarms, items, strict=True)]


def _told(alarm: Alarm, item: Item, bedside: Bedside) -> Told:
    values = bedside.last(alarm.patient_id, alarm.attribute, SHOWN_VALUES)
    return Told(
        alarm_id=alarm.alarm_id,
        news=item.news,
        severity=item.severity,
        breach={**alarm.breach, "ward": None if item.ward == UNKNOWN_WARD else item.ward},
        since=alarm.started_at,
        breaches=alarm.breaches,
        until=alarm.ended_at if item.news in ENDS else None,
        values=tuple((value.recorded_at, value.value) for value in values),
        is_acknowledged=alarm.state is not None and alarm.state.phase is Phase.ACKNOWLEDGED,
    )


def _event(alarm: Alarm, item: Item, notification_id: str, now: int) -> Event:
    why = f"severity {item.severity}, ward {item.ward}, escalation {item.escalation}"
    return Event(alarm.alarm_id, now, WHO, item.news.value, why, alarm.breach["breach_id"], notification_id)
