"""The rolling mean of a vital."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from clinical.rolling import GLUCOSE_MEAN
from clinical.vitals import DERIVED

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def readings(*minutes: tuple[float, int]) -> list[tuple[datetime, Decimal]]:
    return [(NOON + timedelta(minutes=at), Decimal(value)) for at, value in minutes]


def test_it_is_the_mean_of_the_window_that_ends_with_the_minute_of_the_newest_reading() -> None:
    some = readings((-9.1, 500), (-9, 100), (-5, 110), (0.5, 120), (1, 900))
    assert GLUCOSE_MEAN.at(some, some[3][0]) == (Decimal(110), 3)


def test_fewer_readings_than_a_monitor_gives_in_the_window_are_no_mean() -> None:
    some = readings((-5, 110), (0, 120))
    assert GLUCOSE_MEAN.inputs_expected == 2
    assert GLUCOSE_MEAN.at(some[1:], NOON) is None
    assert GLUCOSE_MEAN.at(some, NOON) == (Decimal(115), 2)


def test_the_mean_is_an_attribute_of_the_catalogue() -> None:
    assert GLUCOSE_MEAN.attribute in DERIVED
