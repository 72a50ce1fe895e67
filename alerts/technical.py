"""Technical alarms: recorded once while the cause lasts, mailed to ops when raised and when cleared."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from pymysql.cursors import Cursor

from alerts.database import digest
from alerts.decide import WHO, Event, Notification
from alerts.message import UNKNOWN_WARD, Style, technical_mail
from alerts.store import add_events, add_notifications
from clinical.messages import TechnicalAlarm

CONTACT_MISSING = "contact_missing"
WARD_UNCOVERED = "ward_without_subscriber"
PRIORITY = 1
"""In the outbox beside medium clinical alarms, behind high ones."""


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


def record_technical(cursor: Cursor, alarms: Iterable[TechnicalAlarm], now: int, style: Style) -> int:
    """Record technical alarms, in their order, within the caller's transaction; how many mails they gave.

    One that is raised already, or cleared without having been raised, gives no mail.
    """
    mails = 0
    for alarm in alarms:
        open_key = digest("technical", alarm["alarm_key"])
        cursor.execute("SELECT alarm_id FROM alarms WHERE open_key = %s", (open_key,))
        row = cursor.fetchone()
        if row is None and not alarm["cleared"]:
            alarm_id = _raise(cursor, alarm, open_key)
        elif row is not None and alarm["cleared"]:
            (alarm_id,) = row
            cursor.execute("UPDATE alarms SET open_key = NULL, ended_at = %s WHERE alarm_id = %s", (now, alarm_id))
        else:
            if row is not None:
                _raised_again(cursor, alarm, row[0])
            continue
        _tell(cursor, alarm, alarm_id, now, style)
        mails += 1
    return mails


def open_subjects(cursor: Cursor, kind: str) -> set[str]:
    """What the open technical alarms of a kind of the engine's own are about."""
    cursor.execute(
        "SELECT technical_key FROM alarms WHERE kind = 'technical' AND technical_kind = %s AND open_key IS NOT NULL",
        (kind,),
    )
    return {key.partition(":")[2] for (key,) in cursor.fetchall()}


def _raise(cursor: Cursor, alarm: TechnicalAlarm, open_key: bytes) -> str:
    alarm_id = uuid.uuid4().hex
    cursor.execute(
        "INSERT INTO alarms (alarm_id, kind, open_key, technical_key, technical_kind, source, detail, started_at,"
        " last_breach_at, breaches) VALUES (%s, 'technical', %s, %s, %s, %s, %s, %s, %s, 1)",
        (
            alarm_id,
            open_key,
            alarm["alarm_key"],
            alarm["kind"],
            alarm["source"],
            alarm["detail"][:2000],
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


def _tell(cursor: Cursor, alarm: TechnicalAlarm, alarm_id: str, now: int, style: Style) -> None:
    what = "cleared" if alarm["cleared"] else "raised"
    notification_id = uuid.uuid4().hex
    mail = technical_mail(alarm, alarm["cleared"], notification_id, now, style)
    notification = Notification(
        notification_id=notification_id,
        alarm_id=alarm_id,
        group_key=digest("technical", alarm["alarm_key"]),
        topic="ops",
        notice=what,
        priority=PRIORITY,
        severity="technical",
        ward=UNKNOWN_WARD,
        attribute=alarm["kind"],
        subject=mail.subject,
        body=mail.body,
        created_at=now,
    )
    add_notifications(cursor, [notification])
    event = Event(alarm_id, now, alarm["source"], what, alarm["detail"][:2000], notification_id=notification_id)
    add_events(cursor, [event])
