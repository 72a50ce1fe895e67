"""The outbox: notifications written by the engine, sent by the publisher, never dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymysql.cursors import Cursor

from alerts.message import UNKNOWN_WARD

WINDOW = 100
"""How many waiting notifications are looked at for the next few to send."""

LOST_WITHIN_MS = 3_600_000
"""The embedded SNS keeps its queues in memory and forgets them when it restarts. What waited there for longer than
this, because SMTP was away, is not looked for."""


@dataclass(frozen=True)
class Waiting:
    """A notification that waits, as far as the order of sending needs it."""

    seq: int
    group_key: bytes
    priority: int


@dataclass(frozen=True)
class Ready:
    """A notification to publish."""

    seq: int
    notification_id: str
    topic: str
    subject: str
    body: str
    attributes: dict[str, str]


def send_order(waiting: Sequence[Waiting]) -> list[Waiting]:
    """The order of sending: most urgent first, oldest first, and never out of order within one group.

    An older notification of the same group therefore goes before an urgent one, and takes over its urgency.
    """
    order: list[Waiting] = []
    by_group: dict[bytes, list[Waiting]] = {}
    for item in sorted(waiting, key=lambda item: item.seq):
        by_group.setdefault(item.group_key, []).append(item)
    taken: set[int] = set()
    for urgent in sorted(waiting, key=lambda item: (item.priority, item.seq)):
        for item in by_group[urgent.group_key]:
            if item.seq > urgent.seq:
                break
            if item.seq not in taken:
                taken.add(item.seq)
                order.append(item)
    return order


def load_waiting(cursor: Cursor, now: int) -> list[Waiting]:
    """The most urgent notifications that may be tried now, with all older ones of their groups."""
    cursor.execute(
        "SELECT seq, group_key, priority FROM notifications WHERE sent_at IS NULL AND not_before <= %s"
        " ORDER BY priority, seq LIMIT %s",
        (now, WINDOW),
    )
    urgent = [Waiting(*row) for row in cursor.fetchall()]
    if not urgent:
        return []
    groups = sorted({item.group_key for item in urgent})
    cursor.execute(
        "SELECT seq, group_key, priority FROM notifications WHERE sent_at IS NULL AND not_before <= %s"
        f" AND group_key IN ({', '.join(['%s'] * len(groups))})",
        (now, *groups),
    )
    return [Waiting(*row) for row in cursor.fetchall()]


def load_ready(cursor: Cursor, seq: int) -> Ready:
    """One notification with its texts and message attributes."""
    cursor.execute(
        "SELECT notification_id, topic, subject, body, ward, severity, attribute, notice FROM notifications"
        " WHERE seq = %s",
        (seq,),
    )
    row: Any = cursor.fetchone()
    notification_id, topic, subject, body, ward, severity, attribute, notice = row
    attributes = {
        "ward": ward,
        "severity": severity,
        "attribute": attribute,
        "kind": "technical" if topic == "ops" else "clinical",
        "notice": notice,
        "escalation": "0",
        "notification_id": notification_id,
    }
    return Ready(seq, notification_id, topic, subject, body, attributes)


def mark_sent(cursor: Cursor, seq: int, message_id: str, now: int) -> None:
    """Note that SNS took a notification."""
    cursor.execute(
        "UPDATE notifications SET sent_at = %s, message_id = %s, attempts = attempts + 1, last_error = NULL"
        " WHERE seq = %s",
        (now, message_id, seq),
    )


def mark_failed(cursor: Cursor, seq: int, reason: str, not_before: int) -> None:
    """Note a failed attempt. It is not tried again before `not_before` (epoch ms)."""
    cursor.execute(
        "UPDATE notifications SET attempts = attempts + 1, last_error = %s, not_before = %s WHERE seq = %s",
        (reason[:500], not_before, seq),
    )


def count_waiting(cursor: Cursor) -> int:
    """How many notifications wait."""
    cursor.execute("SELECT COUNT(*) FROM notifications WHERE sent_at IS NULL")
    (waiting,) = cursor.fetchone() or (0,)
    return int(waiting)


def requeue_lost(cursor: Cursor, now: int) -> int:
    """Put back what the embedded SNS took, and lost before the mailer had it for every reader; how many.

    That is known exactly: a subscription whose filter lets the notification through has no record in `mailed`. Readers
    who have got it do not get it again, because the mailer looks there too.
    """
    return cursor.execute(
        "UPDATE notifications n SET n.sent_at = NULL, n.message_id = NULL WHERE n.sent_at > %s AND EXISTS ("
        " SELECT 1 FROM subscriptions s"
        " WHERE s.topic = n.topic AND s.state <> 'removed' AND s.created_at <= n.created_at"
        " AND (JSON_LENGTH(s.wards) = 0 OR n.ward = %s OR JSON_CONTAINS(s.wards, JSON_QUOTE(n.ward)))"
        " AND (JSON_LENGTH(s.severities) = 0 OR JSON_CONTAINS(s.severities, JSON_QUOTE(n.severity)))"
        " AND NOT EXISTS (SELECT 1 FROM mailed m"
        " WHERE m.subscription_id = s.subscription_id AND m.notification_id = n.notification_id))",
        (now - LOST_WITHIN_MS, UNKNOWN_WARD),
    )
