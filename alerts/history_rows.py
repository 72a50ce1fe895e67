"""Alarms as rows of `health.alarms`: read from the alerts database, and as what a Parquet file holds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pymysql.cursors import DictCursor

from alerts.database import mysql_errors
from clinical.tables import ALARMS
from infra.clients import alerts_connection
from infra.settings import Settings

Row = dict[str, Any]
"""Column -> value; times are aware, in UTC."""

Rows = dict[str, Row]
"""alarm_id -> its row."""

READ_SECONDS = 600
"""How long the search may take: of a backfill it may be for all alarms that there are."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = frozenset(column.name for column in ALARMS.columns if column.type == "TIMESTAMP")

TOUCHED = """
SELECT a.alarm_id, a.patient_id, a.ward, a.attribute, a.direction, a.phase, a.severity, a.peak_severity,
       a.started_at, a.raised_at, a.last_breach_at, a.ended_at, a.end_reason, a.breaches, a.last_value,
       a.told_at, a.escalation, a.acknowledged_at, a.acknowledged_by,
       MIN(e.at) AS opened_at,
       MIN(CASE WHEN e.notification_id IS NOT NULL THEN e.at END) AS first_told_at,
       COUNT(DISTINCT e.notification_id) AS mails,
       SUBSTRING_INDEX(GROUP_CONCAT(e.breach_id ORDER BY e.event_id), ',', 1) AS breach_id
FROM (
  SELECT alarm_id FROM alarms WHERE started_at < %(end)s AND (ended_at IS NULL OR ended_at >= %(start)s)
  UNION
  SELECT alarm_id FROM alarm_events WHERE at >= %(start)s AND at < %(end)s
) touched
JOIN alarms a ON a.alarm_id = touched.alarm_id
LEFT JOIN alarm_events e ON e.alarm_id = a.alarm_id
WHERE a.kind = 'clinical'
GROUP BY a.alarm_id
"""
"""The alarms that lasted in `[start, end)`, in event time, or of which the engine recorded something then.

Both, because a breach is counted without an event, and an alarm of the past is recorded when its readings arrive.
"""

_ARROW = {
    "STRING": pa.string(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}
SCHEMA = pa.schema([(column.name, _ARROW[column.type]) for column in ALARMS.columns])


def read_alarms(settings: Settings, start: datetime, end: datetime) -> Rows:
    """The alarms of patients that lasted or changed in `[start, end)`, each as it stands now, all of one moment.

    Raises UnavailableError when MySQL is away.
    """
    bounds = {"start": _milliseconds(start), "end": _milliseconds(end)}
    with (
        mysql_errors(settings),
        closing(alerts_connection(settings, read_timeout=READ_SECONDS)) as connection,
        connection.cursor(DictCursor) as cursor,
    ):
        cursor.execute(TOUCHED, bounds)
        return {found["alarm_id"]: as_row(found) for found in cursor.fetchall()}


def as_row(found: Mapping[str, Any]) -> Row:
    """What `TOUCHED` gave of one alarm, times as epoch ms, as a row.

    The time to acknowledge counts from the first mail, since nobody can answer before that, and by the clock, so that
    an alarm of which we were late to tell is not held against the ward.
    """
    told, acknowledged = found["first_told_at"] or found["raised_at"], found["acknowledged_at"]
    seconds = None if told is None or acknowledged is None else max(0, acknowledged - told) // 1000
    values = {**found, "seconds_to_acknowledge": seconds}
    times = {name: time_of(values[name]) for name in TIMES if values[name] is not None}
    return {name: times.get(name, values[name]) for name in ALARMS.column_names}


def day_of(row: Row) -> str:
    """The partition that the row belongs to. An alarm's first breach never changes, so neither does its day."""
    return f"{row['started_at']:%Y-%m-%d}"


def by_day(rows: Rows) -> dict[str, Rows]:
    """The rows of each day, in order of the days."""
    days: dict[str, Rows] = {}
    for alarm_id, row in rows.items():
        days.setdefault(day_of(row), {})[alarm_id] = row
    return dict(sorted(days.items()))


def as_table(rows: Rows) -> pa.Table:
    """The rows in the order in which a file holds them."""
    order = sorted(rows.values(), key=lambda row: (row["patient_id"] or "", row["started_at"], row["alarm_id"]))
    return pa.Table.from_pylist(order, schema=SCHEMA)


def as_rows(table: pa.Table) -> Rows:
    """The rows of a file."""
    return {row["alarm_id"]: row for row in table.to_pylist()}


def time_of(ms: int) -> datetime:
    """Epoch ms as a time, exactly."""
    return EPOCH + timedelta(milliseconds=ms)


def _milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
