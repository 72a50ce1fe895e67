"""A row of the threshold table: its type, how it is read from text, how it is written back.

The columns are those of `threshold_reference` in HBase and of the CSV files that ops import and export. Ages are years
in decimals, `[low, high)`; values are inclusive and lie on the grid of the attribute's resolution; a blank upper age,
lower value or upper value is open. A row with a patient is for that patient alone; one without is general.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast, get_args

from clinical.messages import Direction, Severity

OPTIONAL_COLUMNS = ("patient_id", "reason")
"""Columns that a file may leave out: those written before patients could have limits of their own do."""

CSV_COLUMNS = (
    "attribute",
    "low_age_limit",
    "high_age_limit",
    "direction",
    "low_value",
    "high_value",
    "alert_flag",
    "severity",
    "delay_seconds",
    "clear_margin",
    "alert_message",
    "source",
    *OPTIONAL_COLUMNS,
)
"""Columns of an imported or exported file, in order."""

COLUMNS = (*CSV_COLUMNS, "updated_by")
"""Columns of the table in HBase."""

ROW_KEY = re.compile(r"(?P<attribute>[a-z][a-z0-9_]*)#(?P<number>\d{3,6})")
NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,6})?")
"""Plain decimals only: no exponent, no NaN, no decimal comma."""


@dataclass(frozen=True)
class ThresholdRow:
    """One band: the patients it is for (ages in years), the values it holds, and what follows.

    `alert_flag` False: recorded without an alarm; `severity` may then be None. `delay_seconds`: how long a value must
    stay in the band before it alarms. `clear_margin`: how far inside the normal band, in the attribute's unit, a value
    must be for the alarm to clear. `patient_id` None: a general row; with a patient, `reason` says why the general
    limits are not for this one.
    """

    row_key: str
    attribute: str
    low_age: Decimal
    high_age: Decimal | None
    direction: Direction
    low_value: Decimal | None
    high_value: Decimal | None
    alert_flag: bool
    severity: Severity | None
    delay_seconds: int
    clear_margin: Decimal
    alert_message: str
    source: str
    updated_by: str | None
    patient_id: str | None
    reason: str

    @property
    def origin(self) -> str:
        """Where the limits come from, as a mail tells it; those of one patient with their reason."""
        own = f"limits of this patient alone: {self.reason}" if self.patient_id else ""
        return "; ".join(part for part in (own, self.source) if part)


@dataclass(frozen=True)
class ThresholdProblem:
    """What is wrong with a table: the row (empty: the table as a whole) and a sentence with what, where, what to do."""

    row_key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.row_key}: {self.reason}" if self.row_key else self.reason


class _Refused(Exception):
    """One cell of a row cannot be read; the message says which and why."""


def parse_rows(cells: Mapping[str, Mapping[str, str]]) -> tuple[list[ThresholdRow], list[ThresholdProblem]]:
    """Rows (in the order of their keys) from `row key -> column -> text`, and a problem for each that cannot be read.

    Surrounding blanks do not count; an absent cell is a blank one.
    """
    rows: list[ThresholdRow] = []
    problems: list[ThresholdProblem] = []
    for row_key in sorted(cells):
        try:
            rows.append(_parse(row_key, {column: text.strip() for column, text in cells[row_key].items()}))
        except _Refused as refused:
            problems.append(ThresholdProblem(row_key, str(refused)))
    return rows, problems


def row_cells(row: ThresholdRow) -> dict[str, str]:
    """The row as `column -> text`, every column present; `parse_rows` gives the same row back."""
    return {
        "attribute": row.attribute,
        "low_age_limit": _text(row.low_age),
        "high_age_limit": _text(row.high_age),
        "direction": row.direction,
        "low_value": _text(row.low_value),
        "high_value": _text(row.high_value),
        "alert_flag": "1" if row.alert_flag else "0",
        "severity": row.severity or "",
        "delay_seconds": str(row.delay_seconds),
        "clear_margin": _text(row.clear_margin),
        "alert_message": row.alert_message,
        "source": row.source,
        "patient_id": row.patient_id or "",
        "reason": row.reason,
        "updated_by": row.updated_by or "",
    }


def ages_meet(one: ThresholdRow, other: ThresholdRow) -> bool:
    """Whether two bands have an age in common."""
    return (other.high_age is None or one.low_age < other.high_age) and (
        one.high_age is None or other.low_age < one.high_age
    )


def _text(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


def _parse(row_key: str, cells: Mapping[str, str]) -> ThresholdRow:
    _check_names(row_key, cells)
    direction = _choice(cells, "direction", get_args(Direction))
    alert_flag = _choice(cells, "alert_flag", ("0", "1")) == "1"
    if direction == "normal" and alert_flag:
        raise _Refused("alert_flag is 1 but direction is normal: a normal band cannot alarm; set alert_flag to 0.")
    severity = cells.get("severity", "")
    if severity or alert_flag:
        severity = _choice(cells, "severity", get_args(Severity))
    if alert_flag and not cells.get("alert_message"):
        raise _Refused("alert_message is blank: a row that alerts needs the sentence that the doctor reads.")
    return ThresholdRow(
        row_key=row_key,
        attribute=cells["attribute"],
        low_age=_number(cells, "low_age_limit"),
        high_age=_open_number(cells, "high_age_limit"),
        direction=cast(Direction, direction),
        low_value=_open_number(cells, "low_value"),
        high_value=_open_number(cells, "high_value"),
        alert_flag=alert_flag,
        severity=cast(Severity, severity) if severity else None,
        delay_seconds=_seconds(cells, "delay_seconds"),
        clear_margin=_number(cells, "clear_margin"),
        alert_message=_line(cells, "alert_message"),
        source=_line(cells, "source"),
        updated_by=_line(cells, "updated_by") or None,
        patient_id=_line(cells, "patient_id") or None,
        reason=_line(cells, "reason"),
    )


def _check_names(row_key: str, cells: Mapping[str, str]) -> None:
    unknown = sorted(set(cells) - set(COLUMNS))
    if unknown:
        raise _Refused(f"{unknown[0]!r} is no column of the table: remove it, or use one of {', '.join(COLUMNS)}.")
    attribute = cells.get("attribute", "")
    if not attribute:
        raise _Refused("attribute is blank: every row needs it; complete the row or delete it.")
    matched = ROW_KEY.fullmatch(row_key)
    if matched is None or matched["attribute"] != attribute:
        raise _Refused(
            f"the row key does not fit its attribute {attribute!r}: a key reads <attribute>#<three digits or more>, "
            f"for example {attribute}#001; delete the row and put it under such a key."
        )


def _choice(cells: Mapping[str, str], column: str, valid: tuple[str, ...]) -> str:
    text = cells.get(column, "")
    if text not in valid:
        raise _Refused(f"{column} is {text!r}: use one of {', '.join(valid)}.")
    return text


def _number(cells: Mapping[str, str], column: str) -> Decimal:
    text = cells.get(column, "")
    if not NUMBER.fullmatch(text):
        raise _Refused(f"{column} is {text!r}, which is no number: write a plain decimal such as 38.5.")
    return Decimal(text)


def _open_number(cells: Mapping[str, str], column: str) -> Decimal | None:
    return _number(cells, column) if cells.get(column) else None


def _seconds(cells: Mapping[str, str], column: str) -> int:
    number = _number(cells, column)
    if number != number.to_integral_value() or number < 0:
        raise _Refused(f"{column} is {number}: write whole seconds, 0 or more.")
    return int(number)


def _line(cells: Mapping[str, str], column: str) -> str:
    text = cells.get(column, "")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise _Refused(f"{column} holds a line break or a control character: write it as one plain line.")
    return text
