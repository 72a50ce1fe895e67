"""Whether a checkpoint fits its topics."""

from infra.lag import Extent
from spark_jobs.checkpoint import Mismatch, compare

EXTENTS = {"a": {0: Extent(10, 20), 1: Extent(0, 5)}, "b": {0: Extent(0, 0)}}


def test_a_checkpoint_inside_its_topics_fits() -> None:
    assert compare(EXTENTS, {"a": {0: 10, 1: 5}, "b": {0: 0}}) == Mismatch(vanished=0, beyond=False)


def test_a_checkpoint_that_has_not_begun_fits() -> None:
    assert compare(EXTENTS, {}) == Mismatch(vanished=0, beyond=False)


def test_records_deleted_before_they_were_judged_are_counted() -> None:
    assert compare(EXTENTS, {"a": {0: 3, 1: 2}}) == Mismatch(vanished=7, beyond=False)


def test_a_checkpoint_beyond_its_topic_belongs_to_another_one() -> None:
    assert compare(EXTENTS, {"a": {0: 15, 1: 6}}).beyond
