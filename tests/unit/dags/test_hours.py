"""The hour that a run of an hourly DAG is about."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from dags.lib.hours import hour_end, hour_start


def test_a_run_with_an_interval_is_about_that_interval() -> None:
    run = SimpleNamespace(
        data_interval_start=datetime(2026, 3, 1, 10, tzinfo=UTC), data_interval_end=datetime(2026, 3, 1, 11, tzinfo=UTC)
    )
    assert (hour_start(run), hour_end(run)) == ("2026-03-01T10:00:00+00:00", "2026-03-01T11:00:00+00:00")


def test_an_interval_in_another_zone_is_given_in_utc() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    run = SimpleNamespace(
        data_interval_start=datetime(2026, 7, 1, 12, tzinfo=berlin),
        data_interval_end=datetime(2026, 7, 1, 13, tzinfo=berlin),
    )
    assert hour_start(run) == "2026-07-01T10:00:00+00:00"


def test_a_run_without_an_interval_is_about_the_last_full_hour() -> None:
    run = SimpleNamespace(
        data_interval_start=None, data_interval_end=None, run_after=datetime(2026, 3, 1, 0, 59, 59, tzinfo=UTC)
    )
    assert (hour_start(run), hour_end(run)) == ("2026-02-28T23:00:00+00:00", "2026-03-01T00:00:00+00:00")
