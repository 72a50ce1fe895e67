"""NEWS2 over arrays is the score of `clinical.news2`, of the newest inputs."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from bench.news2_table import differences
from bench.scores import news2_series
from bench.ward_day import MISSING, Readings
from clinical import news2
from clinical.vitals import CONSCIOUSNESS
from infra.settings import Derivation
from producers.simulator.profiles import ATTRIBUTES

EVERY_READING = Derivation(interval_seconds=1)


def some_readings(count: int, seed: int = 5) -> Readings:
    """Every vital anywhere in or around the bands, each tenth missing."""
    rng = np.random.default_rng(seed)
    middle = np.array([80, 120, 70, 92, 37, 16, 100])
    spread = np.array([60, 110, 30, 8, 3, 14, 80])
    values = middle + spread * rng.uniform(-1, 1, size=(count, len(ATTRIBUTES)))
    values[:, [0, 1, 2, 3, 5]] = np.rint(values[:, [0, 1, 2, 3, 5]])
    tenths = np.where(rng.random(values.shape) < 0.1, MISSING, np.rint(values * 10)).astype(np.int16)
    times = 1000 * np.arange(count, dtype=np.int64)
    return Readings(times, tenths, rng.random(count) < 0.5, rng.integers(0, 5, count).astype(np.int8))


def newest(readings: Readings, attribute: str, place: int, fresh: int) -> Decimal | None:
    column = readings.tenths[: place + 1, ATTRIBUTES.index(attribute)]
    known = np.flatnonzero(column != MISSING)
    if not len(known) or place - known[-1] > fresh:
        return None
    return Decimal(int(column[known[-1]])) / 10


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("fresh", [300, 1])
def test_each_score_is_that_of_the_newest_inputs(scale: int, fresh: int) -> None:
    readings = some_readings(400)
    derivation = EVERY_READING.model_copy(update={"fresh_seconds": fresh})
    _, totals, partial = news2_series(readings, scale, derivation)
    for place in range(400):
        vitals = {name: newest(readings, name, place, fresh) for name in news2.SCALES}
        state = CONSCIOUSNESS[readings.consciousness[place]]
        expected = news2.score(vitals, bool(readings.on_oxygen[place]), state, scale)
        assert (totals[place], partial[place]) == (expected.total, expected.is_partial)


def test_a_score_comes_as_often_as_the_deriving_stream_gives_one() -> None:
    times, _, _ = news2_series(some_readings(60), 1, Derivation())
    assert np.diff(times).tolist() == [10_000] * 5


def test_the_published_table_is_met_at_a_sample_of_its_boundaries() -> None:
    count, wrong = differences(every=997)
    assert (count > 2000, wrong) == (True, 0)


def test_a_score_that_differs_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(news2.SCALES, "heart_rate", news2.SCALES["heart_rate"][1:])
    _, wrong = differences(every=997)
    assert wrong > 0
