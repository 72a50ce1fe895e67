"""The bands of one attribute as lanes along the value axis, a lane for each age group, with overlaps and holes. Pure.

It shows what `clinical.threshold_checks` says in sentences; whether a table may come into force is decided there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from clinical.thresholds import ThresholdRow
from clinical.vitals import JUDGED

OPEN = math.inf


@dataclass(frozen=True)
class Stretch:
    """Values from `low` to `high`, both included, in steps of the attribute's resolution; infinite where open.

    `row_keys`: the rows that hold them; none for a hole, several for an overlap.
    """

    low: float
    high: float
    row_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bar:
    """One band in a lane, from `low` to `high`, as in a `Stretch`."""

    row: ThresholdRow
    low: float
    high: float


@dataclass(frozen=True)
class Lane:
    """What holds at the ages `[low_age, high_age)`; `high_age` None: no upper end. Lowest values first."""

    low_age: Decimal
    high_age: Decimal | None
    bars: tuple[Bar, ...]
    overlaps: tuple[Stretch, ...]
    holes: tuple[Stretch, ...]

    @property
    def is_right(self) -> bool:
        """Whether each value meets exactly one band."""
        return not self.overlaps and not self.holes


def lanes_of(rows: Sequence[ThresholdRow]) -> list[Lane]:
    """Lanes of the rows of one attribute that judge together (the general ones, or those of one patient), by age.

    Neighbouring ages at which the same rows hold are one lane. A row whose limits are the wrong way round holds no
    value, and one whose ages are, no age.
    """
    ages = {Decimal(0), *(row.low_age for row in rows), *(row.high_age for row in rows if row.high_age is not None)}
    spans: list[tuple[Decimal, Decimal | None, tuple[ThresholdRow, ...]]] = []
    for low, high in pairwise([*sorted(age for age in ages if age >= 0), None]):
        assert low is not None
        here = tuple(row for row in rows if row.low_age <= low and (row.high_age is None or low < row.high_age))
        if spans and spans[-1][2] == here:
            spans[-1] = (spans[-1][0], high, here)
        else:
            spans.append((low, high, here))
    return [_lane(*span) for span in spans]


def step_of(attribute: str) -> Decimal:
    """The resolution of an attribute, in its unit; 1 for one that nobody knows."""
    return Decimal(1).scaleb(-JUDGED[attribute].scale) if attribute in JUDGED else Decimal(1)


def amount(attribute: str, steps: float) -> str:
    """So many steps as a value in the attribute's unit."""
    number = Decimal(int(steps)) if steps == int(steps) else Decimal(str(steps))
    return f"{number * step_of(attribute):f}"


def in_words(attribute: str, stretch: Stretch) -> str:
    """`92 to 93`, `up to 39`, `131 and more`."""
    if stretch.low == -OPEN:
        return "all values" if stretch.high == OPEN else f"up to {amount(attribute, stretch.high)}"
    if stretch.high == OPEN:
        return f"{amount(attribute, stretch.low)} and more"
    if stretch.low == stretch.high:
        return amount(attribute, stretch.low)
    return f"{amount(attribute, stretch.low)} to {amount(attribute, stretch.high)}"


def ages_in_words(lane: Lane) -> str:
    """`all ages`, `from 16 years`, `1 to below 3 years`."""
    if lane.high_age is None:
        return "all ages" if lane.low_age == 0 else f"from {lane.low_age:f} years"
    return f"{lane.low_age:f} to below {lane.high_age:f} years"


def _lane(low_age: Decimal, high_age: Decimal | None, rows: Sequence[ThresholdRow]) -> Lane:
    bars = sorted(
        (bar for row in rows if (bar := _bar(row)).low <= bar.high),
        key=lambda bar: (bar.low, bar.high, bar.row.row_key),
    )
    overlaps, holes = [], []
    for stretch in _stretches(bars):
        if not stretch.row_keys:
            holes.append(stretch)
        elif len(stretch.row_keys) > 1:
            overlaps.append(stretch)
    return Lane(low_age, high_age, tuple(bars), tuple(overlaps), tuple(holes))


def _bar(row: ThresholdRow) -> Bar:
    step = step_of(row.attribute)
    low = -OPEN if row.low_value is None else float(row.low_value / step)
    return Bar(row, low, OPEN if row.high_value is None else float(row.high_value / step))


def _stretches(bars: Sequence[Bar]) -> list[Stretch]:
    """The whole axis in order, cut wherever a band begins or ends."""
    begins = {-OPEN, *(bar.low for bar in bars), *(bar.high + 1 for bar in bars)} - {OPEN}
    found: list[Stretch] = []
    for low, after in pairwise([*sorted(begins), OPEN]):
        high = after if after == OPEN else after - 1
        found.append(Stretch(low, high, tuple(bar.row.row_key for bar in bars if bar.low <= low and high <= bar.high)))
    return found
