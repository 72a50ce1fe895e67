"""The rows of the source table that MySQL took in during some time: what the audit expects in Hive."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, tzinfo
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
    return rows_between(start, end, ZoneInfo(settings.source.time_zone) if row[0].lower() == "datetime" else UTC)


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
