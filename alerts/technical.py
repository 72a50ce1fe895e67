"""Technical alarms: recorded once while the cause lasts, mailed to ops when raised and when cleared."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from pymysql.cursors import Cursor

from alerts.database import digest
from alerts.decide import WHO, Event, Notification
from alerts.message import UNKNOWN_WARD, Style, technical_mail
from alerts.store import add_events, add_notifications
from clinical.messages import TechnicalAlarm

CONTACT_MISSING = "contact_missing"
WARD_UNCOVERED = "ward_without_subscriber"
NAMED_IN_A_MAIL = 5
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

    One that is raised already, or cleared without having been raised, gives no mail. Those of one kind that are raised
    (or cleared) together share a mail, so that a ward of unknown patients is one mail and not one for each of them.
    """
    news: dict[tuple[str, bool], list[tuple[str, TechnicalAlarm]]] = {}
    for alarm in alarms:
        alarm_id = _record(cursor, alarm, now)
        if alarm_id is not None:
            news.setdefault((alarm["kind"], alarm["cleared"]), []).append((alarm_id, alarm))
    for together in news.values():
        _tell(cursor, together, now, style)
    return len(news)


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


def _record(cursor: Cursor, alarm: TechnicalAlarm, now: int) -> str | None:
    """Write what changes; the alarm's id when that is news to ops."""
    open_key = digest("technical", alarm["alarm_key"])
    cursor.execute("SELECT alarm_id FROM alarms WHERE open_key = %s", (open_key,))
    row = cursor.fetchone()
    if row is None:
        return None if alarm["cleared"] else _raise(cursor, alarm, open_key)
    alarm_id = str(row[0])
    if not alarm["cleared"]:
        _raised_again(cursor, alarm, alarm_id)
        return None
    cursor.execute("UPDATE alarms SET open_key = NULL, ended_at = %s WHERE alarm_id = %s", (now, alarm_id))
    return alarm_id


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


def _tell(cursor: Cursor, together: Sequence[tuple[str, TechnicalAlarm]], now: int, style: Style) -> None:
    alarm = summary([alarm for _, alarm in together])
    what = "cleared" if alarm["cleared"] else "raised"
    notification_id = uuid.uuid4().hex
    mail = technical_mail(alarm, alarm["cleared"], notification_id, now, style)
    notification = Notification(
        notification_id=notification_id,
        alarm_id=together[0][0],
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
    events = [
        Event(alarm_id, now, one["source"], what, one["detail"][:2000], notification_id=notification_id)
        for alarm_id, one in together
    ]
    add_events(cursor, events)
