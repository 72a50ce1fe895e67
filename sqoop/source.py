"""The contacts table in MySQL: which column is which, what to ask for, and how many rows there should be.

Every column is asked for as text (`CAST(… AS CHAR)` in a session whose zone is UTC), so that no driver on the way
converts a date, a TINYINT(1) or a zero date; the merge gives the columns their types.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from infra.errors import ConfigurationError
from infra.identifiers import quoted, quoted_table
from infra.settings import Contacts, Settings

KNOWN_COLUMNS = tuple(Contacts().columns)
KEY = "patient_id"
NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit"})
MARK = "updated_at"
TIME_COLUMNS = ("updated_at", "discharged_at")
MARK_FORMAT = "%Y-%m-%d %H:%M:%S.%f"
JUST = timedelta(seconds=2)
"""Most tables note the time of a change in whole seconds."""

DAYLIGHT_SAVING = timedelta(hours=1)
"""A wall clock goes back by this much once a year; a mark in local time looks back further by it."""


@dataclass(frozen=True)
class Column:
    """A column of theirs and its MySQL data type."""

    name: str
    data_type: str


@dataclass(frozen=True)
class Counts:
    """Rows at one moment: in the table, and matching the incremental predicate.

    `digest` is made of the ids and times of change of the matching rows of an incremental import, whatever their
    order: equal digests mean that none came, went or changed. `at` is the server's UTC time then. `just_changed`: one
    of them changed within the last seconds, so that a digest of whole seconds may miss that it changes once more.
    """

    total: int
    matching: int
    digest: int
    at: datetime
    just_changed: bool = False

    def same_rows(self, other: Counts) -> bool:
        """Whether nothing that an incremental import could see happened in between."""
        return (self.total, self.matching, self.digest) == (other.total, other.matching, other.digest)


@dataclass(frozen=True)
class ContactsTable:
    """The mapped table: our names to their columns, in our order."""

    table: str
    columns: dict[str, Column]
    datetime_zone: str = "UTC"

    @property
    def incremental(self) -> bool:
        """False when every import has to be full because no column says when a row changed."""
        return MARK in self.columns

    @property
    def time_zones(self) -> dict[str, str]:
        """Our time columns that are not in UTC (a DATETIME has no zone of its own), with their zone."""
        return {name: zone for name in TIME_COLUMNS if (zone := self._zone(name)) != "UTC"}

    def _zone(self, name: str) -> str:
        column = self.columns.get(name)
        return self.datetime_zone if column is not None and column.data_type == "datetime" else "UTC"

    def since(self, mark: str, overlap_seconds: int) -> str:
        """The inclusive lower bound of `updated_at` for an incremental import, as the source writes its times."""
        earlier = timedelta(seconds=overlap_seconds)
        if self._zone(MARK) != "UTC":
            earlier += DAYLIGHT_SAVING
        return (parse_mark(mark) - earlier).strftime(MARK_FORMAT)

    def clock(self, at: datetime) -> str:
        """The UTC time `at` as the source's `updated_at` would show it; no mark may lie beyond it."""
        return at.astimezone(ZoneInfo(self._zone(MARK))).strftime(MARK_FORMAT)

    def predicate(self, since: str | None) -> str:
        """SQL condition of the rows to import: all of them, or those changed at `since` or later.

        A row without an id is no patient; a row without a time of change is always asked for.
        """
        key = quoted(self.columns[KEY].name)
        if since is None:
            return f"{key} IS NOT NULL"
        mark = quoted(self.columns[MARK].name)
        return f"{key} IS NOT NULL AND ({mark} >= '{since}' OR {mark} IS NULL)"

    def text_of(self, name: str) -> str:
        """SQL that renders one of our columns as text, an id as the producer writes it: without zeros before it."""
        column = self.columns[name]
        if name == KEY and column.data_type in NUMBERS:
            return f"CAST({quoted(column.name)} + 0 AS CHAR)"
        return as_text(column)

    def query(self, names: Iterable[str], since: str | None) -> str:
        """The free-form query for Sqoop, which puts a condition of its own in place of `$CONDITIONS`."""
        selected = ", ".join(f"{self.text_of(name)} AS {name}" for name in names)
        return f"SELECT {selected} FROM {quoted_table(self.table)} WHERE $CONDITIONS AND {self.predicate(since)}"

    def count(self, connection: Connection[Any], since: str | None) -> Counts:
        """Count in one statement, so that all is of the same moment."""
        # Not IF(…, 0): MariaDB makes a DECIMAL of that, which BIT_XOR cuts at 2^63 - 1, so half of all rows look alike.
        digest = "0" if since is None else f"BIT_XOR(CASE WHEN {self.predicate(since)} THEN {self._row_hash()} END)"
        with connection.cursor() as cursor:
            just_changed = self._just_changed(server_time(cursor)) if since else "0"
            cursor.execute(
                f"SELECT COUNT(*), COALESCE(SUM({self.predicate(since)}), 0), {digest}, UTC_TIMESTAMP(6), "
                f"COALESCE(MAX({just_changed}), 0) FROM {quoted_table(self.table)} WHERE {self.predicate(None)}"
            )
            total, matching, row_digest, at, recent = cursor.fetchall()[0]
        return Counts(int(total), int(matching), int(row_digest), at.replace(tzinfo=UTC), bool(recent))

    def _just_changed(self, at: datetime) -> str:
        """SQL condition of the rows that changed around the UTC time `at`."""
        first, last = (self.clock(at + sign * JUST) for sign in (-1, 1))
        return f"{quoted(self.columns[MARK].name)} BETWEEN '{first}' AND '{last}'"

    def _row_hash(self) -> str:
        """SQL: 64 bits of a hash of a row's id and time of change."""
        row = f"CONCAT_WS('|', {quoted(self.columns[KEY].name)}, {quoted(self.columns[MARK].name)})"
        return f"CAST(CONV(LEFT(SHA2({row}, 256), 16), 16, 10) AS UNSIGNED)"


def server_time(cursor: Cursor) -> datetime:
    """What the database's clock shows, UTC."""
    cursor.execute("SELECT UTC_TIMESTAMP(6)")
    row = cursor.fetchone()
    assert row is not None
    at: datetime = row[0]
    return at.replace(tzinfo=UTC)


def parse_mark(mark: str) -> datetime:
    """A mark (`2026-01-31 08:00:00`, with or without a fraction) as a time without a zone."""
    return datetime.strptime(mark if "." in mark else mark + ".0", MARK_FORMAT)  # noqa: DTZ007


def as_text(column: Column) -> str:
    """SQL that renders a column as text; a BIT would otherwise come as a raw byte."""
    number = " + 0" if column.data_type == "bit" else ""
    return f"CAST({quoted(column.name)}{number} AS CHAR)"


def find_contacts_table(settings: Settings, connection: Connection[Any]) -> ContactsTable:
    """The table that the settings name, checked against what MySQL has.

    Raises ConfigurationError when the table or a mapped column is missing (or not readable by the reader's account),
    when a mapped name is not one of ours, or when `updated_at` is not a time.
    """
    contacts = settings.contacts
    database, _, name = contacts.table.partition(".")
    if not name:
        raise ConfigurationError(f"contacts.table is {contacts.table!r}: write it as database.table.")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            (database, name),
        )
        present = {str(column).lower(): Column(str(column), str(kind).lower()) for column, kind in cursor.fetchall()}
    if not present:
        raise ConfigurationError(
            f"The contacts table {contacts.table} does not exist or {settings.mysql.reader_user} may not read it: "
            "check contacts.table and the account's SELECT privilege."
        )
    columns = _mapped(contacts, present)
    return ContactsTable(contacts.table, columns, settings.source.time_zone)


def _mapped(contacts: Contacts, present: dict[str, Column]) -> dict[str, Column]:
    unknown = sorted(set(contacts.columns) - set(KNOWN_COLUMNS))
    if unknown:
        raise ConfigurationError(
            f"contacts.columns maps {', '.join(unknown)}, which we have not: our names are {', '.join(KNOWN_COLUMNS)}."
        )
    wanted = {name: contacts.columns[name] for name in KNOWN_COLUMNS if contacts.columns.get(name)}
    if KEY not in wanted:
        raise ConfigurationError(f"contacts.columns does not say which column of {contacts.table} is the {KEY}.")
    missing = sorted(theirs for theirs in wanted.values() if theirs.lower() not in present)
    if missing:
        raise ConfigurationError(
            f"The contacts table {contacts.table} has no column {', '.join(missing)}: correct contacts.columns. "
            f"It has {', '.join(column.name for column in present.values())}."
        )
    columns = {name: present[theirs.lower()] for name, theirs in wanted.items()}
    if MARK in columns and columns[MARK].data_type not in ("timestamp", "datetime"):
        raise ConfigurationError(
            f"Column {columns[MARK].name} of {contacts.table} is {columns[MARK].data_type}: {MARK} must be a "
            "TIMESTAMP or DATETIME. Leave it out of contacts.columns to make every import full."
        )
    return columns
