"""The newest values of an attribute."""

from __future__ import annotations

import pytest

from dashboard.live.series import KEPT, Series
from tests.unit.dashboard.beds import NOW


def test_no_more_is_kept_than_a_trend_shows() -> None:
    series = Series()
    for second in range(100_000):
        series.add(second * 1000, second % 50, second * 1000)
    assert len(series.times) == len(series.values) == KEPT
    assert series.times[0] == (100_000 - KEPT) * 1000
    assert series.newest() == 99_999 % 50


def test_a_late_value_takes_its_place_in_time() -> None:
    series = Series()
    for at, value in ((3000, 3.0), (1000, 1.0), (2000, 2.0)):
        series.add(at, value, 5000)
    assert list(series.values) == [1.0, 2.0, 3.0]
    assert series.newest() == 3.0


def test_what_is_older_than_all_that_is_kept_changes_nothing() -> None:
    series = Series()
    for second in range(1, KEPT + 1):
        series.add(second * 1000, 70, second * 1000)
    before = series.version
    series.add(0, 40, 30_000)
    assert series.version == before
    assert 40 not in series.values


def test_a_value_that_is_read_again_changes_nothing() -> None:
    series = Series()
    series.add(1000, 70, 1000)
    before = series.version
    series.add(1000, 70, 1000)
    assert (series.version, list(series.values)) == (before, [70])


def see(series: Series, recorded: int, inserted: int, value: float = 72) -> None:
    series.add(NOW + recorded * 1000, value, NOW + inserted * 1000)


def newest(series: Series) -> int:
    return (series.times[-1] - NOW) // 1000


@pytest.mark.parametrize("back", [5, 60, 3600])
def test_what_lies_later_by_the_devices_clock_before_it_was_set_back_is_forgotten(back: int) -> None:
    series = Series()
    for second in range(200):
        see(series, second, second)
    for second in range(200, 202):
        see(series, second - back, second, 190)
    assert (newest(series), series.newest()) == (199, 72)
    see(series, 202 - back, 202, 190)
    assert (newest(series), series.newest()) == (202 - back, 190)
    for second in range(203, 300):
        see(series, second - back, second, 190)
    assert list(series.times) == [NOW + (second - back) * 1000 for second in range(300 - KEPT, 300)]


@pytest.mark.parametrize("back", [0, 5, 60, 3600])
def test_what_was_sent_before_a_clock_was_set_back_changes_nothing_when_it_is_read_again(back: int) -> None:
    series = Series()
    sent = [(second - back * (second >= 200), second) for second in range(300)]
    for recorded, inserted in sent:
        see(series, recorded, inserted)
    times = list(series.times)
    assert len(times) == KEPT
    for recorded, inserted in sent:
        see(series, recorded, inserted)
        assert newest(series) == 299 - back
    assert list(series.times) == times


def test_late_values_and_what_a_device_had_stored_forget_nothing() -> None:
    series = Series()
    for second in range(100):
        see(series, second, second)
        see(series, second - 30, second)
    for second in range(50):
        see(series, second, 100)
    assert newest(series) == 99
