"""Which directory of a partition holds everything, and what is copied to it so that it does."""

from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from spark_jobs.landing.files import complete, write_merged_batches
from spark_jobs.landing.rebuild import directories_of

QUERY = "6a1c0f52-9d0e-4d38-8a6f-0123456789ab"
BASE, COMPACTED = "/hive/t", "/hive/t_compacted"
HOUR = "event_date=2026-01-31/event_hour=5"


@pytest.fixture
def files() -> Any:
    system = MemoryFileSystem()
    system.store.clear()
    return system


def batch(number: int) -> str:
    return f"{QUERY}-{number}.parquet"


def compacted(files: Any, time: str, *merged: int) -> str:
    """A directory that compaction finished, with the batches that it merged."""
    directory = f"{COMPACTED}/{HOUR}/{time}"
    files.pipe_file(f"{directory}/part-0.parquet", b"rows")
    write_merged_batches(files, directory, map(batch, merged))
    return directory


def test_a_partition_that_was_never_compacted_is_where_it_landed(files: Any) -> None:
    files.pipe_file(f"{BASE}/{HOUR}/{batch(1)}", b"rows")
    assert directories_of(files, BASE, COMPACTED, 2) == {HOUR: [f"{BASE}/{HOUR}"]}


def test_the_newest_compacted_directory_comes_last_and_an_unfinished_one_not_at_all(files: Any) -> None:
    files.pipe_file(f"{BASE}/{HOUR}/{batch(1)}", b"rows")
    second, first = compacted(files, "20260131T080000", 1, 2), compacted(files, "20260131T070000", 1)
    files.pipe_file(f"{COMPACTED}/{HOUR}/20260131T090000/part-0.parquet", b"half")
    files.pipe_file(f"{COMPACTED}/_retired/entry.json", b"{}")
    assert directories_of(files, BASE, COMPACTED, 2) == {HOUR: [f"{BASE}/{HOUR}", first, second]}


def test_a_partition_whose_first_directory_was_removed_is_found(files: Any) -> None:
    files.makedirs(BASE)
    only = compacted(files, "20260131T070000", 1)
    assert directories_of(files, BASE, COMPACTED, 2) == {HOUR: [only]}


def test_a_batch_that_landed_elsewhere_is_copied_and_one_that_was_merged_is_not(files: Any) -> None:
    files.pipe_file(f"{BASE}/{HOUR}/{batch(1)}", b"merged")
    files.pipe_file(f"{BASE}/{HOUR}/{batch(2)}", b"landed later")
    newest = compacted(files, "20260131T070000", 1)
    assert complete(files, newest, [f"{BASE}/{HOUR}"]) == [batch(2)]
    assert files.cat_file(f"{newest}/{batch(2)}") == b"landed later"
    assert not files.exists(f"{newest}/{batch(1)}")
    assert complete(files, newest, [f"{BASE}/{HOUR}"]) == []


def test_a_copy_that_was_cut_off_is_made_again(files: Any) -> None:
    files.pipe_file(f"{BASE}/{HOUR}/{batch(2)}", b"landed later")
    newest = compacted(files, "20260131T070000", 1)
    files.pipe_file(f"{newest}/{batch(2)}", b"lan")
    assert complete(files, newest, [f"{BASE}/{HOUR}"]) == [batch(2)]
    assert files.cat_file(f"{newest}/{batch(2)}") == b"landed later"


def test_what_an_older_compaction_wrote_is_never_copied(files: Any) -> None:
    older = compacted(files, "20260131T070000", 1)
    newest = compacted(files, "20260131T080000", 1, 2)
    assert complete(files, newest, [older]) == []
