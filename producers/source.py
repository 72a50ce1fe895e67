"""Reading the source table with nothing but SELECT.

Each query is a statement of its own on an autocommit connection, so each sees everything that was committed before it
began; a longer snapshot would hide late commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import FIELD_TYPE
from pymysql.converters import encoders

from infra.clients import reader_connection
from infra.errors import ConfigurationError, UnavailableError
from infra.identifiers import before_arguments, quoted, quoted_before_arguments, quoted_table_before_arguments
from infra.settings import Settings
from producers.cursor import Gap
from producers.mapping import Column, ColumnPlan, TimeColumn, plan_columns, split_table_name

Row = tuple[Any, ...]

_CONVERSIONS: dict[Any, Any] = {
    **encoders,
    **dict.fromkeys(
        (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR),
        int,
    ),
    # The shortest text of a float is the decimal that the database sent, at any precision a vital sign has.
    **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE, FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL), float),
}


def inspect(settings: Settings, connection: Connection[Any]) -> ColumnPlan:
    """The plan for `source.table` as it is now.

    Raises ConfigurationError when the table does not exist for this user (naming similar ones), is a view, or does not
    fit the mapping.
    """
    database, table = split_table_name(settings.source.table)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_type FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            (database, table),
        )
        found = cursor.fetchone()
        if found is None:
            raise ConfigurationError(_missing_table(settings, cursor))
        if found[0] == "VIEW":
            raise ConfigurationError(f"{database}.{table} is a view, which has no key: name its table in source.table.")
        cursor.execute(
            "SELECT c.column_name, c.data_type, c.is_nullable = 'YES', EXISTS ("
            " SELECT 1 FROM information_schema.statistics s WHERE s.table_schema = c.table_schema"
            " AND s.table_name = c.table_name AND s.non_unique = 0 GROUP BY s.index_name"
            " HAVING COUNT(*) = 1 AND MAX(s.column_name) = c.column_name),"
            " c.extra"
            " FROM information_schema.columns c WHERE c.table_schema = %s AND c.table_name = %s"
            " ORDER BY c.ordinal_position",
            (database, table),
        )
        columns = [
            Column(name, kind.lower(), bool(null), bool(unique), "auto_increment" in (extra or "").lower())
            for name, kind, null, unique, extra in cursor
        ]
    return plan_columns(settings.source, columns)


def _missing_table(settings: Settings, cursor: Any) -> str:
    cursor.execute(
        "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema NOT IN"
        " ('information_schema', 'performance_schema', 'mysql', 'sys')"
    )
    visible = sorted(name for (name,) in cursor)
    wanted = settings.source.table
    similar = get_close_matches(wanted, visible, n=5, cutoff=0.5) or visible[:5]
    hint = f"Tables it can see: {', '.join(similar)}." if similar else "It can see no table at all."
    return (
        f"There is no table {wanted} (source.table) at {settings.mysql.host}:{settings.mysql_port}, or user "
        f"{settings.mysql.reader_user} may not SELECT from it. {hint}"
    )


class SourceReader:
    """Pages of the source table. `open` before use and again after an UnavailableError, which closes it.

    Every reading method raises UnavailableError when the connection is lost and ConfigurationError when the table no
    longer has the columns it had at `open`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: Connection[Any] | None = None
        self._select = ""
        self._key = ""
        self._table = ""

    def open(self) -> ColumnPlan:
        """Connect and check the table."""
        connection = reader_connection(self._settings, conv=_CONVERSIONS)
        try:
            plan = inspect(self._settings, connection)
        except pymysql.err.MySQLError as error:
            connection.close()
            raise self._unavailable(error) from error
        self._connection = connection
        self._key = quoted_before_arguments(plan.key)
        self._table = quoted_table_before_arguments(self._settings.source.table)
        self._select = f"SELECT {before_arguments(', '.join(_expressions(plan)))} FROM {self._table} WHERE "
        return plan

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None

    def after(self, cursor: int, limit: int) -> Sequence[Row]:
        """At most `limit` rows whose key is above `cursor`, by ascending key."""
        return self._query(f"{self._select}{self._key} > %s ORDER BY {self._key} LIMIT %s", (cursor, limit))

    def within(self, gaps: Sequence[Gap], limit: int) -> Sequence[Row]:
        """At most `limit` rows whose key lies in one of `gaps` (at least one), by ascending key."""
        single = [gap.first for gap in gaps if gap.first == gap.last]
        ranges = [gap for gap in gaps if gap.first != gap.last]
        conditions = [f"{self._key} IN ({','.join(map(str, single))})"] if single else []
        conditions += [f"{self._key} BETWEEN {gap.first} AND {gap.last}" for gap in ranges]
        return self._query(f"{self._select}{' OR '.join(conditions)} ORDER BY {self._key} LIMIT %s", (limit,))

    def highest_key(self) -> int:
        """The highest key in the table, 0 when it is empty."""
        ((highest,),) = self._query(f"SELECT MAX({self._key}) FROM {self._table}", ())
        return highest or 0

    def _query(self, statement: str, arguments: tuple[Any, ...]) -> Sequence[Row]:
        if self._connection is None:
            raise self._unavailable("not connected")
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, arguments)
                rows: Sequence[Row] = cursor.fetchall()
                return rows
        except pymysql.err.ProgrammingError as error:
            self.close()
            raise ConfigurationError(f"Table {self._settings.source.table} can no longer be read: {error}") from error
        except pymysql.err.MySQLError as error:
            self.close()
            raise self._unavailable(error) from error

    def _unavailable(self, reason: object) -> UnavailableError:
        return UnavailableError("MySQL", f"{self._settings.mysql.host}:{self._settings.mysql_port}", reason)


def _expressions(plan: ColumnPlan) -> list[str]:
    return [
        quoted(plan.key),
        _identity(plan, plan.patient),
        _identity(plan, plan.device) if plan.device else "NULL",
        _milliseconds(plan.recorded_at),
        _milliseconds(plan.inserted_at),
        *(quoted(column) for column, _, _ in plan.attributes),
    ]


def _identity(plan: ColumnPlan, name: str) -> str:
    """An id, as the import of contacts writes it."""
    return f"CAST({quoted(name)} + 0 AS CHAR)" if name in plan.numbered else quoted(name)


def _milliseconds(column: TimeColumn | None) -> str:
    """Wall-clock milliseconds after 1970, computed by the server: cheaper than parsing a text for every row."""
    if column is None:
        return "NULL"
    return f"TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', {quoted(column.name)}) DIV 1000"
