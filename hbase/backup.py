"""The threshold table as a file, with every kept version of every cell, and the table made anew from it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hbase.bootstrap import CREATION_TIMEOUT_MS, bootstrap, create_empty
from hbase.table import FAMILY, VERSIONS, connected, read_state
from infra.errors import WardError
from infra.settings import Settings

TRIES = 5


class Cell(NamedTuple):
    """One version of one cell; `written_at` in epoch milliseconds. Bytes are kept through escapes where they are not
    UTF-8."""

    row: str
    column: str
    written_at: int
    text: str


def save(settings: Settings, path: Path) -> None:
    """Write all versions of all cells, as of one moment.

    Raises UnavailableError, ConfigurationError without the table, WardError when it is being edited all the time.
    """
    for _ in range(TRIES):
        before = read_state(settings)
        with connected(settings) as connection:
            cells = sorted(_cells(connection.table(settings.thresholds.table)))
        if read_state(settings) == before:
            path.write_text(json.dumps(cells, indent=0), encoding="ascii")
            return
    raise WardError("The thresholds were edited while they were copied, again and again: make the backup later.")


def load(settings: Settings, path: Path) -> None:
    """Make the table anew with the cells of the file, each as of its own time.

    Raises UnavailableError; the table is then empty or holds some of the cells, and this can be done again. Nothing may
    be watching the table meanwhile.
    """
    cells = sorted((Cell(*cell) for cell in json.loads(path.read_text("ascii"))), key=lambda cell: cell.written_at)
    hadoop = settings.hadoop.model_copy(update={"hbase_timeout_ms": CREATION_TIMEOUT_MS})
    patient = settings.model_copy(update={"hadoop": hadoop})
    bootstrap(patient)
    name = settings.thresholds.table
    with connected(patient) as connection:
        connection.delete_table(name, disable=True)
    create_empty(patient)
    with connected(patient) as connection:
        table = connection.table(name)
        for written_at, group in itertools.groupby(cells, key=lambda cell: cell.written_at):
            with table.batch(timestamp=written_at) as batch:
                for cell in group:
                    batch.put(_bytes(cell.row), {f"{FAMILY}:".encode() + _bytes(cell.column): _bytes(cell.text)})


def _cells(table: Any) -> Iterator[Cell]:
    for row, columns in table.scan():
        for column in columns:
            for value, written_at in table.cells(row, column, versions=VERSIONS, include_timestamp=True):
                yield Cell(_text(row), _text(column.partition(b":")[2]), written_at, _text(value))


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
