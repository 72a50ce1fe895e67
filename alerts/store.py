"""The engine's tables: alarms, audit, outbox, seen breaches and offsets, written in one transaction a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pymysql.cursors import Cursor

from alerts.batch import Offsets
from alerts.decide import Alarm, Event, Notification
from clinical.alarms import AlarmState, Told
from infra.errors import SingleInstanceError

CONSUMER = "alert-engine"
SEEN_KEPT = 200_000
"""How many of the newest breaches are remembered to drop repeats.

Detection repeats after a crash what it published since its last checkpoint (20 s by default); at 1,000 breaches a
second that is a tenth of this. Counted and not timed, so that the length of an outage does not matter.
"""

FORGET_AT_ONCE = 20_000
WARD_MAX = 190
ALARM_COLUMNS = (
    "alarm_id, open_key, patient_id, attribute, direction, ward, last_value, severity, started_at, last_breach_at, "
    "breaches, told_severity, told_event_at, told_clock_at, ended_at"
)


def load_offsets(cursor: Cursor, partitions: Iterable[tuple[str, int]]) -> Offsets:
    """The next offset of each partition; 0 is written for one that is new."""
    cursor.executemany(
        "INSERT IGNORE INTO consumer_offsets (consumer, topic, partition_id, next_offset) VALUES (%s, %s, %s, 0)",
        [(CONSUMER, topic, partition) for topic, partition in partitions],
    )
    cursor.execute("SELECT topic, partition_id, next_offset FROM consumer_offsets WHERE consumer = %s", (CONSUMER,))
    stored = {(topic, partition): offset for topic, partition, offset in cursor.fetchall()}
    return {partition: stored[partition] for partition in partitions}


def move_offsets(cursor: Cursor, before: Offsets, after: Offsets) -> None:
    """Move offsets on, within the caller's transaction.

    Raises SingleInstanceError when an offset is not where this engine left it: another engine wrote it, and the
    transaction must not be committed.
    """
    for (topic, partition), offset in after.items():
        changed = cursor.execute(
            "UPDATE consumer_offsets SET next_offset = %s"
            " WHERE consumer = %s AND topic = %s AND partition_id = %s AND next_offset = %s",
            (offset, CONSUMER, topic, partition, before[topic, partition]),
        )
        if changed != 1:
            raise SingleInstanceError(
                f"Another alert engine has moved the offset of {topic}/{partition}: only one may run at a time."
            )


def load_newest(cursor: Cursor, keys: Sequence[bytes]) -> dict[bytes, Alarm]:
    """The newest clinical alarm of each key that has one."""
    if not keys:
        return {}
    marks = ", ".join(["%s"] * len(keys))
    cursor.execute(f"SELECT {ALARM_COLUMNS} FROM alarms WHERE kind = 'clinical' AND open_key IN ({marks})", keys)
    return {row[1]: _alarm(row) for row in cursor.fetchall()}


def _alarm(row: Sequence[Any]) -> Alarm:
    alarm_id, key, patient_id, attribute, direction, ward, value, severity, started, last, breaches, *told, ended = row
    state = AlarmState(started, last, severity, breaches, Told(*told) if told[0] else None)
    return Alarm(alarm_id, key, patient_id, attribute, direction, ward, value, state, ended)


def save_alarms(cursor: Cursor, alarms: Sequence[Alarm]) -> None:
    """Write alarms as they are now. Those that ended go first: their key is then free for the one that began."""
    ended = [alarm for alarm in alarms if alarm.ended_at is not None]
    current = [alarm for alarm in alarms if alarm.ended_at is None]
    columns = [column.strip() for column in ALARM_COLUMNS.split(",")]
    updates = ", ".join(f"{column} = VALUES({column})" for column in columns if column != "alarm_id")
    statement = (
        f"INSERT INTO alarms ({ALARM_COLUMNS}, kind) VALUES ({', '.join(['%s'] * (len(columns) + 1))})"
        f" ON DUPLICATE KEY UPDATE {updates}"
    )
    for part in (ended, current):
        if part:
            cursor.executemany(statement, [_row(alarm) for alarm in part])


def _row(alarm: Alarm) -> tuple[Any, ...]:
    state, told = alarm.state, alarm.state.told
    return (
        alarm.alarm_id,
        alarm.key if alarm.ended_at is None else None,
        alarm.patient_id,
        alarm.attribute,
        alarm.direction,
        alarm.ward[:WARD_MAX] if alarm.ward else None,
        alarm.last_value,
        state.severity,
        state.started_at,
        state.last_breach_at,
        state.breaches,
        told.severity if told else None,
        told.event_at if told else None,
        told.clock_at if told else None,
        alarm.ended_at,
        "clinical",
    )


def add_events(cursor: Cursor, events: Sequence[Event]) -> None:
    """Append to the audit."""
    if events:
        cursor.executemany(
            "INSERT INTO alarm_events (alarm_id, at, who, what, why, breach_id, notification_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(e.alarm_id, e.at, e.who, e.what, e.why, e.breach_id, e.notification_id) for e in events],
        )


def add_notifications(cursor: Cursor, notifications: Sequence[Notification]) -> None:
    """Append to the outbox, in the order in which they should be sent."""
    if notifications:
        cursor.executemany(
            "INSERT INTO notifications (notification_id, alarm_id, group_key, topic, notice, priority, severity, ward,"
            " attribute, subject, body, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    n.notification_id,
                    n.alarm_id,
                    n.group_key,
                    n.topic,
                    n.notice,
                    n.priority,
                    n.severity,
                    n.ward[:WARD_MAX],
                    n.attribute,
                    n.subject,
                    n.body,
                    n.created_at,
                )
                for n in notifications
            ],
        )


def load_seen(cursor: Cursor) -> list[bytes]:
    """The remembered breaches, oldest first."""
    cursor.execute("SELECT breach FROM seen_breaches ORDER BY seq DESC LIMIT %s", (SEEN_KEPT,))
    return [breach for (breach,) in reversed(list(cursor.fetchall()))]


def add_seen(cursor: Cursor, breaches: Sequence[bytes]) -> None:
    """Remember breaches."""
    if breaches:
        cursor.executemany("INSERT IGNORE INTO seen_breaches (breach) VALUES (%s)", [(breach,) for breach in breaches])


def forget_old_seen(cursor: Cursor) -> int:
    """Forget up to FORGET_AT_ONCE breaches that are older than the newest SEEN_KEPT; how many were forgotten."""
    cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM seen_breaches")
    (newest,) = cursor.fetchone() or (0,)
    return cursor.execute("DELETE FROM seen_breaches WHERE seq <= %s LIMIT %s", (newest - SEEN_KEPT, FORGET_AT_ONCE))
