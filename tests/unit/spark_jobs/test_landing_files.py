"""Names of landed files, the ledger of retired directories, and which partitions are closed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from clinical.tables import BREACHES, VITAL_READINGS
from infra.settings import Settings
from spark_jobs.compact_readings import closed_partitions, older_partitions
from spark_jobs.landing.batch import Batch, sweep_staging
from spark_jobs.landing.files import (
    StagedFile,
    batch_name,
    copy,
    has_landed,
    is_data,
    new_directory,
    parse_batch_file,
    parse_spec,
    path_of,
    staged_files,
    write_merged_batches,
)
from spark_jobs.landing.retired import Ledger, Retired

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def files() -> Any:
    system = MemoryFileSystem()
    system.store.clear()
    return system


@given(query=st.uuids(), batch=st.integers(0, 10**9))
def test_a_landed_file_tells_its_query_and_batch(query: UUID, batch: int) -> None:
    assert parse_batch_file(f"{batch_name(str(query), batch)}.parquet") == (str(query), batch)


@pytest.mark.parametrize("name", ["part-00000-5f1c.snappy.parquet", "_batches", "x-1.parquet", ""])
def test_other_files_are_no_batch_files(name: str) -> None:
    assert parse_batch_file(name) is None


def test_hidden_files_and_markers_are_no_data() -> None:
    assert [name for name in ("_SUCCESS", ".tmp", "_batches", "a.parquet") if is_data(name)] == ["a.parquet"]


def test_locations_and_partitions_are_taken_apart() -> None:
    assert path_of("hdfs://localhost:19820/w/hive/t/event_date=2026-01-31") == "/w/hive/t/event_date=2026-01-31"
    assert parse_spec("event_date=2026-01-31/event_hour=5") == {"event_date": "2026-01-31", "event_hour": "5"}


def test_a_new_directory_sorts_behind_its_siblings_also_when_the_clock_was_set_back(files: Any) -> None:
    first = new_directory(files, "/c/event_date=a")
    assert first.startswith("/c/event_date=a/20")
    files.pipe_file("/c/event_date=a/29991231T235959999999/part.parquet", b"")
    assert new_directory(files, "/c/event_date=a") == "/c/event_date=a/30000101T000000000000"


def test_staged_files_are_found_with_their_partitions_and_without_markers(files: Any) -> None:
    for name in ("_SUCCESS", "event_date=b/event_hour=1/part.parquet", "event_date=a/event_hour=2/part.parquet"):
        files.pipe_file(f"/s/{name}", b"x")
    assert staged_files(files, "/s", 2) == [
        StagedFile("/s/event_date=a/event_hour=2/part.parquet", "event_date=a/event_hour=2"),
        StagedFile("/s/event_date=b/event_hour=1/part.parquet", "event_date=b/event_hour=1"),
    ]


def test_a_batch_has_landed_when_its_file_is_there_or_was_merged(files: Any) -> None:
    files.pipe_file("/d/q-1.parquet", b"x")
    write_merged_batches(files, "/d", {"q-0.parquet"})
    assert has_landed(files, "/d", "q-0.parquet")
    assert has_landed(files, "/d", "q-1.parquet")
    assert not has_landed(files, "/d", "q-2.parquet")
    assert not has_landed(files, "/nowhere", "q-1.parquet")


def test_what_an_abandoned_query_staged_is_swept_and_other_tables_are_left(
    files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    abandoned = Batch(settings, "0b8c2f5e-0000-4000-8000-000000000001", 7)
    for table in (BREACHES, VITAL_READINGS):
        files.pipe_file(f"{abandoned.staging(table)}/event_date=2026-01-31/part.parquet", b"patients")
    monkeypatch.setattr("spark_jobs.landing.batch.hdfs", lambda _: files)
    for _ in range(2):
        sweep_staging(settings, BREACHES)
        assert not files.exists(abandoned.staging(BREACHES))
    assert files.exists(abandoned.staging(VITAL_READINGS))


def test_a_copy_is_equal(files: Any) -> None:
    files.pipe_file("/d/a", bytes(range(256)) * 1000)
    copy(files, "/d/a", "/d/b")
    assert files.cat_file("/d/b") == files.cat_file("/d/a")


def test_a_replaced_directory_is_removed_an_hour_later_and_not_before(files: Any) -> None:
    ledger = Ledger(files, "/ledger")
    files.pipe_file("/old/data", b"x")
    ledger.enter(Retired("/old", {"event_date": "2026-01-31"}, NOON))
    assert ledger.remove_due(NOON + timedelta(minutes=59), lambda _: "/new") == []
    assert files.exists("/old/data")
    assert ledger.remove_due(NOON + timedelta(minutes=60), lambda _: "/new") == ["/old"]
    assert not files.exists("/old")
    assert ledger.entries() == []


def test_a_directory_that_a_partition_points_at_is_never_removed(files: Any) -> None:
    ledger = Ledger(files, "/ledger")
    files.pipe_file("/current/data", b"x")
    ledger.enter(Retired("/current", {}, NOON))
    assert ledger.remove_due(NOON + timedelta(days=1), lambda _: "/current") == []
    assert files.exists("/current/data")
    assert ledger.entries() == []


def test_entering_a_directory_again_starts_its_hour_anew(files: Any) -> None:
    ledger = Ledger(files, "/ledger")
    ledger.enter(Retired("/old", {}, NOON))
    ledger.enter(Retired("/old", {}, NOON + timedelta(minutes=30)))
    assert [entry.at for entry in ledger.entries()] == [NOON + timedelta(minutes=30)]


def test_an_entry_that_was_cut_off_is_dropped(files: Any) -> None:
    files.pipe_file("/ledger/x.json", b'{"directory": "/o')
    assert Ledger(files, "/ledger").entries() == []
    assert not files.exists("/ledger/x.json")


def test_hours_that_ended_in_the_interval_are_closed() -> None:
    found = list(closed_partitions(VITAL_READINGS, NOON, NOON + timedelta(hours=2)))
    assert found == [
        {"event_date": "2026-01-31", "event_hour": "12"},
        {"event_date": "2026-01-31", "event_hour": "13"},
    ]


def test_an_hour_that_has_not_ended_is_left_alone() -> None:
    assert list(closed_partitions(VITAL_READINGS, NOON, NOON + timedelta(minutes=59))) == []


def test_a_day_is_compacted_with_its_last_hour_only() -> None:
    days = {
        hour: list(closed_partitions(BREACHES, start, start + timedelta(hours=1)))
        for hour in range(24)
        if (start := NOON.replace(hour=hour))
    }
    assert days.pop(23) == [{"event_date": "2026-01-31"}]
    assert not any(days.values())


def test_with_the_end_of_a_day_all_older_hours_are_looked_at_in_which_something_may_have_landed() -> None:
    last = NOON.replace(hour=23)
    older = list(older_partitions(VITAL_READINGS, last, last + timedelta(hours=1), 2))
    assert older[0] == {"event_date": "2026-01-28", "event_hour": "23"}
    assert older[-1] == {"event_date": "2026-01-31", "event_hour": "22"}
    assert len(older) == 72
    assert list(older_partitions(BREACHES, last, last + timedelta(hours=1), 2)) == [
        {"event_date": f"2026-01-{day}"} for day in (28, 29, 30)
    ]
    assert not any(older_partitions(VITAL_READINGS, NOON, NOON + timedelta(hours=1), 2))


@given(start=st.integers(0, 72), hours=st.integers(1, 48), split=st.integers(1, 48))
def test_two_adjacent_intervals_compact_what_the_whole_does(start: int, hours: int, split: int) -> None:
    begin = NOON + timedelta(hours=start)
    middle, end = begin + timedelta(hours=split), begin + timedelta(hours=split + hours)
    for table in (VITAL_READINGS, BREACHES):
        parts = [*closed_partitions(table, begin, middle), *closed_partitions(table, middle, end)]
        assert parts == list(closed_partitions(table, begin, end))
