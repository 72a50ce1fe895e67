"""A day is replaced whole, in one step, and keeps what it held when anything fails before that."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from alerts import history_days
from alerts.history import with_changed
from alerts.history_days import AlarmDays
from alerts.history_rows import Rows, as_table
from clinical.tables import ALARMS
from hive.bootstrap import table_path
from hive.client import Answer, HiveSession
from infra.errors import WardError
from infra.settings import Settings
from spark_jobs.landing import files as f
from spark_jobs.landing.rebuild import directories_of
from tests.unit.alerts.alarm_rows import alarm, by_id

DAY = "2026-01-31"
SETTINGS = Settings()


class Metastore(HiveSession):
    """Partitions and their locations, by the statements that change them. It can be made to fail."""

    def __init__(self) -> None:
        super().__init__(SETTINGS, None)
        self.locations: dict[str, str] = {}
        self.fails = False

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        if statement.startswith("SHOW PARTITIONS"):
            return [(f"event_date={day}",) for day in self.locations]
        return [("# Detailed", None, None), ("Location:    ", f"{self.locations[self._day(statement)]} ", None)]

    def run(self, statement: str) -> Answer:
        if self.fails:
            raise WardError("The metastore is away.")
        adds = " ADD IF NOT EXISTS " in statement
        assert adds == (self._day(statement) not in self.locations), statement
        self.locations[self._day(statement)] = re.findall("LOCATION '(.*)'", statement)[0]
        return Answer((), iter(()))

    def _day(self, statement: str) -> str:
        return str(re.findall(r"PARTITION \(event_date='(.*?)'\)", statement)[0])


@pytest.fixture
def files() -> Any:
    system = MemoryFileSystem()
    system.store.clear()
    return system


@pytest.fixture
def metastore() -> Metastore:
    return Metastore()


@pytest.fixture
def days(files: Any, metastore: Metastore) -> AlarmDays:
    return AlarmDays(SETTINGS, files, metastore)


def seen(days: AlarmDays) -> Rows:
    """What whoever asks Hive sees of the day."""
    found: Rows = {}

    def look(rows: Rows) -> Rows:
        found.update(rows)
        return rows

    assert not days.change(DAY, look)
    return found


def put(days: AlarmDays, *rows: dict[str, Any]) -> bool:
    return days.change(DAY, lambda before: with_changed(by_id(*rows), before))


def test_a_day_without_a_partition_gets_one(days: AlarmDays, metastore: Metastore) -> None:
    first, second = alarm(), alarm()
    assert put(days, first, second)
    assert seen(days) == by_id(first, second)
    assert metastore.locations[DAY].startswith(f"{SETTINGS.default_fs}{SETTINGS.hadoop.warehouse}/hive/")


def test_an_alarm_that_changed_takes_the_place_of_what_it_was_and_the_others_stay(days: AlarmDays) -> None:
    """Those too that MySQL has forgotten: only what was read there is written over."""
    forgotten, open_one = alarm(), alarm()
    put(days, forgotten, open_one)
    ended = {**open_one, "phase": "ended", "end_reason": "cleared"}
    assert put(days, ended)
    assert seen(days) == by_id(forgotten, ended)


def test_the_same_again_writes_nothing(days: AlarmDays, files: Any, metastore: Metastore) -> None:
    one = alarm()
    put(days, one)
    before, place = set(files.store), dict(metastore.locations)
    assert not put(days, one)
    assert (set(files.store), metastore.locations) == (before, place)


def test_a_day_that_cannot_be_switched_stays_as_it_was_and_the_next_run_makes_up_for_it(
    days: AlarmDays, metastore: Metastore
) -> None:
    one, other = alarm(), alarm()
    put(days, one)
    metastore.fails = True
    with pytest.raises(WardError):
        put(days, other)
    assert seen(days) == by_id(one)
    metastore.fails = False
    assert put(days, other)
    assert seen(days) == by_id(one, other)


def test_a_file_that_does_not_hold_what_was_written_is_never_put_in_force(
    days: AlarmDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = alarm()
    put(days, one)
    monkeypatch.setattr(history_days, "as_table", lambda rows: as_table(rows).slice(1))
    with pytest.raises(WardError, match=DAY):
        put(days, alarm())
    monkeypatch.undo()
    assert seen(days) == by_id(one)


def test_a_replaced_directory_goes_an_hour_later_and_the_one_in_force_never(
    days: AlarmDays, files: Any, metastore: Metastore
) -> None:
    put(days, alarm())
    old = f.path_of(metastore.locations[DAY])
    put(days, alarm())
    now = datetime.now(UTC)
    assert days.remove_retired(now + timedelta(minutes=59)) == []
    assert days.remove_retired(now + timedelta(minutes=61)) == [old]
    assert not files.exists(old)
    assert len(seen(days)) == 2


def test_directories_sort_by_age_also_when_the_clock_goes_back(
    days: AlarmDays, metastore: Metastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Self:
            return super().now(tz) - timedelta(hours=3)

    put(days, alarm())
    first = metastore.locations[DAY]
    monkeypatch.setattr(history_days, "datetime", Slow)
    put(days, alarm())
    assert metastore.locations[DAY] > first


def test_a_rebuilt_metastore_points_at_what_was_in_force_and_not_at_what_was_never_finished(
    days: AlarmDays, files: Any, metastore: Metastore
) -> None:
    put(days, alarm())
    put(days, alarm())
    newest = f.path_of(metastore.locations[DAY])
    files.makedirs(table_path(SETTINGS, ALARMS))
    unfinished = f"{newest.rsplit('/', 1)[0]}/{datetime.now(UTC) + timedelta(days=1):%Y%m%dT%H%M%S%f}"
    files.pipe_file(f"{unfinished}/{history_days.FILE}", b"half")
    found = directories_of(files, table_path(SETTINGS, ALARMS), f.compacted_root(SETTINGS, ALARMS), 1)
    assert list(found) == [f"event_date={DAY}"]
    assert found[f"event_date={DAY}"][-1] == newest
