"""The switch of a compacted partition, on files in memory: only from the directory that was read. And what is written
for so many bytes, on local files with limits to their measure."""

import math
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from pyspark.sql import SparkSession

from clinical.tables import BREACHES, StoredColumn, StoredTable
from infra.errors import WardError
from infra.settings import Hadoop, Settings
from spark_jobs.landing import compaction
from spark_jobs.landing.compaction import MAX_FILE_BYTES, TARGET_FILE_BYTES, Compactor
from spark_jobs.landing.files import base_name, data_files, write_merged_batches

SPEC = {"event_date": "2026-01-31"}
FS = "hdfs://localhost:1"
LATE, HIDDEN, MERGED = (f"0b8c2f5e-0000-4000-8000-000000000001-{batch}.parquet" for batch in (7, 8, 6))


class Metastore:
    """Where the partition points."""

    def __init__(self, location: str | None) -> None:
        self.location = location

    def location_of(self, *_: object) -> str | None:
        return self.location

    def set_location(self, _spark: object, _table: StoredTable, _spec: Mapping[str, str], location: str) -> None:
        self.location = location


@pytest.fixture
def files() -> Any:
    system = MemoryFileSystem()
    system.store.clear()
    system.pipe_file(f"/old/{LATE}", b"late")
    system.pipe_file("/old/merged.parquet", b"merged")
    system.pipe_file("/new/merged.parquet", b"merged")
    return system


def compactor(monkeypatch: pytest.MonkeyPatch, files: Any, metastore: Metastore) -> Compactor:
    for name, fake in {
        "hdfs": lambda _: files,
        "partition_lock": lambda *_: nullcontext(),
        "location_of": metastore.location_of,
        "set_location": metastore.set_location,
    }.items():
        monkeypatch.setattr(f"spark_jobs.landing.compaction.{name}", fake)
    spark: Any = None
    return Compactor(Settings(), spark, BREACHES, None)


def switch(monkeypatch: pytest.MonkeyPatch, files: Any, metastore: Metastore) -> None:
    compactor(monkeypatch, files, metastore)._switch(SPEC, "/old", "/new", {"/old/merged.parquet"})


def test_what_landed_in_the_old_directory_after_its_files_were_listed_is_brought_along_before_that_goes(
    monkeypatch: pytest.MonkeyPatch, files: Any
) -> None:
    metastore = Metastore(f"{FS}/old")
    switched = compactor(monkeypatch, files, metastore)
    write_merged_batches(files, "/new", [MERGED])
    switched._switch(SPEC, "/old", "/new", {"/old/merged.parquet"})
    files.pipe_file(f"/old/{MERGED}", b"merged")
    files.pipe_file(f"/old/{HIDDEN}", b"landed while the lock was lost")
    assert switched.remove_retired(datetime.now(UTC) + timedelta(hours=2)) == ["/old"]
    assert files.cat_file(f"/new/{HIDDEN}") == b"landed while the lock was lost"
    assert {base_name(entry["name"]) for entry in data_files(files, "/new")} == {"merged.parquet", LATE, HIDDEN}
    assert not files.exists("/old")


def test_what_landed_in_the_old_directory_is_brought_along_when_the_failed_run_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, files: Any
) -> None:
    metastore = Metastore(f"{FS}/old")
    switch(monkeypatch, files, metastore)
    files.pipe_file(f"/old/{HIDDEN}", b"landed while the lock was lost")
    compactor(monkeypatch, files, metastore).compact(SPEC)
    assert files.cat_file(f"/new/{HIDDEN}") == b"landed while the lock was lost"


def test_the_partition_points_at_the_new_files_with_what_landed_meanwhile(
    monkeypatch: pytest.MonkeyPatch, files: Any
) -> None:
    metastore = Metastore(f"{FS}/old")
    switch(monkeypatch, files, metastore)
    assert (metastore.location or "").endswith("/new")
    assert files.cat_file(f"/new/{LATE}") == b"late"


@pytest.mark.parametrize("moved", [f"{FS}/other", None], ids=["elsewhere", "gone"])
def test_a_partition_that_was_moved_meanwhile_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, files: Any, moved: str | None
) -> None:
    metastore = Metastore(moved)
    with pytest.raises(WardError, match="points at"):
        switch(monkeypatch, files, metastore)
    assert metastore.location == moved
    assert not files.exists(f"/new/{LATE}")


ROWS = 3000
TABLE = StoredTable(
    "notes",
    "Text that cannot be compressed",
    (
        StoredColumn("patient_id", "STRING", ""),
        StoredColumn("number", "BIGINT", ""),
        StoredColumn("note", "STRING", ""),
    ),
    sort_columns=("patient_id", "number"),
)
EVEN = "sha2(CAST(id AS STRING), 512)"
LONG = ", ".join(f"sha2(CONCAT(id, '-{part}'), 512)" for part in range(20))
LONG_IN_THE_FIRST_THIRD = f"IF(id < {ROWS // 3}, CONCAT({LONG}), '-')"


def rewritten(
    monkeypatch: pytest.MonkeyPatch, spark: SparkSession, directory: Path, note: str, targets: float
) -> tuple[list[int], int]:
    """The sizes of the files into which rows with that note are compacted, which come to so many times the size that
    is aimed at, and the limit for each."""
    rows = spark.range(ROWS).selectExpr("FORMAT_STRING('P%05d', id) AS patient_id", "id AS number", f"{note} AS note")
    rows.coalesce(1).write.parquet(f"file://{directory}/old")
    files = LocalFileSystem()
    sources = data_files(files, f"{directory}/old")
    size = sum(entry["size"] for entry in sources)
    target = int(size / targets)
    limit = target * MAX_FILE_BYTES // TARGET_FILE_BYTES
    monkeypatch.setattr(compaction, "hdfs", lambda _: files)
    monkeypatch.setattr(compaction, "TARGET_FILE_BYTES", target)
    monkeypatch.setattr(compaction, "MAX_FILE_BYTES", limit)
    compactor = Compactor(Settings(hadoop=Hadoop(default_fs="file://")), spark, TABLE, None)
    names = [f"file://{entry['name']}" for entry in sources]
    assert compactor._rewrite(names, size, f"{directory}/new", "event_date=2026-01-31") == ROWS
    return [entry["size"] for entry in data_files(files, f"{directory}/new")], limit


def test_no_file_may_be_larger_than_256_mib_and_less_is_aimed_at() -> None:
    assert MAX_FILE_BYTES == 256 * 1024**2
    assert TARGET_FILE_BYTES < MAX_FILE_BYTES


@pytest.mark.parametrize("targets", [0.9, 1.4, 2.5])
def test_there_are_as_few_files_as_the_size_that_is_aimed_at_allows(
    monkeypatch: pytest.MonkeyPatch, spark: SparkSession, tmp_path: Path, targets: float
) -> None:
    sizes, limit = rewritten(monkeypatch, spark, tmp_path, EVEN, targets)
    assert len(sizes) == math.ceil(targets)
    assert max(sizes) <= limit


def test_rows_of_uneven_length_are_written_again_to_twice_as_many_files_as_one_was_too_large(
    monkeypatch: pytest.MonkeyPatch, spark: SparkSession, tmp_path: Path
) -> None:
    sizes, limit = rewritten(monkeypatch, spark, tmp_path, LONG_IN_THE_FIRST_THIRD, 2.1)
    assert len(sizes) == 6
    assert max(sizes) <= limit
