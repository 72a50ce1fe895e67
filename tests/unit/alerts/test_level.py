"""Several topics come out level: in the order of their timestamps, and nobody waits for a partition that has ended."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alerts.batch import Record
from alerts.level import Level

BREACHES, VALUES = ("doctors-queue", 0), ("vital-info", 0)


def record(partition: tuple[str, int], offset: int, timestamp: int) -> Record:
    return Record(*partition, offset, timestamp, b"P-1", b"")


def level() -> Level:
    return Level([BREACHES, VALUES])


def test_records_of_two_topics_come_out_in_the_order_of_their_time() -> None:
    both = level()
    both.add([record(BREACHES, 0, 10), record(BREACHES, 1, 30), record(VALUES, 0, 5), record(VALUES, 1, 20)])
    released = both.release({BREACHES, VALUES}, 100)
    assert [one.timestamp for one in released] == [5, 10, 20, 30]
    assert both.is_empty


def test_what_is_younger_than_an_unfinished_partition_has_reached_waits() -> None:
    both = level()
    both.add([record(BREACHES, 0, 10), record(BREACHES, 1, 30), record(VALUES, 0, 20)])
    assert [one.timestamp for one in both.release({BREACHES}, 100)] == [10, 20]
    assert both.waiting(BREACHES) == 1
    both.add([record(VALUES, 1, 40)])
    assert [one.timestamp for one in both.release({BREACHES}, 100)] == [30, 40]


def test_nothing_comes_out_before_an_unfinished_partition_has_told_its_time() -> None:
    both = level()
    both.add([record(BREACHES, 0, 10)])
    assert both.release({BREACHES}, 100) == []
    assert [one.timestamp for one in both.release({BREACHES, VALUES}, 100)] == [10]


def test_no_more_come_out_than_asked_for_and_the_rest_comes_next() -> None:
    both = level()
    both.add(record(VALUES, n, n) for n in range(5))
    assert len(both.release({BREACHES, VALUES}, 3)) == 3
    assert [one.offset for one in both.release({BREACHES, VALUES}, 3)] == [3, 4]


@given(
    st.lists(st.tuples(st.sampled_from([BREACHES, VALUES]), st.integers(0, 50)), max_size=40),
    st.integers(1, 7),
)
def test_every_record_comes_out_once_and_in_its_partition_in_order(written: Any, most: int) -> None:
    both = level()
    offsets = {BREACHES: 0, VALUES: 0}
    expected, released = [], []
    for partition, timestamp in written:
        one = record(partition, offsets[partition], timestamp)
        offsets[partition] += 1
        expected.append(one)
        both.add([one])
        released += both.release({partition}, most)
    while not both.is_empty:
        released += both.release({BREACHES, VALUES}, most)
    for partition in (BREACHES, VALUES):
        assert [one for one in released if (one.topic, one.partition) == partition] == [
            one for one in expected if (one.topic, one.partition) == partition
        ]
