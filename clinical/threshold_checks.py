"""What a threshold table must be to come into force.

Every attribute that has rows: exactly one row for each age from 0 up and each value on the grid of its resolution,
exactly one normal band at each age, low bands below it and high bands above it, and a clear margin that leaves room
inside it. An attribute without rows is recorded, not judged. The rows of one patient for an attribute, which take the
place of the general ones, are demanded the same of, apart from these, and a reason and an author in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from clinical.threshold_rows import ThresholdProblem, ThresholdRow, parse_rows
from clinical.vitals import JUDGED

OPEN = float("inf")
Span = tuple[Decimal, Decimal | None]
"""Ages `[low, high)` in years; None: no upper end."""


def read_table(cells: Mapping[str, Mapping[str, str]]) -> tuple[list[ThresholdRow], list[ThresholdProblem]]:
    """Rows from `row key -> column -> text` and every problem of the table; it may come into force when there is none.

    Where a row of an attribute cannot be read, the holes that this leaves are not reported on top.
    """
    rows, problems = parse_rows(cells)
    if not cells:
        return rows, check_table(rows)
    unread = {attribute for p in problems for attribute in (p.row_key.split("#")[0], cells[p.row_key].get("attribute"))}
    readable = [row for row in rows if row.attribute not in unread]
    return rows, problems + (check_table(readable) if readable else [])


def check_table(rows: Sequence[ThresholdRow]) -> list[ThresholdProblem]:
    """Every problem of a table of readable rows; an attribute's coverage is looked at once its rows are right."""
    if not rows:
        return [ThresholdProblem("", "The table has no rows: import a set, for example with `thresholds import`.")]
    groups: dict[tuple[str | None, str], list[ThresholdRow]] = {}
    for row in rows:
        groups.setdefault((row.patient_id, row.attribute), []).append(row)
    problems: list[ThresholdProblem] = []
    for (patient_id, attribute), group in groups.items():
        wrong = [ThresholdProblem(row.row_key, reason) for row in group for reason in _row_reasons(row)]
        whose = attribute if patient_id is None else f"{attribute} of patient {patient_id}"
        problems += wrong or _coverage_problems(whose, group)
    return problems


def _row_reasons(row: ThresholdRow) -> Iterator[str]:
    vital = JUDGED.get(row.attribute)
    if vital is None:
        yield f"{row.attribute!r} is no attribute that is judged: use one of {', '.join(JUDGED)}."
        return
    if row.patient_id is not None and not row.reason:
        yield "reason is blank: limits of one patient need the reason why the general ones are not for this one."
    if row.patient_id is not None and row.updated_by is None:
        yield "updated_by is blank: limits of one patient need an author; the commands write the one of --author."
    if row.low_age < 0:
        yield f"low_age_limit {row.low_age} is below 0: ages are years from 0."
    if row.high_age is not None and row.high_age <= row.low_age:
        yield (
            f"high_age_limit {row.high_age} is not above low_age_limit {row.low_age}: the band is for ages from the "
            "lower limit up to, not including, the upper one."
        )
    if row.low_value is not None and row.high_value is not None and row.low_value > row.high_value:
        yield f"low_value {row.low_value} is above high_value {row.high_value}: swap or correct them."
    if row.clear_margin < 0:
        yield f"clear_margin {row.clear_margin} is below 0: write how far inside the normal band an alarm clears."
    step = Decimal(1).scaleb(-vital.scale)
    for column, limit in (("low_value", row.low_value), ("high_value", row.high_value)):
        if limit is not None and limit % step != 0:
            yield f"{column} {limit} is finer than the resolution of {row.attribute}, which is {step}: round it."


@dataclass(frozen=True)
class _Finding:
    """A problem at some ages, before neighbouring ages are joined."""

    row_key: str
    what: str


def _coverage_problems(whose: str, rows: list[ThresholdRow]) -> list[ThresholdProblem]:
    edges = {Decimal(0), *(row.low_age for row in rows), *(row.high_age for row in rows if row.high_age is not None)}
    found: dict[_Finding, list[Span]] = {}
    for span in pairwise([*sorted(edges), None]):
        low, high = span
        if low is None:
            continue
        here = [row for row in rows if row.low_age <= low and (row.high_age is None or low < row.high_age)]
        findings = _span_findings(here) if here else [_nobody(low, rows)]
        for finding in findings:
            spans = found.setdefault(finding, [])
            if spans and spans[-1][1] == low:
                spans[-1] = (spans[-1][0], high)
            else:
                spans.append((low, high))
    return [
        ThresholdProblem(finding.row_key, f"{whose}, {_ages(span)}: {finding.what}")
        for finding, spans in found.items()
        for span in spans
    ]


def _ages(span: Span) -> str:
    low, high = span
    return f"ages from {low}" if high is None else f"ages from {low} to below {high}"


def _nobody(low: Decimal, rows: list[ThresholdRow]) -> _Finding:
    older = [row for row in rows if row.low_age > low]
    nearest = min(older, key=lambda row: row.low_age) if older else max(rows, key=lambda row: row.low_age)
    return _Finding(nearest.row_key, "no row covers these ages; add rows or widen the ages of this one.")


def _span_findings(rows: list[ThresholdRow]) -> list[_Finding]:
    """Findings among the rows that hold at the same ages."""
    ordered = sorted(rows, key=lambda row: (_low(row), _high(row), row.row_key))
    findings = list(_gaps_and_overlaps(ordered))
    normal = [row for row in ordered if row.direction == "normal"]
    if not normal:
        findings.append(_Finding(ordered[0].row_key, "there is no normal band; mark the normal values with one row."))
    for extra in normal[1:]:
        findings.append(
            _Finding(extra.row_key, f"a second normal band beside {normal[0].row_key}; there must be exactly one.")
        )
    return findings or list(_around_normal(ordered, normal[0]))


def _gaps_and_overlaps(ordered: list[ThresholdRow]) -> Iterator[_Finding]:
    reached = ordered[0]
    if reached.low_value is not None:
        what = f"no row covers the values below {reached.low_value}; leave low_value of the lowest band blank."
        yield _Finding(reached.row_key, what)
    for row in ordered[1:]:
        if _low(row) <= _high(reached):
            common = _values(row, _low(row), min(_high(row), _high(reached)))
            yield _Finding(
                row.row_key, f"overlaps {reached.row_key}: both hold {common}; a value may meet one row only."
            )
        elif _low(row) > _high(reached) + 1:
            missing = _values(row, _high(reached) + 1, _low(row) - 1)
            yield _Finding(
                row.row_key, f"no row covers {missing}, between {reached.row_key} and this one; close the gap."
            )
        if _high(row) > _high(reached):
            reached = row
    if reached.high_value is not None:
        what = f"no row covers the values above {reached.high_value}; leave high_value of the highest band blank."
        yield _Finding(reached.row_key, what)


def _around_normal(ordered: list[ThresholdRow], normal: ThresholdRow) -> Iterator[_Finding]:
    for row in ordered:
        if row is normal:
            continue
        side = "low" if _low(row) < _low(normal) else "high"
        if row.direction != side:
            where = "below" if side == "low" else "above"
            yield _Finding(
                row.row_key, f"lies {where} the normal band {normal.row_key}, so its direction is {side}; correct it."
            )
        elif row.alert_flag and _never_clears(row, normal):
            yield _Finding(
                row.row_key,
                f"clear_margin {row.clear_margin} is wider than the normal band {normal.row_key}, so that the alarm "
                "would never clear; make it smaller.",
            )


def _never_clears(row: ThresholdRow, normal: ThresholdRow) -> bool:
    """Whether no plausible value is inside the normal band by the margin."""
    vital = JUDGED[row.attribute]
    low = vital.low if normal.low_value is None else normal.low_value
    high = vital.high if normal.high_value is None else normal.high_value
    return row.clear_margin > max(high - low, Decimal(0))


def _units(row: ThresholdRow, value: Decimal) -> int:
    """The value as a whole number of steps of the attribute's resolution."""
    return int(value.scaleb(JUDGED[row.attribute].scale))


def _low(row: ThresholdRow) -> float:
    return -OPEN if row.low_value is None else _units(row, row.low_value)


def _high(row: ThresholdRow) -> float:
    return OPEN if row.high_value is None else _units(row, row.high_value)


def _values(row: ThresholdRow, low: float, high: float) -> str:
    """Values from `low` to `high` (in steps of the attribute's resolution) in words."""
    if low == high:
        return f"the value {_amount(row, low)}"
    if high == OPEN:
        return "all values" if low == -OPEN else f"the values from {_amount(row, low)} up"
    if low == -OPEN:
        return f"the values up to {_amount(row, high)}"
    return f"the values {_amount(row, low)} to {_amount(row, high)}"


def _amount(row: ThresholdRow, units: float) -> Decimal:
    return Decimal(int(units)).scaleb(-JUDGED[row.attribute].scale)
