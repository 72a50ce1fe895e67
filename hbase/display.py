"""Threshold rows as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from rich.table import Table

from clinical.thresholds import ThresholdRow
from clinical.vitals import JUDGED
from hbase.edits import Edit
from hbase.table import Cells, CellVersion

SEVERITY_STYLES = {"high": "bold red", "medium": "yellow", "low": "cyan"}


def rows_table(rows: Iterable[ThresholdRow], changed_at: Mapping[str, int]) -> Table:
    """One line a row. `changed_at`: epoch ms by row key."""
    table = Table("Row", "Ages", "Values", "Direction", "Severity", "Delay", "Message", "Changed")
    for row in rows:
        unit = JUDGED[row.attribute].unit if row.attribute in JUDGED else ""
        severity = row.severity if row.alert_flag and row.severity else "-"
        table.add_row(
            row.row_key,
            ages(row),
            f"{values(row)} {unit}".rstrip(),
            row.direction,
            f"[{SEVERITY_STYLES[severity]}]{severity}[/]" if severity in SEVERITY_STYLES else severity,
            f"{row.delay_seconds} s" if row.alert_flag else "-",
            row.alert_message,
            changed(changed_at.get(row.row_key), row.updated_by),
        )
    return table


def edit_table(cells: Cells, edit: Edit) -> Table:
    """What an edit changes, one line a cell."""
    table = Table("Row", "Column", "Is", "Becomes")
    for key, columns in sorted(edit.puts.items()):
        for column, text in columns.items():
            before = cells.get(key, {}).get(column, "")
            if before != text:
                table.add_row(key, column, before or "-", text or "-")
    for key in sorted(edit.deletes):
        table.add_row(key, "the whole row", "", "[red]deleted[/]")
    return table


def history_table(versions: Iterable[CellVersion]) -> Table:
    """Cell versions, one line for each moment at which something was written, oldest first.

    The author is known where `updated_by` was written at that moment; an edit in the HBase shell writes none.
    """
    table = Table("Time (UTC)", "Author", "Column", "Value")
    moments: dict[int, dict[str, str]] = {}
    for version in versions:
        moments.setdefault(version.written_at, {})[version.column] = version.text
    for written_at, columns in sorted(moments.items()):
        author = columns.pop("updated_by", "not recorded (HBase shell)")
        for number, (column, text) in enumerate(sorted(columns.items())):
            first = number == 0
            table.add_row(moment(written_at) if first else "", author if first else "", column, text or "-")
    return table


def ages(row: ThresholdRow) -> str:
    """The ages of a row in words, in years."""
    return f"from {row.low_age}" if row.high_age is None else f"{row.low_age} to <{row.high_age}"


def values(row: ThresholdRow) -> str:
    """The values of a row in words."""
    if row.low_value is None:
        return "any" if row.high_value is None else f"<= {row.high_value}"
    return f">= {row.low_value}" if row.high_value is None else f"{row.low_value} to {row.high_value}"


def changed(at: int | None, author: str | None) -> str:
    """When, and by whom if that is known."""
    return "-" if at is None else f"{moment(at)}{f', {author}' if author else ''}"


def moment(epoch_ms: int) -> str:
    """A time to the second, UTC."""
    return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
