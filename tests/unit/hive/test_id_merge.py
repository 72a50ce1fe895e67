"""Comparing two ascending streams of ids."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.id_merge import LISTED_IDS, compare, stored_ids

ids = st.integers(0, 60)


@given(expected=st.sets(ids), found=st.lists(ids))
def test_the_merge_agrees_with_set_arithmetic(expected: set[int], found: list[int]) -> None:
    difference = compare(sorted(expected), sorted(found))
    assert difference.missing.first == sorted(expected - set(found))
    assert difference.unexpected.first == sorted(set(found) - expected)
    assert difference.duplicates.first == sorted(i for i, copies in Counter(found).items() if copies > 1)
    assert difference.expected == len(expected)
    assert difference.found == len(found)


def test_all_differences_are_counted_and_only_the_first_are_kept() -> None:
    difference = compare(range(LISTED_IDS * 3), [])
    assert difference.missing.count == LISTED_IDS * 3
    assert difference.missing.first == list(range(LISTED_IDS))


def test_a_reading_that_was_rejected_before_it_landed_counts_once_and_one_that_landed_twice_counts_twice() -> None:
    rows = [(1, 1), (2, 0), (3, 0), (3, 0), (4, 0), (4, 1), (5, 1), (5, 1), (6, 1), (6, 0), (6, 1)]
    assert list(stored_ids(rows)) == [1, 2, 3, 4, 5, 5, 6, 6]


@pytest.mark.parametrize("side", [0, 1])
def test_a_stream_out_of_order_is_refused(side: int) -> None:
    streams: list[list[int]] = [[1, 2, 3], [1, 2, 3]]
    streams[side] = [1, 3, 2]
    with pytest.raises(ValueError, match="2 came after 3"):
        compare(*streams)
