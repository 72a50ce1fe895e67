"""Threshold rows in CSV files, as ops import and export them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from clinical.thresholds import CSV_COLUMNS, OPTIONAL_COLUMNS
from hbase.table import Cells
from infra.errors import ConfigurationError

DEFAULTS = Path(__file__).parent / "defaults"
DEFAULT_TABLE = DEFAULTS / "threshold_reference.csv"
HOME_GLUCOSE = DEFAULTS / "threshold_home_glucose.csv"


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a file as `column -> text`, in its order; every row has every column of `CSV_COLUMNS`.

    What is for one patient alone may be left out, as older files do: blank. Raises ConfigurationError naming the file
    and the line when it cannot be read or its columns are others.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = list(reader.fieldnames or [])
        _check_header(path, header)
        rows = []
        for row in reader:
            if None in row or None in row.values():
                raise ConfigurationError(
                    f"{path}, line {reader.line_num}: the line has not {len(header)} cells; quote a text that "
                    "holds a comma."
                )
            rows.append({column: row.get(column, "").strip() for column in CSV_COLUMNS})
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path} cannot be read as a CSV file in UTF-8: {error}.") from error
    if not rows:
        raise ConfigurationError(f"{path} has no rows: it would leave nothing to judge by.")
    return rows


def write_csv(rows: Iterable[Mapping[str, str]]) -> str:
    """The text of a file that `read_csv` reads back; an absent cell is a blank one."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def keyed(rows: Iterable[Mapping[str, str]]) -> Cells:
    """Rows under the keys of an empty table: `<attribute>#001` and so on, in their order."""
    counts: Counter[str] = Counter()
    cells: Cells = {}
    for row in rows:
        counts[row["attribute"]] += 1
        cells[row_key(row["attribute"], counts[row["attribute"]])] = dict(row)
    return cells


def row_key(attribute: str, number: int) -> str:
    """The key of the row of that number."""
    return f"{attribute}#{number:03d}"


def _check_header(path: Path, header: list[str]) -> None:
    named = set(header)
    if len(named) != len(header) or not named <= set(CSV_COLUMNS) or set(CSV_COLUMNS) - named - set(OPTIONAL_COLUMNS):
        raise ConfigurationError(
            f"{path}: the first line must name the columns {', '.join(CSV_COLUMNS)} (of which it may leave out "
            f"{' and '.join(OPTIONAL_COLUMNS)}); it names {', '.join(header)}."
        )
