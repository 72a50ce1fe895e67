"""The National Early Warning Score (NEWS2): Royal College of Physicians, London, December 2017.

For age 16 and over, not in pregnancy (`applies`). The table is data: Spark's expression is made of the same one.
A missing input is missing, never 0: the score is then partial, a lower bound of the whole one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from clinical.vitals import CONSCIOUSNESS, VITALS, round_half_up

MIN_AGE_YEARS = 16.0
OXYGEN_POINTS = 2
CONSCIOUSNESS_POINTS: dict[str, int] = {state: 0 if state == "A" else 3 for state in CONSCIOUSNESS}
"""Anything but alert scores 3: new confusion, voice, pain, unresponsive."""


class Points(NamedTuple):
    """Values from `low` to `high` (inclusive, None = open, at the attribute's resolution) score `points`."""

    low: Decimal | None
    high: Decimal | None
    points: int


def _scale(*steps: tuple[str, int], last: int) -> tuple[Points, ...]:
    """Each step is the highest value that scores its points; what is above the last step scores `last`."""
    bands, low = [], None
    for high, points in steps:
        bands.append(Points(low, Decimal(high), points))
        low = Decimal(high) + Decimal(1).scaleb(Decimal(high).as_tuple().exponent)  # type: ignore[arg-type]
    return (*bands, Points(low, None, last))


SCALES: dict[str, tuple[Points, ...]] = {
    "respiratory_rate": _scale(("8", 3), ("11", 1), ("20", 0), ("24", 2), last=3),
    "spo2": _scale(("91", 3), ("93", 2), ("95", 1), last=0),
    "systolic_bp": _scale(("90", 3), ("100", 2), ("110", 1), ("219", 0), last=3),
    "heart_rate": _scale(("40", 3), ("50", 1), ("90", 0), ("110", 1), ("130", 2), last=3),
    "temperature": _scale(("35.0", 3), ("36.0", 1), ("38.0", 0), ("39.0", 1), last=2),
}
"""Points of the measured inputs; `spo2` on scale 1."""

SPO2_SCALE_2_ON_AIR = _scale(("83", 3), ("85", 2), ("87", 1), last=0)
SPO2_SCALE_2_ON_OXYGEN = _scale(("83", 3), ("85", 2), ("87", 1), ("92", 0), ("94", 1), ("96", 2), last=3)
SPO2_SCALE_2_EITHER_WAY = SPO2_SCALE_2_ON_OXYGEN[:4]
"""Scale 2, prescribed for hypercapnic respiratory failure only: what is above 92 % on oxygen is too much of it. Up to
there air and oxygen score the same."""

INPUTS = (*SCALES, "on_oxygen", "consciousness")
"""The seven inputs, as columns of a reading."""


class Risk(StrEnum):
    """Clinical risk, which says how soon the patient must be seen."""

    LOW = "low"
    LOW_MEDIUM = "low-medium"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True)
class Score:
    """`total` of the inputs that were known, `used` of the seven; `worst` is the most that a single one scored."""

    total: int
    used: int
    worst: int

    @property
    def is_partial(self) -> bool:
        """The whole score is `total` or more."""
        return self.used < len(INPUTS)

    @property
    def risk(self) -> Risk:
        """RCP 2017, chart 2. Of a partial score: the least that it can be."""
        if self.total >= 7:
            return Risk.HIGH
        if self.total >= 5:
            return Risk.MEDIUM
        return Risk.LOW_MEDIUM if self.worst == 3 else Risk.LOW


def applies(age_years: float | None, pregnant: bool | None) -> bool:
    """Whether the score was made for such a patient; an unknown age counts as adult, as for the thresholds."""
    return not pregnant and (age_years is None or age_years >= MIN_AGE_YEARS)


def score(
    vitals: Mapping[str, Decimal | None],
    on_oxygen: bool | None = None,
    consciousness: str | None = None,
    spo2_scale: int | None = 1,
) -> Score:
    """The score of one moment. `vitals` by attribute in its unit, rounded half-up here; what is absent is missing.

    `consciousness` is one of ACVPU. On scale 2 a saturation above 92 % cannot be scored without knowing whether the
    patient breathes oxygen: it is missing then.
    """
    found: list[int | None] = [
        _points(_spo2_scale(on_oxygen, spo2_scale) if name == "spo2" else scale, name, vitals)
        for name, scale in SCALES.items()
    ]
    found.append(None if on_oxygen is None else OXYGEN_POINTS * on_oxygen)
    found.append(None if consciousness is None else CONSCIOUSNESS_POINTS[consciousness])
    known = [points for points in found if points is not None]
    return Score(sum(known), len(known), max(known, default=0))


def _spo2_scale(on_oxygen: bool | None, spo2_scale: int | None) -> Sequence[Points]:
    if spo2_scale != 2:
        return SCALES["spo2"]
    if on_oxygen is None:
        return SPO2_SCALE_2_EITHER_WAY
    return SPO2_SCALE_2_ON_OXYGEN if on_oxygen else SPO2_SCALE_2_ON_AIR


def _points(scale: Sequence[Points], name: str, vitals: Mapping[str, Decimal | None]) -> int | None:
    value = vitals.get(name)
    if value is None:
        return None
    rounded = round_half_up(value, VITALS[name].scale)
    for band in scale:
        if (band.low is None or rounded >= band.low) and (band.high is None or rounded <= band.high):
            return band.points
    return None
