"""The newest values of an attribute."""

from dashboard.live.series import KEPT, Series


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
