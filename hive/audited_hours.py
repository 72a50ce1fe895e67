"""How many rows MySQL had of an hour when its audit was over, by which rows that are committed later are noticed.

Noted in the alerts database, of each hour of which every row was found in Hive.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pymysql
from pymysql.cursors import Cursor

from hive.source_rows import HOUR, row_counts
from infra.clients import alerts_connection
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings


def is_an_hour(start: datetime, end: datetime) -> bool:
    """Whether that is a full hour of the clock in UTC: nothing else is noted."""
    return end - start == HOUR and start.astimezone(UTC).replace(minute=0, second=0, microsecond=0) == start


def note(settings: Settings, hour: datetime, rows: int) -> None:
    """Note that all `rows` that MySQL has of the hour are in Hive. Raises ConfigurationError, UnavailableError."""
    with _notes(settings) as cursor:
        cursor.execute(
            "REPLACE INTO audited_hours (source_table, hour_at, source_rows) VALUES (%s, %s, %s)",
            (settings.source.table, _milliseconds(hour), rows),
        )


def noted(settings: Settings, first: datetime, end: datetime) -> dict[datetime, int]:
    """The rows that were noted of each hour that begins in `[first, end)`. Raises as `note` does."""
    with _notes(settings) as cursor:
        cursor.execute(
            "SELECT hour_at, source_rows FROM audited_hours"
            " WHERE source_table = %s AND hour_at >= %s AND hour_at < %s ORDER BY hour_at",
            (settings.source.table, _milliseconds(first), _milliseconds(end)),
        )
        return {datetime.fromtimestamp(at / 1000, UTC): rows for at, rows in cursor.fetchall()}


def grown_since(settings: Settings, start: datetime) -> list[datetime]:
    """The hours before `start` of which MySQL has more rows now than were noted, by their beginnings, ascending.

    It looks back `producer.late_commit_audit_hours`. An hour that was never noted is left to its own audit. Raises
    ConfigurationError, UnavailableError.
    """
    there = noted(settings, start - timedelta(hours=settings.producer.late_commit_audit_hours), start)
    now = row_counts(settings, there)
    return [hour for hour, rows in there.items() if now[hour] > rows]


@contextmanager
def _notes(settings: Settings) -> Iterator[Cursor]:
    try:
        with closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
            yield cursor
    except pymysql.err.ProgrammingError as error:
        raise ConfigurationError(
            f"The table audited_hours of the alerts database cannot be used ({error}): `./ward up` creates it."
        ) from error
    except pymysql.err.MySQLError as error:
        raise UnavailableError("MySQL", f"{settings.mysql.host}:{settings.mysql_port}", error) from error


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
