"""Whether a checkpoint fits its topics."""

from datetime import UTC, datetime, timedelta

from infra.lag import Extent
from spark_jobs.checkpoint import SET_ASIDE, Mismatch, compare, overdue

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
