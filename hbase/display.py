"""Threshold rows as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.markup import escape
from rich.table import Table

from clinical.thresholds import ThresholdRow
from clinical.vitals import JUDGED
from hbase.edits import Edit
from hbase.table import Cells, CellVersion, TableState

SHELL = "(HBase shell)"
SEVERITY_STYLES = {"high": "bold red", "medium": "yellow", "low": "cyan"}


def rows_table(rows: Sequence[ThresholdRow], state: TableState | None = None) -> Table:
    """One line a row, with its patient where some are for one; with `state`, who changed it and when, too."""
    owned = any(row.patient_id for row in rows)
    table = _plain_table("Row", *(["Patient"] if owned else []), "Ages", "Values", "Side", "Severity")
    table.add_column("Message")
    if state is not None:
        table.add_column("Changed (UTC)", no_wrap=True)
    for row in rows:
        unit = JUDGED[row.attribute].unit if row.attribute in JUDGED else ""
        whose = [escape(row.patient_id or "-")] if owned else []
        limits = [ages(row), f"{values(row)} {unit}".rstrip(), row.direction, severity(row)]
        table.add_row(row.row_key, *whose, *limits, escape(row.alert_message), *_changed(row, state))
    return table


def reasons(rows: Iterable[ThresholdRow]) -> list[str]:
    """Why patients have limits of their own: a line for each patient, attribute and reason."""
    lines = (f"{row.patient_id}, {row.attribute}: {row.reason}" for row in rows if row.patient_id)
    return list(dict.fromkeys(lines))


def _changed(row: ThresholdRow, state: TableState | None) -> list[str]:
    if state is None:
        return []
    at, author = state.last_change(row.row_key)
    return [escape(f"{moment(at)} {author or SHELL}")]


def edit_table(cells: Cells, edit: Edit) -> Table:
    """What an edit changes, one line a cell."""
    table = _plain_table("Row", "Column")
    table.add_column("Is")
    table.add_column("Becomes")
    for key, columns in sorted(edit.puts.items()):
        for column, text in columns.items():
            before = cells.get(key, {}).get(column, "")
            if before != text:
                table.add_row(key, column, escape(before) or "-", escape(text) or "-")
    for key in sorted(edit.deletes):
        table.add_row(key, "the whole row", "", "[red]deleted[/]")
    return table


def history_table(versions: Iterable[CellVersion]) -> Table:
    """Cell versions, one line for each moment at which something was written, oldest first.

    The author is known where `updated_by` was written at that moment; a `put` in the HBase shell names nobody.
    """
    table = _plain_table("Time (UTC)", "Author", "Column")
    table.add_column("Value")
    moments: dict[int, dict[str, str]] = {}
    for version in versions:
        moments.setdefault(version.written_at, {})[version.column] = version.text
    for written_at, columns in sorted(moments.items()):
        author = columns.pop("updated_by", SHELL)
        for number, (column, text) in enumerate(sorted(columns.items())):
            first = number == 0
            table.add_row(
                moment(written_at) if first else "", escape(author) if first else "", column, escape(text) or "-"
            )
    return table


def _plain_table(*names: str) -> Table:
    """A table without lines, for narrow terminals too; the named columns are never broken."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, no_wrap=True)
    return table


def severity(row: ThresholdRow) -> str:
    """Severity of an alerting row and how long the value must stay there."""
    if not row.alert_flag or row.severity is None:
        return "-"
    after = f", {row.delay_seconds} s" if row.delay_seconds else ""
    return f"[{SEVERITY_STYLES[row.severity]}]{row.severity}[/]{after}"


def ages(row: ThresholdRow) -> str:
    """The ages of a row in words, in years."""
    return f"from {row.low_age}" if row.high_age is None else f"{row.low_age} to <{row.high_age}"


def values(row: ThresholdRow) -> str:
    """The values of a row in words."""
    if row.low_value is None:
        return "any" if row.high_value is None else f"<= {row.high_value}"
    return f">= {row.low_value}" if row.high_value is None else f"{row.low_value} to {row.high_value}"


def moment(epoch_ms: int) -> str:
    """A time to the second, UTC."""
    return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
