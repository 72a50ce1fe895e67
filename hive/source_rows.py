"""The rows of the source table that MySQL took in during some time: what the audit expects in Hive."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pymysql
from pymysql.cursors import SSCursor

from hive.wall_clock import first_wall_clock, literal, shown_until
from infra.clients import reader_connection
from infra.errors import ConfigurationError, UnavailableError
from infra.identifiers import quoted_before_arguments, quoted_table_before_arguments
from infra.settings import Settings

FETCH_ROWS = 10_000
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class SourceRows(NamedTuple):
    """The rows that MySQL took in during some time: from `first` to before `end` as the source writes it.

    `settled_at`: when its clock had shown these times for good.
    """

    first: str
    end: str
    settled_at: datetime


def rows_between(start: datetime, end: datetime, zone: tzinfo) -> SourceRows:
    """The rows inserted in `[start, end)`, as the producer takes the times of a source that writes them in `zone`."""
    first, last = first_wall_clock(start, zone), first_wall_clock(end, zone)
    return SourceRows(literal(first), literal(last), max(end, shown_until(last, zone)))


def find_rows(settings: Settings, start: datetime, end: datetime) -> SourceRows:
    """The rows inserted in `[start, end)`. A DATETIME is in `source.time_zone`, a TIMESTAMP in the session's UTC.

    Raises ConfigurationError, UnavailableError, as all of this module do.
    """
    return rows_between(start, end, _zone(settings))


def source_ids(settings: Settings, rows: SourceRows) -> Generator[int, None, None]:
    """Their ids, ascending, which must be read without long pauses: MySQL gives a reader up after a minute."""
    key = quoted_before_arguments(settings.source.key_column)
    with closing(reader_connection(settings)) as connection, _stream(connection) as cursor, _mysql_errors(settings):
        cursor.execute(f"SELECT {key} {_from_source(settings)} ORDER BY {key}", (rows.first, rows.end))
        while chunk := cursor.fetchmany(FETCH_ROWS):
            for (reading_id,) in chunk:
                yield int(reading_id)


def id_range(settings: Settings, rows: SourceRows) -> tuple[int, int] | None:
    """The lowest and the highest of their ids; None: there is no row."""
    key = quoted_before_arguments(settings.source.key_column)
    with _mysql_errors(settings), closing(reader_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT MIN({key}), MAX({key}) {_from_source(settings)}", (rows.first, rows.end))
        lowest, highest = cursor.fetchone() or (None, None)
    return None if lowest is None or highest is None else (int(lowest), int(highest))


def row_counts(settings: Settings, hours: Collection[datetime]) -> dict[datetime, int]:
    """How many rows there are now of each of these hours, given by their beginnings; in one pass over all of them."""
    if not hours:
        return {}
    zone = _zone(settings)
    walls = {hour: (first_wall_clock(hour, zone), first_wall_clock(hour + HOUR, zone)) for hour in hours}
    first, end = min(first for first, _ in walls.values()), max(end for _, end in walls.values())
    inserted = quoted_before_arguments(settings.source.inserted_at_column)
    with _mysql_errors(settings), closing(reader_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT TIMESTAMPDIFF(MINUTE, %s, {inserted}) AS minute_of_all, COUNT(*) {_from_source(settings)}"
            " GROUP BY minute_of_all",
            (literal(first), literal(first), literal(end)),
        )
        by_minute = {first + minute * MINUTE: rows for minute, rows in cursor.fetchall()}
    return {
        hour: sum(rows for minute, rows in by_minute.items() if begins <= minute < ends)
        for hour, (begins, ends) in walls.items()
    }


def of_no_time(settings: Settings, ids: Sequence[int]) -> set[int]:
    """Those of the ids whose rows have no time of insertion: the producer gave them that of receipt."""
    key = quoted_before_arguments(settings.source.key_column)
    inserted = quoted_before_arguments(settings.source.inserted_at_column)
    table, found = quoted_table_before_arguments(settings.source.table), set[int]()
    with _mysql_errors(settings), closing(reader_connection(settings)) as connection, connection.cursor() as cursor:
        for start in range(0, len(ids), FETCH_ROWS):
            some = ids[start : start + FETCH_ROWS]
            marks = ", ".join(["%s"] * len(some))
            cursor.execute(f"SELECT {key} FROM {table} WHERE {inserted} IS NULL AND {key} IN ({marks})", some)
            found.update(int(one) for (one,) in cursor.fetchall())
    return found


def _zone(settings: Settings) -> tzinfo:
    """The zone in which the source writes the time of insertion."""
    database, table = settings.source.table.split(".", 1)
    with _mysql_errors(settings), closing(reader_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT data_type FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s AND column_name = %s",
            (database, table, settings.source.inserted_at_column),
        )
        row = cursor.fetchone()
    if row is None:
        raise ConfigurationError(f"{settings.source.table} has no column {settings.source.inserted_at_column}.")
    return ZoneInfo(settings.source.time_zone) if row[0].lower() == "datetime" else UTC


def _from_source(settings: Settings) -> str:
    inserted = quoted_before_arguments(settings.source.inserted_at_column)
    return f"FROM {quoted_table_before_arguments(settings.source.table)} WHERE {inserted} >= %s AND {inserted} < %s"


@contextmanager
def _stream(connection: Any) -> Iterator[SSCursor]:
    """A cursor that fetches rows while they are read, and reads no more of them at its end."""
    cursor = connection.cursor(SSCursor)
    try:
        yield cursor
    finally:
        # To close it would read all that is left, and hide that the connection was lost.
        if (result := connection._result) is not None:
            result.unbuffered_active = False


@contextmanager
def _mysql_errors(settings: Settings) -> Iterator[None]:
    try:
        yield
    except pymysql.err.ProgrammingError as error:
        raise ConfigurationError(f"{settings.source.table} cannot be read: {error}") from error
    except pymysql.err.MySQLError as error:
        raise UnavailableError("MySQL", f"{settings.mysql.host}:{settings.mysql_port}", error) from error
