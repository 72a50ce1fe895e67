"""Averages, spread and alarm load."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.compare.statistics import AlarmLoad, Samples, distribution


def samples(means: Sequence[float], spread: float = 0, count: int = 1) -> Samples:
    mean = np.array(means, dtype=np.float64)
    return Samples(mean - spread, mean, mean + spread, np.full(mean.size, count, dtype=np.int64))


def test_the_spread_of_a_hundred_minutes() -> None:
    found = distribution([samples(range(101), spread=5, count=60)])
    assert found is not None
    assert (found.p5, found.q1, found.median, found.q3, found.p95) == (5, 25, 50, 75, 95)
    assert (found.mean, found.lowest, found.highest) == (50, -5, 105)
    assert (found.patients, found.stretches, found.values) == (1, 101, 6060)
    assert found.deviation == pytest.approx(29.15, abs=0.01)


def test_nobody_counts_more_for_being_measured_more_often() -> None:
    on_a_monitor, by_hand = samples([60, 60], count=60), samples([100, 100], count=1)
    found = distribution([on_a_monitor, by_hand])
    assert found is not None
    assert found.mean == 80
    assert found.values == 122


def test_a_patient_without_values_changes_nothing_but_is_not_counted() -> None:
    assert distribution([samples([70, 80]), samples([])]) == distribution([samples([70, 80])])


def test_without_any_value_there_is_no_spread() -> None:
    assert distribution([]) is None
    assert distribution([samples([])]) is None


@given(st.lists(st.lists(st.floats(0, 300), max_size=20), min_size=1, max_size=5))
def test_the_order_of_patients_does_not_matter_and_the_parts_of_a_box_are_in_order(patients: list[list[float]]) -> None:
    found = distribution([samples(one, spread=1) for one in patients])
    turned = distribution([samples(one[::-1], spread=1) for one in patients[::-1]])
    assert (found is None) == (turned is None) == (not any(patients))
    if found is not None and turned is not None:
        assert found.mean == pytest.approx(turned.mean)
        parts = (found.lowest, found.p5, found.q1, found.median, found.q3, found.p95, found.highest)
        assert list(parts) == sorted(parts)


def test_alarms_are_told_for_each_bed_and_day() -> None:
    load = AlarmLoad({"high": 6, "medium": 3}, beds=3, days=0.25)
    assert load.total == 9
    assert load.per_bed_day("high") == 8
    assert load.per_bed_day("low") == 0
    assert load.per_bed_day() == 12


def test_a_ward_without_beds_has_no_alarms_a_bed() -> None:
    assert AlarmLoad({"high": 6}, beds=0, days=1).per_bed_day() is None
