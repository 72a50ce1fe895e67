"""Which rows belong to an hour where a clock is put forward or back: those that the producer puts there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hive.source_rows import SourceRows, rows_between
from hive.wall_clock import MILLISECOND, first_wall_clock
from producers.encoding import epoch_ms

HOUR = timedelta(hours=1)
LONDON = ZoneInfo("Europe/London")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001


def of_hour(start: datetime) -> SourceRows:
    return rows_between(start, start + HOUR, LONDON)


def test_the_first_of_two_equal_hours_holds_both_once_the_second_is_over() -> None:
    midnight = datetime(2025, 10, 26, tzinfo=UTC)
    first, second, third = (of_hour(midnight + hours * HOUR) for hours in range(3))
    assert first == ("2025-10-26 01:00:00.000", "2025-10-26 02:00:00.000", midnight + 2 * HOUR)
    assert second == ("2025-10-26 02:00:00.000", "2025-10-26 02:00:00.000", midnight + 2 * HOUR)
    assert third == ("2025-10-26 02:00:00.000", "2025-10-26 03:00:00.000", midnight + 3 * HOUR)
    half = rows_between(midnight, midnight + HOUR / 2, LONDON)
    assert half == ("2025-10-26 01:00:00.000", "2025-10-26 01:30:00.000", midnight + 1.5 * HOUR)
    assert rows_between(midnight + 1.5 * HOUR, midnight + 2 * HOUR, LONDON)[:2] == second[:2]


def test_an_hour_that_was_skipped_belongs_to_the_hour_after_the_skip() -> None:
    midnight = datetime(2026, 3, 29, tzinfo=UTC)
    before, after = of_hour(midnight), of_hour(midnight + HOUR)
    assert before == ("2026-03-29 00:00:00.000", "2026-03-29 01:00:00.000", midnight + HOUR)
    assert after == ("2026-03-29 01:00:00.000", "2026-03-29 03:00:00.000", midnight + 2 * HOUR)


def test_at_other_times_the_bounds_are_those_of_the_clock() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert of_hour(noon) == ("2026-07-01 13:00:00.000", "2026-07-01 14:00:00.000", noon + HOUR)
    assert rows_between(noon, noon + HOUR, UTC) == (
        "2026-07-01 12:00:00.000",
        "2026-07-01 13:00:00.000",
        noon + HOUR,
    )


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/London", datetime(2025, 10, 26, tzinfo=UTC)),
        ("Europe/London", datetime(2026, 3, 29, tzinfo=UTC)),
        ("America/St_Johns", datetime(2025, 11, 2, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2025, 10, 4, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_each_hour_has_the_rows_that_the_producer_puts_there(zone: str, day: datetime) -> None:
    source = ZoneInfo(zone)
    bounds = [first_wall_clock(day + number * HOUR, source) for number in range(25)]
    ticks = [bounds[0] + minutes * timedelta(minutes=15) for minutes in range(4 * 23)]
    for wall_clock in (
        tick - edge for tick in ticks for edge in (timedelta(), MILLISECOND) if tick - edge >= bounds[0]
    ):
        ms = epoch_ms((wall_clock - EPOCH) // MILLISECOND, source)
        assert ms is not None
        hour = (ms - int(day.timestamp() * 1000)) // 3_600_000
        assert bounds[hour] <= wall_clock < bounds[hour + 1]
