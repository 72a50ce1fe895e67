"""NEWS2 over arrays: the scores that the deriving stream would publish for a patient's readings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from alerts.banding import steps_of
from bench.ward_day import Readings
from clinical import news2
from clinical.news2 import Points
from clinical.vitals import CONSCIOUSNESS, VITALS
from infra.settings import Derivation

Ints = npt.NDArray[np.int64]
NEWS2 = "news2"


def news2_series(
    readings: Readings, spo2_scale: int, derivation: Derivation
) -> tuple[Ints, npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """A score every `derivation.interval_seconds`, of the newest value of each input that is fresh enough then.

    Times, scores, and which of them are partial.
    """
    every = np.arange(derivation.interval_seconds - 1, len(readings.recorded_at), derivation.interval_seconds)
    at = readings.recorded_at[every]
    total, used = np.zeros(len(at), dtype=np.int64), np.zeros(len(at), dtype=np.int64)
    points = np.array([news2.CONSCIOUSNESS_POINTS[state] for state in CONSCIOUSNESS])
    total += points[readings.consciousness[every]] + news2.OXYGEN_POINTS * readings.on_oxygen[every]
    used += 2
    for name in news2.SCALES:
        times, values = readings.of(name)
        newest = np.searchsorted(times, at, side="right") - 1
        fresh = (newest >= 0) & (at - times[newest] <= derivation.fresh_seconds * 1000)
        steps = steps_of(values[newest], VITALS[name].scale)
        scored = _points(_scales(name, spo2_scale), name, steps, readings.on_oxygen[every])
        total += np.where(fresh, scored, 0)
        used += fresh
    return at, total.astype(np.float64), used < len(news2.INPUTS)


def _scales(name: str, spo2_scale: int) -> tuple[Sequence[Points], Sequence[Points]]:
    """The bands on air and on oxygen."""
    if name == "spo2" and spo2_scale == 2:
        return news2.SPO2_SCALE_2_ON_AIR, news2.SPO2_SCALE_2_ON_OXYGEN
    return news2.SCALES[name], news2.SCALES[name]


def _points(
    scales: tuple[Sequence[Points], Sequence[Points]], name: str, steps: Ints, on_oxygen: npt.NDArray[np.bool_]
) -> Ints:
    air, oxygen = (_points_of(scale, name, steps) for scale in scales)
    return np.where(on_oxygen, oxygen, air)


def _points_of(scale: Sequence[Points], name: str, steps: Ints) -> Ints:
    """The bands rise, so each is told by its upper end."""
    highs = np.array([int(band.high.scaleb(VITALS[name].scale)) for band in scale if band.high is not None])
    return np.array([band.points for band in scale])[np.searchsorted(highs, steps, side="left")]
