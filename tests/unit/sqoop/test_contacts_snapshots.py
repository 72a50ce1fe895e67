"""Names of snapshots, and which of them go."""

from datetime import UTC, datetime, timedelta

import pytest

from sqoop.snapshots import next_version, removable, time_of, version_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOURS = timedelta(hours=4)


def made(hours_ago: float) -> str:
    return version_of(NOW - timedelta(hours=hours_ago))


def test_a_version_names_its_time_to_the_millisecond() -> None:
    at = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    assert version_of(at) == "20260301T123015250Z"
    assert time_of("20260301T123015250Z") == at


def test_versions_sort_also_when_the_clock_went_back() -> None:
    assert next_version(NOW, None) == version_of(NOW)
    assert next_version(NOW, made(1)) == version_of(NOW)
    assert next_version(NOW, made(-1)) == version_of(NOW + timedelta(hours=1, milliseconds=1))
    assert next_version(NOW, version_of(NOW)) > version_of(NOW)


def test_the_newest_snapshots_are_kept() -> None:
    versions = [made(hours) for hours in (50, 40, 30, 20, 10)]
    assert removable(versions, NOW, 3, HOURS) == versions[:2]


def test_the_order_of_the_listing_does_not_matter() -> None:
    versions = [made(hours) for hours in (50, 40, 30)]
    assert removable(versions[::-1], NOW, 2, HOURS) == versions[:1]


def test_a_snapshot_replaced_of_late_is_kept_however_old_it_is() -> None:
    old, replaced_lately, newest = made(90), made(80), made(3.5)
    assert removable([old, replaced_lately, newest], NOW, 1, HOURS) == [old]


@pytest.mark.parametrize("keep", [0, 1])
def test_the_snapshot_in_force_is_never_removed(keep: int) -> None:
    assert removable([made(90)], NOW, keep, HOURS) == []


def test_nothing_goes_while_there_are_fewer_than_are_kept() -> None:
    assert removable([made(90), made(80)], NOW, 5, HOURS) == []
