"""Technical alarms: recorded once while the cause lasts, mailed to ops when raised and when cleared.

Those that concern nurses, such as a lost signal, are mailed to the subscribers of their ward, too.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

from pymysql.cursors import Cursor

from alerts.database import digest
from alerts.decide import WHO, Event, Notification
from alerts.message import UNKNOWN_WARD, WARD_MAX, Mail, Style, technical_mail
from alerts.store import add_events, add_notifications
from alerts.ward_mail import ward_mail
from clinical.messages import TechnicalAlarm

CONTACT_MISSING = "contact_missing"
WARD_UNCOVERED = "ward_without_subscriber"
NAMED_IN_A_MAIL = 5
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
    so does the news that they are over.
    """
    to_ops: dict[tuple[str, bool], list[Told]] = {}
    to_wards: dict[tuple[str, bool, str], list[Told]] = {}
    for alarm in alarms:
        recorded = _record(cursor, alarm, now, (wards or {}).get(alarm["alarm_key"]))
        if recorded is None:
            continue
        alarm_id, ward = recorded
        to_ops.setdefault((alarm["kind"], alarm["cleared"]), []).append((alarm_id, alarm))
        if ward is not None:
            to_wards.setdefault((alarm["kind"], alarm["cleared"], ward), []).append((alarm_id, alarm))
    for together in to_ops.values():
        _tell_ops(cursor, together, now, style)
    for (_, _, ward), together in to_wards.items():
        _tell_ward(cursor, together, ward, now, style)
    return len(to_ops) + len(to_wards)


def summary(alarms: Sequence[TechnicalAlarm]) -> TechnicalAlarm:
    """One alarm that speaks for several of a kind: the first, with what the others say."""
    if len(alarms) == 1:
        return alarms[0]
    details = " ".join(alarm["detail"] for alarm in alarms[:NAMED_IN_A_MAIL])
    more = len(alarms) - NAMED_IN_A_MAIL
    key = f"{alarms[0]['alarm_key']} and {len(alarms) - 1} more"
    return {
        **alarms[0],
        "alarm_key": key,
        "detail": details if more <= 0 else f"{details} And {more} more of this kind.",
    }


def _record(cursor: Cursor, alarm: TechnicalAlarm, now: int, ward: str | None) -> tuple[str, str | None] | None:
    """Write what changes; the alarm's id and the ward that hears of it, when that is news."""
    open_key = digest("technical", alarm["alarm_key"])
    cursor.execute("SELECT alarm_id, ward FROM alarms WHERE open_key = %s", (open_key,))
    row = cursor.fetchone()
    if row is None:
        return None if alarm["cleared"] else (_raise(cursor, alarm, open_key, ward), ward)
    alarm_id, told_ward = row
    if not alarm["cleared"]:
        _raised_again(cursor, alarm, alarm_id)
        return None
    cursor.execute("UPDATE alarms SET open_key = NULL, ended_at = %s WHERE alarm_id = %s", (now, alarm_id))
    return alarm_id, told_ward


def open_subjects(cursor: Cursor, kind: str) -> set[str]:
    """What the open technical alarms of a kind of the engine's own are about."""
    cursor.execute(
        "SELECT technical_key FROM alarms WHERE kind = 'technical' AND technical_kind = %s AND open_key IS NOT NULL",
        (kind,),
    )
    return {key.partition(":")[2] for (key,) in cursor.fetchall()}


def _raise(cursor: Cursor, alarm: TechnicalAlarm, open_key: bytes, ward: str | None) -> str:
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


def _raised_again(cursor: Cursor, alarm: TechnicalAlarm, alarm_id: str) -> None:
    cursor.execute(
        "UPDATE alarms SET detail = %s, last_breach_at = GREATEST(last_breach_at, %s), breaches = breaches + 1"
        " WHERE alarm_id = %s",
        (alarm["detail"][:2000], alarm["raised_at"], alarm_id),
    )


def _tell_ops(cursor: Cursor, together: Sequence[Told], now: int, style: Style) -> None:
    alarm = summary([alarm for _, alarm in together])
    notification_id = uuid.uuid4().hex
    mail = technical_mail(alarm, alarm["cleared"], notification_id, now, style)
    group_key = digest("technical", alarm["alarm_key"])
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
