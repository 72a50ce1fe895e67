"""The switch of a compacted partition, on files in memory: only from the directory that was read."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from clinical.tables import BREACHES, StoredTable
from infra.errors import WardError
from infra.settings import Settings
from spark_jobs.landing.compaction import Compactor

SPEC = {"event_date": "2026-01-31"}
FS = "hdfs://localhost:1"
LATE = "0b8c2f5e-0000-4000-8000-000000000001-7.parquet"


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


def switch(monkeypatch: pytest.MonkeyPatch, files: Any, metastore: Metastore) -> None:
    for name, fake in {
        "hdfs": lambda _: files,
        "partition_lock": lambda *_: nullcontext(),
        "location_of": metastore.location_of,
        "set_location": metastore.set_location,
    }.items():
        monkeypatch.setattr(f"spark_jobs.landing.compaction.{name}", fake)
    spark: Any = None
    Compactor(Settings(), spark, BREACHES, None)._switch(SPEC, "/old", "/new", {"/old/merged.parquet"})


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
