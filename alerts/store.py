"""The engine's tables: alarms, audit, outbox, seen breaches and offsets, written in one transaction a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from pymysql.cursors import Cursor

from alerts.batch import Offsets
from alerts.database import digest
from alerts.decide import Alarm, Event, Notification
from alerts.message import UNKNOWN_WARD, WARD_MAX
from clinical import notices
from clinical.lifecycle_state import from_dict, to_dict
from clinical.messages import Breach
from infra.errors import ConfigurationError, SingleInstanceError

CONSUMER = "alert-engine"
SEEN_KEPT = 200_000
"""How many of the newest breaches are remembered to drop repeats.

Detection repeats after a crash what it published since its last checkpoint (a minute by default); at 1,000 breaches a
second that is a third of this. Counted and not timed, so that the length of an outage does not matter.
"""

STEPS = ("steps", 0)
"""Stands among the partitions; its offset is the number of steps that engines have written. Each step moves it, so one
that read nothing new, as of a reminder, meets another engine's as well."""

FORGET_AT_ONCE = 20_000
ATTRIBUTES_MAX = 190
LOADED = (
    "alarm_id, ward, severity, peak_severity, started_at, raised_at, last_breach_at, breaches, last_value, "
    "acknowledged_at, acknowledged_by, ended_at, end_reason, lifecycle, notice, breach"
)
LOADED_ALARMS = f"SELECT {LOADED} FROM alarms WHERE kind = 'clinical' AND notice IS NOT NULL ORDER BY started_at"


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
                f"Another alert engine has moved on {topic}/{partition}: only one may run at a time."
            )


def load_alarms(cursor: Cursor) -> list[Alarm]:
    """Alarms that are pending or open, and those that are over while people are owed news of it.

    Raises ConfigurationError naming an alarm that another version stored.
    """
    cursor.execute(LOADED_ALARMS)
    return [_alarm(row) for row in cursor.fetchall()]


def _alarm(row: Sequence[Any]) -> Alarm:
    (alarm_id, ward, severity, peak, started, raised, last, breaches, value, *acknowledged, ended, reason) = row[:-3]
    lifecycle, notice, stored_breach = row[-3:]
    breach: Breach = orjson.loads(stored_breach)
    try:
        state = from_dict(orjson.loads(lifecycle)) if lifecycle else None
        told = notices.from_dict(orjson.loads(notice))
    except ValueError as error:
        raise ConfigurationError(
            f"Alarm {alarm_id} cannot be read: {error} Go on with the version that wrote it until no alarm is open."
        ) from error
    return Alarm(
        alarm_id=alarm_id,
        breach=breach,
        ward=ward or UNKNOWN_WARD,
        state=state,
        notice=told,
        started_at=started,
        last_breach_at=last,
        breaches=breaches,
        last_value=value,
        severity=severity,
        peak=peak,
        raised_at=raised,
        acknowledged_at=acknowledged[0],
        acknowledged_by=acknowledged[1],
        ended_at=ended,
        end_reason=reason,
    )


def save_alarms(cursor: Cursor, alarms: Sequence[Alarm]) -> None:
    """Write alarms as they are now. Those that are over go first: their key is then free for one that began."""
    for over in (True, False):
        rows = [_row(alarm) for alarm in alarms if (alarm.state is None) is over]
        if not rows:
            continue
        columns = list(rows[0])
        updates = ", ".join(f"{column} = VALUES({column})" for column in columns if column != "alarm_id")
        cursor.executemany(
            f"INSERT INTO alarms ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
            f" ON DUPLICATE KEY UPDATE {updates}",
            [tuple(row.values()) for row in rows],
        )


def _row(alarm: Alarm) -> dict[str, Any]:
    state, notice = alarm.state, alarm.notice
    kept = state is not None or not notice.settled
    until = state.acknowledged_until - state.ahead if state and state.acknowledged_until is not None else None
    return {
        "alarm_id": alarm.alarm_id,
        "kind": "clinical",
        "open_key": digest("clinical", *alarm.key) if state else None,
        "patient_id": alarm.patient_id,
        "attribute": alarm.attribute,
        "direction": alarm.breach["direction"],
        "ward": None if alarm.ward == UNKNOWN_WARD else alarm.ward[:WARD_MAX],
        "phase": state.phase.value if state else "ended",
        "severity": alarm.severity,
        "peak_severity": alarm.peak,
        "started_at": alarm.started_at,
        "raised_at": alarm.raised_at,
        "last_breach_at": alarm.last_breach_at,
        "breaches": alarm.breaches,
        "last_value": alarm.last_value,
        "told_at": notice.told_at,
        "escalation": notice.escalation,
        "acknowledged_at": alarm.acknowledged_at,
        "acknowledged_by": alarm.acknowledged_by,
        "acknowledged_until": until,
        "ended_at": alarm.ended_at,
        "end_reason": alarm.end_reason,
        "lifecycle": orjson.dumps(to_dict(state)).decode() if state else None,
        "notice": orjson.dumps(notices.to_dict(notice)).decode() if kept else None,
        "breach": orjson.dumps(alarm.breach).decode() if kept else None,
    }


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
            "INSERT INTO notifications (notification_id, alarm_id, group_key, topic, kind, notice, priority, severity,"
            " ward, attribute, subject, body, created_at, escalation)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    n.notification_id,
                    n.alarm_id,
                    n.group_key,
                    n.topic,
                    n.kind,
                    n.notice,
                    n.priority,
                    n.severity,
                    n.ward[:WARD_MAX],
                    n.attribute[:ATTRIBUTES_MAX],
                    n.subject,
                    n.body,
                    n.created_at,
                    n.escalation,
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
