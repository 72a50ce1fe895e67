"""Technical alarms: recorded once while the cause lasts, mailed to ops when raised and when cleared.

Those that concern nurses, such as a lost signal, are mailed to the subscribers of their ward, too.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pymysql.cursors import Cursor

from alerts.database import digest
from alerts.decide import WHO, Event, Notification
from alerts.message import UNKNOWN_WARD, WARD_MAX, Mail, Style, technical_mail
from alerts.store import add_events, add_notifications
from alerts.ward_mail import ward_mail
from clinical.messages import TechnicalAlarm

CONTACT_MISSING = "contact_missing"
WARD_UNCOVERED = "ward_without_subscriber"
PRIORITY = 1
"""In the outbox beside medium clinical alarms, behind high ones."""

Told = tuple[str, TechnicalAlarm]
"""An alarm's id, and what is told of it."""


def technical(kind: str, subject: str, detail: str, now: int, cleared: bool = False) -> TechnicalAlarm:
    """A technical alarm of the engine's own about `subject` (a ward, a patient's id)."""
    return {
        "alarm_key": f"{kind}:{subject}"[:400],
        "source": WHO,
        "kind": kind,
        "detail": detail,
        "raised_at": now,
        "cleared": cleared,
    }


def record_technical(
    cursor: Cursor, alarms: Iterable[TechnicalAlarm], now: int, style: Style, wards: Mapping[str, str] | None = None
) -> int:
    """Record technical alarms, in their order, within the caller's transaction; how many mails they gave.

    One that is raised already, or cleared without having been raised, gives no mail. Those of one kind that are raised
    (or cleared) together share a mail to ops, so that a ward of unknown patients is one mail and not one for each of
    them. `wards` names the ward, by alarm key, of those that concern nurses: they share a mail to each ward, too, and
    so does the news that they are over. What changes twice is told twice, so that the last mail tells how it is.
    """
    mails, together = 0, _Together()
    for alarm in alarms:
        recorded = _record(cursor, alarm, now, (wards or {}).get(alarm["alarm_key"]))
        if recorded is None:
            continue
        if alarm["alarm_key"] in together.keys:
            mails += together.tell(cursor, now, style)
            together = _Together()
        together.add(recorded[0], alarm, recorded[1])
    return mails + together.tell(cursor, now, style)


@dataclass
class _Together:
    """What is told together: by kind and by whether it is over, to a ward by that ward, too."""

    keys: set[str] = field(default_factory=set)
    to_ops: dict[tuple[str, bool], list[Told]] = field(default_factory=dict)
    to_wards: dict[tuple[str, bool, str], list[Told]] = field(default_factory=dict)

    def add(self, alarm_id: str, alarm: TechnicalAlarm, ward: str | None) -> None:
        self.keys.add(alarm["alarm_key"])
        self.to_ops.setdefault((alarm["kind"], alarm["cleared"]), []).append((alarm_id, alarm))
        if ward is not None:
            self.to_wards.setdefault((alarm["kind"], alarm["cleared"], ward), []).append((alarm_id, alarm))

    def tell(self, cursor: Cursor, now: int, style: Style) -> int:
        """Write the mails; how many they are."""
        for told in self.to_ops.values():
            _tell_ops(cursor, told, now, style)
        for (_, _, ward), told in self.to_wards.items():
            _tell_ward(cursor, told, ward, now, style)
        return len(self.to_ops) + len(self.to_wards)


def _record(cursor: Cursor, alarm: TechnicalAlarm, now: int, ward: str | None) -> tuple[str, str | None] | None:
    """Write what changes; the alarm's id and the ward that hears of it, when that is news."""
    open_key = digest("technical", alarm["alarm_key"])
    cursor.execute("SELECT alarm_id, ward FROM alarms WHERE open_key = %s", (open_key,))
    row = cursor.fetchone()
    if row is None:
        return None if alarm["cleared"] else (open_row(cursor, alarm, open_key, ward), ward)
    alarm_id, told_ward = row
    if not alarm["cleared"]:
        _raised_again(cursor, alarm, alarm_id)
        return None
    close_row(cursor, open_key, now)
    return alarm_id, told_ward


def open_subjects(cursor: Cursor, kind: str) -> set[str]:
    """What the open technical alarms of a kind of the engine's own are about."""
    cursor.execute(
        "SELECT technical_key FROM alarms WHERE kind = 'technical' AND technical_kind = %s AND open_key IS NOT NULL",
        (kind,),
    )
    return {key.partition(":")[2] for (key,) in cursor.fetchall()}


def open_row(cursor: Cursor, alarm: TechnicalAlarm, open_key: bytes, ward: str | None = None) -> str:
    """Write an alarm that is open under that key, and tell nobody; its id."""
    alarm_id = uuid.uuid4().hex
    cursor.execute(
        "INSERT INTO alarms (alarm_id, kind, open_key, technical_key, technical_kind, source, detail, ward,"
        " started_at, last_breach_at, breaches) VALUES (%s, 'technical', %s, %s, %s, %s, %s, %s, %s, %s, 1)",
        (
            alarm_id,
            open_key,
            alarm["alarm_key"],
            alarm["kind"],
            alarm["source"],
            alarm["detail"][:2000],
            ward[:WARD_MAX] if ward else None,
            alarm["raised_at"],
            alarm["raised_at"],
        ),
    )
    return alarm_id


def close_row(cursor: Cursor, open_key: bytes, now: int) -> None:
    """End what is open under that key, and tell nobody."""
    cursor.execute("UPDATE alarms SET open_key = NULL, ended_at = %s WHERE open_key = %s", (now, open_key))


def _raised_again(cursor: Cursor, alarm: TechnicalAlarm, alarm_id: str) -> None:
    cursor.execute(
        "UPDATE alarms SET detail = %s, last_breach_at = GREATEST(last_breach_at, %s), breaches = breaches + 1"
        " WHERE alarm_id = %s",
        (alarm["detail"][:2000], alarm["raised_at"], alarm_id),
    )


def _tell_ops(cursor: Cursor, together: Sequence[Told], now: int, style: Style) -> None:
    notification_id = uuid.uuid4().hex
    mail = technical_mail([alarm for _, alarm in together], notification_id, now, style)
    group_key = digest("technical", together[0][1]["kind"])
    _tell(cursor, together, _notification(together, mail, notification_id, group_key, "ops", UNKNOWN_WARD, now))


def _tell_ward(cursor: Cursor, together: Sequence[Told], ward: str, now: int, style: Style) -> None:
    notification_id = uuid.uuid4().hex
    alarms = [alarm for _, alarm in together]
    mail = ward_mail(alarms, ward, notification_id, now, style)
    group_key = digest("technical", alarms[0]["kind"], ward)
    _tell(cursor, together, _notification(together, mail, notification_id, group_key, "doctors", ward, now))


def _notification(
    together: Sequence[Told], mail: Mail, notification_id: str, group_key: bytes, topic: str, ward: str, now: int
) -> Notification:
    alarm_id, alarm = together[0]
    return Notification(
        notification_id=notification_id,
        alarm_id=alarm_id,
        group_key=group_key,
        topic=topic,
        kind="technical",
        notice=_what(alarm),
        priority=PRIORITY,
        severity="technical",
        ward=ward,
        attribute=alarm["kind"],
        subject=mail.subject,
        body=mail.body,
        created_at=now,
    )


def _tell(cursor: Cursor, together: Sequence[Told], notification: Notification) -> None:
    add_notifications(cursor, [notification])
    events = [
        Event(
            alarm_id,
            notification.created_at,
            one["source"],
            _what(one),
            one["detail"][:2000],
            notification_id=notification.notification_id,
        )
        for alarm_id, one in together
    ]
    add_events(cursor, events)


def _what(alarm: TechnicalAlarm) -> str:
    return "cleared" if alarm["cleared"] else "raised"
