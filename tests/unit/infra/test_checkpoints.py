"""Reading a Spark checkpoint, and the lag that follows from it."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from infra.checkpoints import (
    Checkpoint,
    CommittedOffsets,
    clear_unbegun,
    commit_times,
    parse_offsets,
    read_checkpoint,
)
from infra.errors import ConfigurationError
from infra.lag import Extent, waiting

OFFSETS = b'v1\n{"batchWatermarkMs":0,"conf":{}}\n{"vital-info":{"0":12,"1":7}}'


@pytest.fixture
def files() -> Any:
    system = MemoryFileSystem()
    system.store.clear()
    system.pipe_file("/c/metadata", b'{"id":"q"}')
    system.mkdirs("/c/commits", exist_ok=True)
    return system


def test_a_checkpoint_that_was_never_begun_is_none(files: Any) -> None:
    assert read_checkpoint(files, "/elsewhere") is None


def test_the_newest_commit_counts_and_temporary_files_do_not(files: Any) -> None:
    for name in ("0", "9", "10", ".11.tmp"):
        files.pipe_file(f"/c/commits/{name}", b"v1\n{}")
    files.pipe_file("/c/offsets/10", OFFSETS)
    assert read_checkpoint(files, "/c") == Checkpoint("q", 10, {"vital-info": {0: 12, 1: 7}})


def test_a_commit_is_of_the_time_at_which_it_was_written_and_temporary_files_are_none(files: Any) -> None:
    listed = [("0", 1000), ("1", 61_500), (".2.tmp", 122_000)]
    hdfs = Mock()
    hdfs.ls.return_value = [{"name": f"/c/commits/{name}", "modificationTime": at} for name, at in listed]
    assert commit_times(hdfs, "/c") == [1000, 61_500]
    assert commit_times(files, "/elsewhere") == []


def test_what_is_left_of_the_very_first_plan_is_removed_and_nothing_once_there_is_one(files: Any) -> None:
    clear_unbegun(files, "/elsewhere")
    files.pipe_file("/c/offsets/.0.b58f60cd.tmp", b"")
    clear_unbegun(files, "/c")
    assert not files.exists("/c/offsets/.0.b58f60cd.tmp")
    for name in ("0", ".1.b58f60cd.tmp"):
        files.pipe_file(f"/c/offsets/{name}", OFFSETS)
    clear_unbegun(files, "/c")
    assert len(files.ls("/c/offsets", detail=False)) == 2


@pytest.mark.parametrize("left", [".0.b58f60cd.tmp", "0"])
def test_a_first_commit_without_its_offsets_is_removed(files: Any, left: str) -> None:
    files.pipe_file(f"/c/commits/{left}", b"")
    clear_unbegun(files, "/c")
    assert files.ls("/c/commits", detail=False) == []


@pytest.mark.parametrize("begun", ["offsets/0", "commits/7"])
def test_a_first_commit_beside_anything_else_stays(files: Any, begun: str) -> None:
    for name in (begun, "commits/0", "commits/.8.tmp"):
        files.pipe_file(f"/c/{name}", OFFSETS)
    clear_unbegun(files, "/c")
    assert all(files.exists(f"/c/{name}") for name in (begun, "commits/0", "commits/.8.tmp"))


def test_before_the_first_commit_nothing_has_been_read(files: Any) -> None:
    files.pipe_file("/c/offsets/0", OFFSETS)
    files.pipe_file("/c/commits/.0.tmp", b"")
    assert read_checkpoint(files, "/c") == Checkpoint("q", -1, {})


def test_batches_up_to_the_newest_and_those_of_other_queries_are_committed() -> None:
    checkpoint = Checkpoint("q", 10, {})
    assert checkpoint.committed("q", 10)
    assert not checkpoint.committed("q", 11)
    assert checkpoint.committed("abandoned", 11)


def test_a_checkpoint_of_another_form_is_refused_with_what_to_do(files: Any) -> None:
    files.pipe_file("/c/commits/0", b"v2\n{}")
    files.pipe_file("/c/offsets/0", OFFSETS.replace(b"v1", b"v2"))
    with pytest.raises(ConfigurationError, match=r"/c is of the form .*v2.*Go on with the version"):
        read_checkpoint(files, "/c")


def test_an_absent_source_line_is_no_offset() -> None:
    assert parse_offsets(b"v1\n{}\n-") == {}


def test_lag_counts_from_the_next_offset_and_from_the_beginning_where_nothing_was_read() -> None:
    extents = {"t": {0: Extent(0, 10), 1: Extent(5, 9)}}
    assert waiting(extents, {"t": {0: 7}}) == 3 + 4
    assert waiting(extents, {"t": {0: 10, 1: 9}}) == 0
    assert waiting(extents, {"t": {0: 12, 1: 9}}) == 0


def commit(checkpoint: Path, batch: int, offset: int) -> None:
    """As Spark does: first what a batch is to read, then that it is done."""
    for part, written in (("offsets", b'v1\n{}\n{"t":{"0":%d}}' % offset), ("commits", b"v1\n{}")):
        (checkpoint / part).mkdir(parents=True, exist_ok=True)
        (checkpoint / part / str(batch)).write_bytes(written)


def test_who_asks_again_and_again_is_told_of_each_commit(tmp_path: Path) -> None:
    files, committed = LocalFileSystem(), CommittedOffsets(str(tmp_path / "c"))
    assert committed.read(files) == {}
    for batch, offset in ((0, 3), (9, 5), (10, 8)):
        commit(tmp_path / "c", batch, offset)
        assert committed.read(files) == {"t": {0: offset}}


def test_a_batch_that_was_begun_and_not_committed_has_read_nothing(tmp_path: Path) -> None:
    files, committed = LocalFileSystem(), CommittedOffsets(str(tmp_path))
    commit(tmp_path, 0, 3)
    commit(tmp_path, 1, 9)
    (tmp_path / "commits" / "1").rename(tmp_path / "commits" / ".1.tmp")
    assert committed.read(files) == {"t": {0: 3}}


def test_offsets_are_read_again_only_after_another_commit(tmp_path: Path) -> None:
    files, committed = LocalFileSystem(), CommittedOffsets(str(tmp_path))
    commit(tmp_path, 4, 3)
    committed.read(files)
    (tmp_path / "offsets" / "4").unlink()
    assert committed.read(files) == {"t": {0: 3}}
    commit(tmp_path, 5, 7)
    assert committed.read(files) == {"t": {0: 7}}


def test_a_checkpoint_that_was_set_aside_and_begun_anew_is_read_anew(tmp_path: Path) -> None:
    files, committed = LocalFileSystem(), CommittedOffsets(str(tmp_path / "c"))
    commit(tmp_path / "c", 4, 300)
    committed.read(files)
    (tmp_path / "c").rename(tmp_path / "aside")
    assert committed.read(files) == {}
    commit(tmp_path / "c", 0, 2)
    assert committed.read(files) == {"t": {0: 2}}


def test_offsets_of_another_form_are_refused_at_each_look(tmp_path: Path) -> None:
    files, committed = LocalFileSystem(), CommittedOffsets(str(tmp_path))
    commit(tmp_path, 0, 3)
    (tmp_path / "offsets" / "0").write_bytes(b"v2\n{}")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="Go on with the version"):
            committed.read(files)
