"""Threshold tables as the tests of the page take them."""

from __future__ import annotations

from hbase.edits import Edit
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from hbase.table import Cells, TableState

WRITTEN = 1_700_000_000_000


def default_cells() -> Cells:
    """The default table."""
    return {key: {**row, "updated_by": "defaults"} for key, row in keyed(read_csv(DEFAULT_TABLE)).items()}


def state_of(cells: Cells, edition: int = 1) -> TableState:
    """All of it written at one moment."""
    return TableState(cells, {key: dict.fromkeys(row, WRITTEN) for key, row in cells.items()}, edition)


def edited(state: TableState, edit: Edit, author: str, at: int = WRITTEN + 60_000) -> TableState:
    """The table after an edit by somebody at that moment."""
    signed = edit.signed(author)
    written_at = {key: dict(state.written_at.get(key, {})) for key in signed.applied_to(state.cells)}
    for key, columns in signed.puts.items():
        written_at[key].update(dict.fromkeys(columns, at))
    return TableState(signed.applied_to(state.cells), written_at, state.edition + 1)
