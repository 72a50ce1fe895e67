"""What a chart draws: points, gaps, the moving average, and what is thinned out."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from dashboard.patient import curve as c
from dashboard.patient.curve import AVERAGE_MS, HOUR_MS, Point, Span
from hbase.recent_minutes import MinuteCurve
from hbase.recent_rows import DerivedValue, Reading

MINUTE = 60_000
START = 1_790_000_000_000 - 1_790_000_000_000 % HOUR_MS


def minute(number: int, mean: float, count: int = 1) -> Point:
    return Point(START + number * MINUTE, mean - 1, mean, mean + 1, count)


def test_the_moving_average_is_that_of_the_readings_of_48_hours() -> None:
    numbers = random.Random(7)
    points = [
        minute(at, numbers.uniform(60, 90), numbers.randint(1, 60)) for at in sorted(numbers.sample(range(6000), 900))
    ]
    first = START + 3000 * MINUTE
    found = dict(c.moving_average(points, first, MINUTE))
    shown = [point for point in points if point.at >= first]
    assert list(found) == [point.at + MINUTE for point in shown]
    for point in shown:
        window = [one for one in points if point.at - AVERAGE_MS < one.at <= point.at]
        total = sum(one.number for one in window)
        assert found[point.at + MINUTE] == pytest.approx(sum(one.mean * one.number for one in window) / total)


def test_a_minute_with_many_readings_counts_more_than_one_with_few() -> None:
    assert c.moving_average([minute(0, 60, 59), minute(1, 120, 1)], START, MINUTE)[-1][1] == pytest.approx(61)


def test_time_without_readings_is_left_out_of_the_average() -> None:
    beyond = AVERAGE_MS // MINUTE
    found = c.moving_average([minute(0, 60), minute(beyond, 90)], START, MINUTE)
    assert [value for _, value in found] == [60, 90]


def test_no_points_have_no_average() -> None:
    assert c.moving_average([], START, MINUTE) == []


def test_thinning_keeps_every_extreme_of_its_stretch_and_the_order() -> None:
    points = [minute(at, 70) for at in range(10_000)]
    points[4321] = minute(4321, 180)
    points[7000] = minute(7000, 20)
    kept = c.thinned(points, 500)
    assert len(kept) <= 510
    assert {points[4321], points[7000]} <= set(kept)
    assert kept == sorted(kept)


def test_few_points_are_all_drawn() -> None:
    points = [minute(at, 70) for at in range(10)]
    assert c.thinned(points, 10) == points


def test_a_line_does_not_cross_what_is_not_known() -> None:
    assert c.with_gaps([(0, 1.0), (10, 2.0), (40, 3.0)], 10) == [(0, 1.0), (10, 2.0), (25, None), (40, 3.0)]


def test_a_value_of_a_poor_signal_stands_apart_and_one_of_a_cuff_does_not() -> None:
    readings = [
        Reading("p", 1, START, {"spo2": 97, "signal_quality": 90}),
        Reading("p", 2, START + 1000, {"spo2": 60, "systolic_bp": 120, "signal_quality": 5}),
        Reading("p", 3, START + 2000, {"heart_rate": 80}),
    ]
    spo2 = c.of_readings("spo2", readings, START, START + HOUR_MS, 20)
    assert [point.mean for point in spo2.points] == [97]
    assert [point.mean for point in spo2.apart] == [60]
    assert spo2.apart_why == c.NOT_JUDGED
    pressure = c.of_readings("systolic_bp", readings, START, START + HOUR_MS, 20)
    assert [point.mean for point in pressure.points] == [120]


def test_a_partial_score_stands_apart() -> None:
    values = [DerivedValue("p", "news2", START, 3, 7, 7), DerivedValue("p", "news2", START + MINUTE, 1, 4, 7)]
    found = c.of_derived("news2", values, START, START + HOUR_MS)
    assert ([point.mean for point in found.points], [point.mean for point in found.apart]) == ([3], [1])


def test_an_hour_goes_on_with_its_end_read_again() -> None:
    before = c.of_readings(
        "spo2", [Reading("p", at, START + at * MINUTE, {"spo2": 90}) for at in range(10)], START, 0, 20
    )
    late = [Reading("p", at, START + at * MINUTE, {"spo2": 95}) for at in (8, 10)]
    newest = c.of_readings("spo2", late, START + 8 * MINUTE, START + 11 * MINUTE, 20)
    found = c.continued(before, newest, START + 2 * MINUTE)
    assert [((point.at - START) // MINUTE, point.mean) for point in found.points] == [
        *((at, 90) for at in range(2, 8)),
        (8, 95),
        (10, 95),
    ]
    assert (found.start, found.end) == (START + 2 * MINUTE, START + 11 * MINUTE)


def test_an_hour_has_the_newest_average_of_48_hours_and_keeps_it_while_it_goes_on() -> None:
    whole = np.array([START - 2 * AVERAGE_MS, START - MINUTE, START], dtype=np.int64)
    values = np.array([20.0, 60.0, 90.0])
    minutes = MinuteCurve(whole, values, values, values, np.array([1, 2, 1], dtype=np.int64))
    hour = c.of_readings("spo2", [], START - HOUR_MS, START, 20)
    assert hour.average == []
    found = c.with_average(hour, minutes)
    assert found.average == [(START + MINUTE, 70.0)]
    assert c.continued(found, replace(hour, end=START + MINUTE), START - HOUR_MS).average == found.average


def test_minutes_before_the_chart_count_in_the_average_and_are_not_drawn() -> None:
    whole = np.array([START - MINUTE, START], dtype=np.int64)
    values = np.array([60.0, 80.0])
    minutes = MinuteCurve(whole, values, values, values, np.array([1, 1], dtype=np.int64))
    found = c.of_minutes("heart_rate", Span.TWO_DAYS, minutes, None, START, START + HOUR_MS)
    assert [point.at for point in found.points] == [START]
    assert found.average == [(START + MINUTE, 70.0)]
