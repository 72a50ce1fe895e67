"""After MySQL was restored to an earlier time: alarms that it has lost are judged again, under new ids."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial

from pymysql.cursors import Cursor

from alerts.database import mysql_errors
from alerts.history_days import alarm_days
from alerts.history_rows import Rows, time_of
from infra.clients import alerts_connection
from infra.log import get_logger
from infra.settings import Settings

log = get_logger("restore")


def reconcile(settings: Settings) -> None:
    """Let `health.alarms` forget the alarms that began after the backup, which would be there twice.

    Raises UnavailableError when MySQL, HDFS or HiveServer2 is away. Doing it again changes nothing.
    """
    with mysql_errors(settings), closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
        newest = newest_event(cursor)
        if newest is None:  # a backup of before the first alarm: housekeeping forgot none of those since
            newest = datetime.now(UTC) - timedelta(days=settings.retention.alarms_days)
        forget = partial(without_lost, newest, partial(known_alarms, cursor))
        # A reading may have been recorded long before the alarm that it raised was.
        first = newest - timedelta(days=settings.readings.max_age_days + 1)
        with alarm_days(settings) as days:
            changed = [day for day in days.days() if day >= f"{first:%Y-%m-%d}" and days.change(day, forget)]
    log.info("alarms forgotten that MySQL has lost", since=newest.isoformat(), days=changed)


def without_lost(newest: datetime, known: Callable[[list[str]], set[str]], rows: Rows) -> Rows:
    """The rows without those of alarms that MySQL has lost.

    These are first recorded at `newest`, the last thing that MySQL remembers, or later, and not among the `known` of
    such alarms. One that housekeeping forgot is older, and stays.
    """
    since = {alarm_id for alarm_id, row in rows.items() if row["opened_at"] is not None and row["opened_at"] >= newest}
    lost = since - known(sorted(since)) if since else since
    return {alarm_id: row for alarm_id, row in rows.items() if alarm_id not in lost}


def newest_event(cursor: Cursor) -> datetime | None:
    """When the engine last recorded anything; by order, since its clock may have been ahead at some time."""
    cursor.execute("SELECT at FROM alarm_events ORDER BY event_id DESC LIMIT 1")
    found = cursor.fetchone()
    return time_of(found[0]) if found else None


def known_alarms(cursor: Cursor, alarm_ids: list[str]) -> set[str]:
    """Those of the alarms (one at least) that MySQL knows."""
    marks = ", ".join(["%s"] * len(alarm_ids))
    cursor.execute(f"SELECT alarm_id FROM alarms WHERE alarm_id IN ({marks})", alarm_ids)
    return {alarm_id for (alarm_id,) in cursor.fetchall()}
