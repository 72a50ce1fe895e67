"""The threshold table in HBase: its shape, reading all of it, editing it.

The table `threshold_reference` has one family, `t`, and keeps ten versions of each cell. Beside it a small table,
`threshold_reference_state`, holds marks that must not stand among the rows: whether the defaults were loaded, and the
edition, a number that every edit through this module moves on by compare-and-set. Two such edits can therefore not both
be made from the same reading of the table: the second one is told to start again. Edits in the HBase shell do not take
part.

HBase writes rows one by one: while an edit of many rows is under way (one request, a few milliseconds), a reader may
see some rows new and some old. Whoever brings a table into force waits until it has been quiet for a while and checks
it as a whole, so that such a half table never comes into force.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import happybase  # noqa: F401 - its import is what makes Hbase_thrift known
from Hbase_thrift import IllegalArgument, Mutation
from Hbase_thrift import IOError as HBaseError

from infra.clients import hbase_connection
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.settings import Settings

FAMILY = "t"
VERSIONS = 10
STATE_FAMILY = "s"
MARK_COLUMN = b"s:mark"
EDITION = b"edition"
DELETED = b"deleted"
"""The latest time under which an edit deleted rows: one of their keys is not seen again if it is written under less."""

Cells = dict[str, dict[str, str]]
"""`row key -> column -> text`, the columns without their family."""


class EditConflictError(WardError):
    """Another edit was made since the table was read."""


@dataclass(frozen=True)
class TableState:
    """One reading of the table. `written_at`: `row key -> column -> epoch ms`. `edition`: see `apply_edit`."""

    cells: Cells
    written_at: dict[str, dict[str, int]]
    edition: int

    def last_change(self, row_key: str) -> tuple[int, str | None]:
        """When the newest cell of a row was written (epoch ms), and by whom; a `put` in the shell names nobody."""
        written_at = self.written_at[row_key]
        changed = max(written_at.values())
        signed = written_at.get("updated_by") == changed
        return changed, self.cells[row_key]["updated_by"] if signed else None


@dataclass(frozen=True)
class CellVersion:
    """A value that a cell had from `written_at` (epoch ms) on."""

    column: str
    text: str
    written_at: int


def state_table(settings: Settings) -> str:
    """Name of the table beside the threshold table."""
    return f"{settings.thresholds.table}_state"


@contextmanager
def connected(settings: Settings, table: str | None = None) -> Iterator[Any]:
    """A happybase connection; HBase's errors become UnavailableError, or ConfigurationError for a missing table.

    `table` is the one that is used, the threshold table if left out.
    """
    with hbase_connection(settings) as connection:
        try:
            yield connection
        except (HBaseError, IllegalArgument) as error:
            # The message is a Java stack trace; its first line says what happened.
            message = error.message.decode(errors="replace") if isinstance(error.message, bytes) else error.message
            first_line = str(message).strip().partition("\n")[0]
            if "TableNotFound" in first_line:
                raise ConfigurationError(
                    f"HBase has no table {table or settings.thresholds.table}: `./ward up` creates it ({first_line})."
                ) from error
            address = f"{settings.hadoop.hbase_thrift_host}:{settings.hbase_thrift_port}"
            raise UnavailableError("HBase", address, first_line) from error


def read_state(settings: Settings) -> TableState:
    """All rows by one scan, with the edition that they belong to or a later one's rows.

    The edition is read first: an edit made in between is then noticed by `apply_edit`. Raises UnavailableError, or
    ConfigurationError when the table does not exist.
    """
    with connected(settings) as connection:
        edition = _edition(connection, settings)
        cells: Cells = {}
        written_at: dict[str, dict[str, int]] = {}
        for key, data in connection.table(settings.thresholds.table).scan(include_timestamp=True):
            row_key = key.decode(errors="replace")
            cells[row_key] = {_column(column): _text(value) for column, (value, _) in data.items()}
            written_at[row_key] = {_column(column): written for column, (_, written) in data.items()}
    return TableState(cells, written_at, edition)


def apply_edit(
    settings: Settings,
    state: TableState,
    puts: Mapping[str, Mapping[str, str]],
    deletes: Collection[str],
) -> None:
    """Write cells (`row key -> column -> text`) and delete rows, in one request.

    `state` is the reading that the edit was made from: raises EditConflictError, with nothing written, when another
    edit has been made since. Each row changes at once, the rows not together: after a crash or an UnavailableError in
    between some may be written; the table is then checked like any other, and the same edit can be made again.

    What is written to a row is later than what `state` shows there, also when that was written while a clock was ahead:
    in HBase the later time wins, and a `put` in the shell would not be seen until then.
    """
    table = settings.thresholds.table
    with connected(settings) as connection:
        _claim_next_edition(connection, settings, state.edition)
        batch = connection.table(table).batch(timestamp=_next_time(connection, settings, state, puts, deletes))
        for row_key, columns in puts.items():
            batch.put(
                row_key.encode(), {f"{FAMILY}:{column}".encode(): text.encode() for column, text in columns.items()}
            )
        for row_key in deletes:
            batch.delete(row_key.encode(), columns=[FAMILY.encode()])
        batch.send()


def row_history(settings: Settings, row_key: str) -> list[CellVersion]:
    """Every kept version of every cell of a row, oldest first; empty when there is none.

    A deleted row has no history any more: HBase hides all versions below a deletion.
    """
    with connected(settings) as connection:
        table = connection.table(settings.thresholds.table)
        versions = [
            CellVersion(_column(column), _text(value), written_at)
            for column in table.row(row_key.encode())
            for value, written_at in table.cells(row_key.encode(), column, versions=VERSIONS, include_timestamp=True)
        ]
    return sorted(versions, key=lambda version: (version.written_at, version.column))


def read_mark(settings: Settings, row: str) -> str | None:
    """The text under `row` in the state table, None when there is none."""
    with connected(settings) as connection:
        return _mark(connection, settings, row.encode())


def move_mark(settings: Settings, row: str, expected: str | None, text: str) -> bool:
    """Set the text under `row` in the state table if it is `expected` (None: absent); whether it was."""
    with connected(settings) as connection:
        return _compare_and_set(connection, settings, row.encode(), expected, text)


def _mark(connection: Any, settings: Settings, row: bytes) -> str | None:
    cell = connection.table(state_table(settings)).row(row, columns=[MARK_COLUMN])
    return _text(cell[MARK_COLUMN]) if cell else None


def _edition(connection: Any, settings: Settings) -> int:
    return int(_mark(connection, settings, EDITION) or 0)


def _next_time(
    connection: Any, settings: Settings, state: TableState, puts: Collection[str], deletes: Collection[str]
) -> int:
    """The time to write an edit under, epoch ms: HBase's own, but later than what there is, or was, of these rows."""
    marks = connection.table(state_table(settings))
    _, at = marks.row(EDITION, columns=[MARK_COLUMN], include_timestamp=True)[MARK_COLUMN]
    there = [max(state.written_at[key].values()) for key in (*puts, *deletes) if key in state.written_at]
    deleted = int(_mark(connection, settings, DELETED) or 0)
    if not state.written_at.keys() >= set(puts):
        there.append(deleted)
    at = max(int(at), max(there, default=0) + 1)
    if deletes and at > deleted:
        marks.put(DELETED, {MARK_COLUMN: str(at).encode()}, timestamp=at)
    return at


def _claim_next_edition(connection: Any, settings: Settings, edition: int) -> None:
    before = str(edition) if edition else None
    if not _compare_and_set(connection, settings, EDITION, before, str(edition + 1)):
        raise EditConflictError(
            f"The table {settings.thresholds.table} was edited by someone else at the same moment; nothing was "
            "written. Look at it again and repeat the command."
        )


def _compare_and_set(connection: Any, settings: Settings, row: bytes, before: str | None, after: str) -> bool:
    table = state_table(settings).encode()
    expected = None if before is None else before.encode()
    mutation = Mutation(isDelete=False, column=MARK_COLUMN, value=after.encode())
    return bool(connection.client.checkAndPut(table, row, MARK_COLUMN, expected, mutation, {}))


def _column(name: bytes) -> str:
    return name.decode(errors="replace").partition(":")[2]


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
