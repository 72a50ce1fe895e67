"""Which band each of many values falls into: `clinical.thresholds.judge` over arrays.

A table is cut down once to the bands of one attribute at one age; a value is then found among their edges by bisection.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clinical.ages import ADULT_YEARS
from clinical.thresholds import JudgingBand, ThresholdRow, judging_bands, own_limits
from clinical.vitals import JUDGED

FINEST = 10**9
"""A value is taken to the ninth decimal: far below any resolution, and exact in a double up to a million."""

NO_BREACH = -1

Steps = npt.NDArray[np.int64]
"""Values as whole numbers of steps of their attribute's resolution."""


def steps_of(values: npt.NDArray[np.float64], scale: int) -> Steps:
    """The values rounded half-up (away from zero at the half) to `scale` decimals, as whole numbers of that step.

    Agrees with `clinical.vitals.round_half_up` for values of at most nine decimals and up to a million.
    """
    fine = np.rint(values * FINEST).astype(np.int64)
    step = FINEST // 10**scale
    steps: Steps = np.sign(fine) * ((np.abs(fine) + step // 2) // step)
    return steps


class AgeBands:
    """The alerting bands of one attribute at one age, lowest first. `bands` is empty where nothing is judged."""

    def __init__(self, attribute: str, bands: Iterable[JudgingBand]) -> None:
        self._scale = JUDGED[attribute].scale
        self.bands = sorted(bands, key=lambda band: (band.row.low_value is not None, band.row.low_value))
        self._lows = np.array([self._edge(band, "low_value", -(2**62)) for band in self.bands], dtype=np.int64)
        self._highs = np.array([self._edge(band, "high_value", 2**62) for band in self.bands], dtype=np.int64)

    def find(self, values: npt.NDArray[np.float64]) -> tuple[Steps, npt.NDArray[np.int64]]:
        """The values in steps of the resolution, and of each the place in `bands` (NO_BREACH: it breaches none)."""
        steps = steps_of(values, self._scale)
        if not self.bands:
            return steps, np.full(len(steps), NO_BREACH)
        place = np.searchsorted(self._lows, steps, side="right") - 1
        return steps, np.where((place >= 0) & (steps <= self._highs[place]), place, NO_BREACH)

    def rounded(self, steps: int) -> float:
        """The value of so many steps, as it is compared with limits."""
        return steps / float(10**self._scale)

    @cached_property
    def directions(self) -> npt.NDArray[np.str_]:
        """Of each band."""
        return np.array([band.row.direction for band in self.bands], dtype=np.str_)

    def _edge(self, band: JudgingBand, name: str, if_open: int) -> int:
        value = getattr(band.row, name)
        return if_open if value is None else int(value.scaleb(self._scale))


class BandTable:
    """A checked threshold table, ready to judge arrays."""

    def __init__(self, rows: Iterable[ThresholdRow]) -> None:
        table = list(rows)
        self._own = own_limits(table)
        self._bands: dict[tuple[str | None, str], list[JudgingBand]] = {}
        for band in judging_bands(table):
            self._bands.setdefault((band.row.patient_id, band.row.attribute), []).append(band)

    def at_age(self, attribute: str, age_years: float | None, patient_id: str | None = None) -> AgeBands:
        """The bands for a patient; an unknown age is an adult's, a birth in the future age 0."""
        age = ADULT_YEARS if age_years is None else max(age_years, 0.0)
        limits_of = patient_id if (patient_id, attribute) in self._own else None
        return AgeBands(
            attribute,
            [
                band
                for band in self._bands.get((limits_of, attribute), [])
                if float(band.low_age) <= age and (band.high_age is None or age < float(band.high_age))
            ],
        )
