"""Lowest, mean and highest of each minute: exact, in whatever order and portions readings come."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbase.recent_minutes import MINUTE_MS, PARTIAL, Spread, curves, minute_content, minute_of, runs, spreads
from hbase.recent_rows import DerivedValue, Reading

NOON = 1_763_812_800_000
LEAST = 20.0
MINUTES = st.lists(st.integers(0, 200).map(lambda number: number * MINUTE_MS), max_size=30)


def reading(number: int, at: int, **values: float) -> Reading:
    return Reading("P1", number, at, values)


def test_a_minute_has_the_lowest_the_mean_and_the_highest_of_each_vital() -> None:
    readings = [reading(n, NOON + n * 1000, heart_rate=60.0 + n, temperature=36.5) for n in range(60)]
    assert spreads(readings, [], LEAST) == {
        NOON: {"heart_rate": Spread(60, 89.5, 119, 60), "temperature": Spread(36.5, 36.5, 36.5, 60)}
    }


def test_a_minute_begins_with_its_first_millisecond() -> None:
    readings = [reading(1, NOON - 1, spo2=90), reading(2, NOON, spo2=91), reading(3, NOON + 59_999, spo2=92)]
    found = spreads(readings, [], LEAST)
    assert {minute: spread["spo2"].number for minute, spread in found.items()} == {NOON - MINUTE_MS: 1, NOON: 2}


def test_what_a_loose_probe_gave_is_left_out_and_what_a_cuff_gave_is_not() -> None:
    loose = reading(1, NOON, spo2=40, heart_rate=0, systolic_bp=120, signal_quality=19.9)
    good = reading(2, NOON, spo2=97, heart_rate=70, systolic_bp=118, signal_quality=20)
    untold = reading(3, NOON, spo2=95)
    (minute,) = spreads([loose, good, untold], [], LEAST).values()
    assert minute == {
        "spo2": Spread(95, 96, 97, 2),
        "heart_rate": Spread(70, 70, 70, 1),
        "systolic_bp": Spread(118, 119, 120, 2),
    }


def test_a_minute_of_nothing_but_a_loose_probe_has_no_spread() -> None:
    assert spreads([reading(1, NOON, spo2=40, signal_quality=0)], [], LEAST) == {NOON: {}}


def test_scores_that_lack_inputs_are_apart_from_complete_ones() -> None:
    scores = [DerivedValue("P1", "news2", NOON + n, n, 7 - n % 2, 7) for n in range(4)]
    assert spreads([], scores, LEAST) == {NOON: {"news2": Spread(0, 1, 2, 2), f"news2{PARTIAL}": Spread(1, 2, 3, 2)}}


@given(st.lists(st.floats(0, 350, width=16), min_size=1, max_size=40), st.randoms())
def test_the_order_of_readings_does_not_matter(values: list[float], order: random.Random) -> None:
    readings = [reading(n, NOON + n * 1500, heart_rate=value) for n, value in enumerate(values)]
    shuffled = order.sample(readings, len(readings))
    one, other = spreads(readings, [], LEAST), spreads(shuffled, [], LEAST)
    assert [minute_content(one[minute]) for minute in sorted(one)] == [
        minute_content(other[minute]) for minute in sorted(other)
    ]


def test_curves_are_in_the_order_of_time_and_hold_what_was_stored() -> None:
    stored = [
        (minute, minute_content(spread))
        for minute, spread in spreads(
            [reading(n, NOON + n * MINUTE_MS, heart_rate=60 + n, **({"spo2": 97} if n == 1 else {})) for n in range(3)],
            [],
            LEAST,
        ).items()
    ]
    found = curves(reversed(stored), ["heart_rate", "spo2", "glucose"])
    assert found["heart_rate"].minutes.tolist() == [NOON, NOON + MINUTE_MS, NOON + 2 * MINUTE_MS]
    assert found["heart_rate"].low.tolist() == found["heart_rate"].mean.tolist() == [60, 61, 62]
    assert found["spo2"].minutes.tolist() == [NOON + MINUTE_MS]
    assert found["spo2"].count.tolist() == [1]
    assert found["glucose"].minutes.size == found["glucose"].high.size == 0
    assert found["glucose"].minutes.dtype == found["glucose"].count.dtype == np.int64


@given(MINUTES, st.integers(1, 5), st.integers(1, 20))
def test_stretches_cover_every_minute_once(minutes: list[int], gap: int, longest: int) -> None:
    found = list(runs(minutes, gap, longest))
    assert all(sum(start <= minute < end for start, end in found) == 1 for minute in minutes)
    assert all(end - start <= longest * MINUTE_MS for start, end in found)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(found))


@pytest.mark.parametrize("at", [NOON, NOON + 1, NOON + MINUTE_MS - 1])
def test_the_minute_of_a_time(at: int) -> None:
    assert minute_of(at) == NOON
