"""Averages, distributions and alarm load of one side of a comparison. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SEVERITIES = ("high", "medium", "low")


@dataclass(frozen=True)
class Samples:
    """One patient's values in stretches of the same length, in any order: lowest, mean and highest of each, and how
    many values it had. The arrays are of the same length."""

    low: Numbers
    mean: Numbers
    high: Numbers
    count: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Distribution:
    """How the means of the stretches are spread; `lowest` and `highest` are of the single values.

    Each stretch of each patient counts once, so that nobody counts more for being measured more often.
    """

    patients: int
    stretches: int
    values: int
    mean: float
    deviation: float
    lowest: float
    p5: float
    q1: float
    median: float
    q3: float
    p95: float
    highest: float


@dataclass(frozen=True)
class AlarmLoad:
    """Alarms that became active, by the highest severity that each had, of that many beds in that many days."""

    alarms: Mapping[str, int]
    beds: int
    days: float

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.alarms.values())

    def per_bed_day(self, severity: str | None = None) -> float | None:
        """Those of a severity (None: all) for each bed and day; None without beds."""
        if not self.beds or self.days <= 0:
            return None
        number = self.total if severity is None else self.alarms.get(severity, 0)
        return number / self.beds / self.days


def distribution(samples: Iterable[Samples]) -> Distribution | None:
    """Of all these patients together; None when none of them has a value."""
    some = [one for one in samples if one.mean.size]
    if not some:
        return None
    means = np.concatenate([one.mean for one in some])
    p5, q1, median, q3, p95 = (float(value) for value in np.quantile(means, QUANTILES))
    return Distribution(
        patients=len(some),
        stretches=int(means.size),
        values=int(sum(one.count.sum() for one in some)),
        mean=float(means.mean()),
        deviation=float(means.std()),
        lowest=float(min(one.low.min() for one in some)),
        p5=p5,
        q1=q1,
        median=median,
        q3=q3,
        p95=p95,
        highest=float(max(one.high.max() for one in some)),
    )
