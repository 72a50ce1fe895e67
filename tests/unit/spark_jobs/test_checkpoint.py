"""Whether a checkpoint fits its topics, and what is said of one that cannot be read."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from infra.errors import ConfigurationError
from infra.lag import Extent
from spark_jobs.checkpoint import SET_ASIDE, Mismatch, aside, compare, overdue, read_or_refuse

EXTENTS = {"a": {0: Extent(10, 20), 1: Extent(0, 5)}, "b": {0: Extent(0, 0)}}


def test_a_checkpoint_inside_its_topics_fits() -> None:
    assert compare(EXTENTS, {"a": {0: 10, 1: 5}, "b": {0: 0}}) == Mismatch(vanished=0, beyond=False)


def test_a_checkpoint_that_has_not_begun_fits() -> None:
    assert compare(EXTENTS, {}) == Mismatch(vanished=0, beyond=False)


def test_records_deleted_before_they_were_judged_are_counted() -> None:
    assert compare(EXTENTS, {"a": {0: 3, 1: 2}}) == Mismatch(vanished=7, beyond=False)


def test_a_checkpoint_beyond_its_topic_belongs_to_another_one() -> None:
    assert compare(EXTENTS, {"a": {0: 15, 1: 6}}).beyond


def test_what_was_set_aside_long_ago_is_overdue_and_nothing_else() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)

    def set_aside(name: str, days: float) -> str:
        return f"{name}{SET_ASIDE}{int((now - timedelta(days=days)).timestamp() * 1000)}"

    old = set_aside("/c/detect", 30.1)
    others = [set_aside("/c/detect", 29.9), set_aside("/c/land", 300), "/c/detect", f"/c/detect{SET_ASIDE}by-hand"]
    assert overdue([*others, old], "/c/detect", now, 30) == [old]


def test_what_a_sentence_tells_to_move_is_overdue_one_day() -> None:
    moved_to = aside("/c/detect")
    tomorrow = datetime.fromtimestamp(time.time(), UTC) + timedelta(days=31)
    assert overdue([moved_to], "/c/detect", tomorrow, 30) == [moved_to]


class Files:
    """A checkpoint in memory: name below it -> content."""

    def __init__(self, content: Mapping[str, bytes]) -> None:
        self._content = content

    def cat_file(self, path: str) -> bytes:
        if path.removeprefix("/c/land/") not in self._content:
            raise FileNotFoundError(path)
        return self._content[path.removeprefix("/c/land/")]

    def ls(self, path: str, detail: bool) -> list[str]:
        assert not detail
        return [f"/c/land/{name}" for name in self._content if f"/c/land/{name}".startswith(f"{path}/")]


WHOLE = {
    "metadata": b'{"id":"1f"}',
    "offsets/7": b'v1\n{"batchTimestampMs":1}\n{"vital-info":{"0":5}}',
    "commits/7": b"v1\n{}",
}


def test_a_whole_checkpoint_is_read_and_one_that_was_never_begun_is_none() -> None:
    read = read_or_refuse(Files(WHOLE), "/c/land", "")
    assert read is not None
    assert (read.last_batch, read.offsets) == (7, {"vital-info": {0: 5}})
    assert read_or_refuse(Files({}), "/c/land", "") is None


@pytest.mark.parametrize(
    "damage",
    [
        {"metadata": b""},
        {"metadata": b"[]"},
        {"offsets/7": b'v1\n{}\n{"vital-info":{"0"'},
        {"offsets/7": b'v1\n{}\n{"vital-info":5}'},
    ],
)
def test_a_damaged_checkpoint_is_refused_by_its_place_with_what_to_do(damage: Mapping[str, bytes]) -> None:
    with pytest.raises(ConfigurationError, match=re.escape("The checkpoint /c/land on HDFS cannot be read")) as refused:
        read_or_refuse(Files({**WHOLE, **damage}), "/c/land", "move it away.")
    assert str(refused.value).endswith("move it away.")


def test_a_checkpoint_that_lacks_the_plan_of_what_it_committed_is_refused() -> None:
    without = {name: content for name, content in WHOLE.items() if name != "offsets/7"}
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_or_refuse(Files(without), "/c/land", "")
