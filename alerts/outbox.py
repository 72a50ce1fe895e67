"""The outbox: notifications written by the engine, sent by the publisher, never dropped."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymysql.cursors import Cursor

from alerts.database import digest, now_ms
from alerts.decide import Notification
from alerts.merged import how_many_fit, merged_mail
from alerts.message import UNKNOWN_WARD, Mail
from alerts.store import add_notifications

WINDOW = 10_000
"""How many waiting notifications are looked at: what 5,000 patients who alarm at once give, twice."""

MERGED_PRIORITY = -1
"""A merged mail is made when it is its turn, so it goes before everything else, and what waits behind its parts does so
until it has gone."""

ALONE = 1
"""`not_before` of what goes by itself, and at once, wherever the clock stands."""

PARTS_MAX = 500
"""Notifications that are looked at for one merged mail; more would not fit."""

LOST_WITHIN_MS = 3_600_000
"""The embedded SNS keeps its queues in memory and forgets them when it restarts. What waited there for longer than
this, because SMTP was away, is not looked for."""


Kin = tuple[str, str, str, str, str, int, str]
"""Topic, kind, notice, ward, severity, escalation and attribute: notifications of equal ones reach the same readers,
whatever their filters look at."""


@dataclass(frozen=True)
class Waiting:
    """A notification that waits, as far as the order of sending needs it.

    `kin`: what it shares with those that it may be merged with; None: it goes alone.
    """

    seq: int
    group_key: bytes
    priority: int
    kin: Kin | None = None


@dataclass(frozen=True)
class Ready:
    """A notification to publish."""

    seq: int
    notification_id: str
    topic: str
    subject: str
    body: str
    attributes: dict[str, str | list[str]]
    is_merged: bool = False
    was_refused: bool = False


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
    query = (
        "SELECT seq, group_key, priority, not_before, topic, kind, notice, ward, severity, escalation, attribute"
        " FROM notifications WHERE sent_at IS NULL AND merged_into IS NULL AND not_before <= %s"
    )
    cursor.execute(f"{query} ORDER BY priority, seq LIMIT %s", (now, WINDOW))
    urgent = [_waiting(*row) for row in cursor.fetchall()]
    if len(urgent) < WINDOW:
        return urgent
    groups = sorted({item.group_key for item in urgent})
    cursor.execute(f"{query} AND group_key IN ({', '.join(['%s'] * len(groups))})", (now, *groups))
    return [_waiting(*row) for row in cursor.fetchall()]


def _waiting(
    seq: int,
    group_key: bytes,
    priority: int,
    not_before: int,
    topic: str,
    kind: str,
    notice: str,
    ward: str,
    severity: str,
    escalation: int,
    attribute: str,
) -> Waiting:
    # Not merged again, nor with what SNS refused for its own sake; and the watchdog's are looked for one by one.
    alone = priority == MERGED_PRIORITY or not_before > 0 or kind == "watchdog"
    kin = (topic, kind, notice, ward, severity, escalation, attribute)
    return Waiting(seq, group_key, priority, None if alone else kin)


def load_ready(cursor: Cursor, seq: int) -> Ready:
    """One notification with its texts and message attributes."""
    cursor.execute(
        "SELECT notification_id, topic, subject, body, ward, severity, attribute, kind, notice, escalation, priority,"
        " not_before FROM notifications WHERE seq = %s",
        (seq,),
    )
    row: Any = cursor.fetchone()
    notification_id, topic, subject, body, ward, severity, attribute, kind, notice, escalation, priority, due = row
    attributes: dict[str, str | list[str]] = {
        "ward": ward,
        "severity": severity,
        "attribute": attribute.split(","),
        "kind": kind,
        "notice": notice,
        "escalation": str(escalation),
        "notification_id": notification_id,
    }
    return Ready(seq, notification_id, topic, subject, body, attributes, priority == MERGED_PRIORITY, due > ALONE)


def merge(cursor: Cursor, seqs: Sequence[int], now: int) -> Ready:
    """Make one notification of several of a kin, oldest first, as many as fit into a mail; the one to send.

    The parts point to it and wait no more. It is an outbox row itself, so that a crash before it is sent loses nothing.
    """
    some = seqs[:PARTS_MAX]
    cursor.execute(
        "SELECT seq, subject, body, alarm_id, topic, kind, notice, severity, ward, attribute, escalation"
        " FROM notifications"
        f" WHERE seq IN ({', '.join(['%s'] * len(some))}) ORDER BY seq",
        some,
    )
    rows = list(cursor.fetchall())
    parts = [Mail(subject, body, attribute.count(",") + 1) for _, subject, body, *_, attribute, _ in rows]
    parts = parts[: how_many_fit(parts)]
    if len(parts) == 1:
        return load_ready(cursor, some[0])
    notification = _merged(rows[0][3:], parts, now)
    add_notifications(cursor, [notification])
    merged_seq = cursor.lastrowid
    cursor.execute(
        "UPDATE notifications SET merged_into = %s"
        f" WHERE seq IN ({', '.join(['%s'] * len(parts))}) AND sent_at IS NULL AND merged_into IS NULL",
        (notification.notification_id, *some[: len(parts)]),
    )
    return load_ready(cursor, merged_seq)


def _merged(first: Sequence[Any], parts: Sequence[Mail], now: int) -> Notification:
    alarm_id, topic, kind, notice, severity, ward, attribute, escalation = first
    notification_id = uuid.uuid4().hex
    mail = merged_mail(parts, severity, ward, notification_id)
    return Notification(
        notification_id=notification_id,
        alarm_id=alarm_id,
        group_key=digest("merged", notification_id),
        topic=topic,
        kind=kind,
        notice=notice,
        priority=MERGED_PRIORITY,
        severity=severity,
        ward=ward,
        attribute=attribute,
        subject=mail.subject,
        body=mail.body,
        created_at=now,
        escalation=escalation,
    )


def take_apart(cursor: Cursor, ready: Ready) -> None:
    """Undo a merged notification that SNS refuses: one bad part must not hold back the others. Each goes alone now."""
    cursor.execute(
        "UPDATE notifications SET merged_into = NULL, not_before = %s WHERE sent_at IS NULL AND merged_into = %s",
        (ALONE, ready.notification_id),
    )
    cursor.execute("DELETE FROM notifications WHERE seq = %s", (ready.seq,))


def mark_sent(cursor: Cursor, ready: Ready, message_id: str, now: int) -> None:
    """Note that SNS took a notification, and its parts with it."""
    cursor.execute(
        "UPDATE notifications SET sent_at = %s, message_id = %s, attempts = attempts + 1, last_error = NULL"
        " WHERE seq = %s",
        (now, message_id, ready.seq),
    )
    if ready.is_merged:
        cursor.execute(
            "UPDATE notifications SET sent_at = %s, message_id = %s WHERE sent_at IS NULL AND merged_into = %s",
            (now, message_id, ready.notification_id),
        )


def mark_failed(cursor: Cursor, seq: int, reason: str, not_before: int | None = None) -> None:
    """Note a failed attempt. It is not tried again before `not_before` (epoch ms; None: as it was)."""
    cursor.execute(
        "UPDATE notifications SET attempts = attempts + 1, last_error = %s, not_before = COALESCE(%s, not_before)"
        " WHERE seq = %s",
        (reason[:500], not_before, seq),
    )


def any_refused(cursor: Cursor) -> bool:
    """Whether something waits that SNS refused for its own sake."""
    query = "SELECT 1 FROM notifications WHERE sent_at IS NULL AND merged_into IS NULL AND not_before > %s LIMIT 1"
    return bool(cursor.execute(query, (ALONE,)))


def requeue_lost(cursor: Cursor) -> int:
    """Put back what the embedded SNS took, and lost before the mailer had it for every reader; how many mails.

    Of the last hour in which anything was sent, however long ago that is: the machine may have been away since. A time
    to come, by a clock that was set back, counts as now. That is known exactly: a subscription whose filter lets the
    notification through has no record in `mailed`. Readers who have got it do not get it again, because the mailer
    looks there too. Parts go with the mail that holds them.
    """
    cursor.execute("SELECT LEAST(COALESCE(MAX(sent_at), 0), %s) FROM notifications", (now_ms(),))
    ((newest,),) = cursor.fetchall()
    since = newest - LOST_WITHIN_MS
    lost = cursor.execute(
        "UPDATE notifications n SET n.sent_at = NULL, n.message_id = NULL"
        " WHERE n.sent_at > %s AND n.merged_into IS NULL AND EXISTS ("
        " SELECT 1 FROM subscriptions s"
        " WHERE s.topic = n.topic AND s.state <> 'removed' AND s.created_at <= n.sent_at"
        " AND s.from_escalation <= n.escalation"
        " AND (JSON_LENGTH(s.wards) = 0 OR n.ward = %s OR JSON_CONTAINS(s.wards, JSON_QUOTE(n.ward)))"
        " AND (JSON_LENGTH(s.severities) = 0 OR JSON_CONTAINS(s.severities, JSON_QUOTE(n.severity)))"
        " AND NOT EXISTS (SELECT 1 FROM mailed m"
        " WHERE m.subscription_id = s.subscription_id AND m.notification_id = n.notification_id))",
        (since, UNKNOWN_WARD),
    )
    cursor.execute(
        "UPDATE notifications part JOIN notifications whole ON whole.notification_id = part.merged_into"
        " SET part.sent_at = NULL, part.message_id = NULL WHERE part.sent_at > %s AND whole.sent_at IS NULL",
        (since,),
    )
    return lost
