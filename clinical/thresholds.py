"""The threshold table: which band a value falls into.

A value is rounded half-up to its attribute's resolution before it is compared, so that bands published in whole numbers
have no cracks. A patient's own rows for an attribute take the place of the general ones. Not a medical device; the
sources stand in each row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from clinical.ages import ADULT_YEARS
from clinical.threshold_checks import check_table, read_table
from clinical.threshold_rows import (
    COLUMNS,
    CSV_COLUMNS,
    OPTIONAL_COLUMNS,
    ROW_KEY,
    ThresholdProblem,
    ThresholdRow,
    ages_meet,
    parse_rows,
    row_cells,
)
from clinical.vitals import JUDGED, round_half_up

__all__ = [
    "COLUMNS",
    "CSV_COLUMNS",
    "OPTIONAL_COLUMNS",
    "ROW_KEY",
    "JudgingBand",
    "ThresholdProblem",
    "ThresholdRow",
    "ages_meet",
    "check_table",
    "judge",
    "judging_bands",
    "limits_for",
    "own_limits",
    "parse_rows",
    "read_table",
    "row_cells",
]


def own_limits(rows: Iterable[ThresholdRow]) -> set[tuple[str, str]]:
    """Patient and attribute of all limits that are for one patient alone."""
    return {(row.patient_id, row.attribute) for row in rows if row.patient_id is not None}


def limits_for(rows: Iterable[ThresholdRow], attribute: str, patient_id: str | None) -> list[ThresholdRow]:
    """The rows that a patient is judged by: the patient's own if there are any, else the general ones."""
    limits = [row for row in rows if row.attribute == attribute and row.patient_id in (None, patient_id)]
    return [row for row in limits if row.patient_id is not None] or limits


def judge(
    rows: Iterable[ThresholdRow],
    attribute: str,
    value: float | Decimal,
    age_years: float | None,
    patient_id: str | None = None,
) -> ThresholdRow | None:
    """The row of a checked table that `value` (in the attribute's unit) falls into; None: there are none to judge by.

    `patient_id` None: somebody without limits of their own.
    An unknown age is judged as an adult's; a birth date in the future as age 0. Ages are compared as doubles, as Spark
    does. The value is rounded half-up from its shortest decimal form, as Spark's `round` does.
    """
    limits = limits_for(rows, attribute, patient_id)
    if not limits:
        return None
    rounded = round_half_up(Decimal(str(value)), JUDGED[attribute].scale)
    age = ADULT_YEARS if age_years is None else max(age_years, 0.0)
    for row in limits:
        if (
            float(row.low_age) <= age
            and (row.high_age is None or age < float(row.high_age))
            and (row.low_value is None or row.low_value <= rounded)
            and (row.high_value is None or rounded <= row.high_value)
        ):
            return row
    raise ValueError(f"No row covers {attribute} {rounded} at age {age}: the table was not checked.")


@dataclass(frozen=True)
class JudgingBand:
    """An alerting row at the ages `[low_age, high_age)` of one normal band, with the limits of that and of the silent
    bands next to it (None: open)."""

    row: ThresholdRow
    low_age: Decimal
    high_age: Decimal | None
    normal_low: Decimal | None
    normal_high: Decimal | None


def judging_bands(rows: Iterable[ThresholdRow]) -> list[JudgingBand]:
    """The alerting rows of a checked table, split so that each part has a single normal band.

    A value that meets none of those it is judged by is not alerted; one that meets any meets exactly one. Those of a
    patient are for that patient alone; who has limits of their own is said by `own_limits`, for they may all be silent.

    A band that does not alarm counts as normal where nothing that does lies between: an alarm ends there, and would
    else last for good at a value of which nobody is to be told.
    """
    together: dict[tuple[str | None, str], list[ThresholdRow]] = {}
    for row in rows:
        together.setdefault((row.patient_id, row.attribute), []).append(row)
    return [
        JudgingBand(row, low_age, high_age, *_limits(normal, silent))
        for table in together.values()
        for row in table
        if row.alert_flag and row.direction != "normal"
        for normal in table
        if normal.direction == "normal" and ages_meet(row, normal)
        for low_age, high_age, silent in _ages_of(row, normal, table)
    ]


def _ages_of(
    row: ThresholdRow, normal: ThresholdRow, table: Iterable[ThresholdRow]
) -> Iterator[tuple[Decimal, Decimal | None, list[ThresholdRow]]]:
    """The ages at which both rows hold, in pieces in each of which the same rows do that do not alarm."""
    begin, end = max(row.low_age, normal.low_age), _sooner(row.high_age, normal.high_age)
    silent = [one for one in table if not one.alert_flag and one.direction != "normal" and ages_meet(one, normal)]
    edges = {age for one in silent for age in (one.low_age, one.high_age) if age is not None}
    inner = sorted(age for age in edges if begin < age and (end is None or age < end))
    for low, high in itertools.pairwise((begin, *inner, end)):
        assert low is not None, "only the last edge may be open"
        yield low, high, [one for one in silent if one.low_age <= low and (one.high_age is None or low < one.high_age)]


def _limits(normal: ThresholdRow, silent: Sequence[ThresholdRow]) -> tuple[Decimal | None, Decimal | None]:
    """The limits of the normal band and of the silent ones next to it. A checked table has no gaps between bands."""
    low, high = normal.low_value, normal.high_value
    above = {one.low_value: one for one in silent if one.direction == "high"}
    below = {one.high_value: one for one in silent if one.direction == "low"}
    step = Decimal(1).scaleb(-JUDGED[normal.attribute].scale)
    while high is not None and (next_above := above.get(high + step)) is not None:
        high = next_above.high_value
    while low is not None and (next_below := below.get(low - step)) is not None:
        low = next_below.low_value
    return low, high


def _sooner(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
