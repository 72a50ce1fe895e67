"""The recent readings and minutes of a benchmark's patients: made of a seed, so that what is read can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hbase.recent_minutes import DECIMALS, MINUTE_MS, Spread, minute_of, spreads
from hbase.recent_rows import Reading

GLUCOSE_EVERY = 300
"""Of a patient's readings, one in so many has a glucose."""

NORMAL = {
    "heart_rate": (80.0, 8.0),
    "systolic_bp": (120.0, 10.0),
    "diastolic_bp": (78.0, 6.0),
    "spo2": (97.0, 1.0),
    "temperature": (37.0, 0.3),
    "respiratory_rate": (16.0, 2.0),
}
"""Mean and standard deviation."""

Minutes = dict[int, dict[str, Spread]]


@dataclass(frozen=True)
class RecentWard:
    """`patients` with `readings` each, one a second, the last of them before `end` (epoch ms, full minute), and with
    `minutes` each until then."""

    seed: int
    patients: int
    readings: int
    minutes: int
    end: int
    least_quality: float

    def patient_id(self, patient: int) -> str:
        return f"BENCH-{patient:05d}"

    def readings_of(self, patient: int, start: int = 0) -> list[Reading]:
        """A patient's readings, oldest first, from the one numbered `start` on; the last has the highest number."""
        values = self._values(patient, self.readings)
        first = self.end - self.readings * 1000
        return [self.reading(patient, n, first + n * 1000, values[n]) for n in range(start, self.readings)]

    def batch(self, number: int, patients: int, seconds: int) -> Iterator[Reading]:
        """What so many patients tell in the `number`-th stretch of so many seconds after the end."""
        for patient in range(patients):
            values = self._values(patient, seconds)
            for n in range(seconds):
                at = self.readings + number * seconds + n
                yield self.reading(patient, at, self.end + (number * seconds + n) * 1000, values[n])

    def reading(self, patient: int, number: int, at: int, values: npt.NDArray[np.float64]) -> Reading:
        """One reading."""
        told = dict(zip(NORMAL, values.tolist(), strict=True))
        if number % GLUCOSE_EVERY == 0:
            told["glucose"] = 95.5
        told |= {"signal_quality": 96.0, "battery_percent": 80.0}
        return Reading(self.patient_id(patient), patient * 10_000_000 + number, at, told, f"D{patient}", False, "A")

    def minutes_of(self, patient: int) -> Minutes:
        """A patient's minutes: those of the readings as they come to, and before them any values."""
        generator = np.random.default_rng((self.seed, patient, 1))
        means = {
            attribute: np.round(generator.normal(mean, spread, self.minutes), DECIMALS).tolist()
            for attribute, (mean, spread) in NORMAL.items()
        }
        first = self.end - self.minutes * MINUTE_MS
        made: Minutes = {
            first + n * MINUTE_MS: {name: Spread(all_[n] - 3, all_[n], all_[n] + 3, 60) for name, all_ in means.items()}
            for n in range(self.minutes)
        }
        return made | spreads(self.readings_of(patient), (), self.least_quality)

    def _values(self, patient: int, count: int) -> npt.NDArray[np.float64]:
        generator = np.random.default_rng((self.seed, patient))
        columns = [generator.normal(mean, spread, count) for mean, spread in NORMAL.values()]
        return np.asarray(np.round(np.stack(columns, axis=1), 1), dtype=np.float64)


def ward_until(now: float, seed: int, patients: int, readings: int, minutes: int, least_quality: float) -> RecentWard:
    """The ward whose last reading lies in the minute before `now` (epoch seconds)."""
    return RecentWard(seed, patients, readings, minutes, minute_of(int(now * 1000)), least_quality)
