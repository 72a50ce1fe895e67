"""The benchmark of single rows: when they are written."""

import pytest

from bench.ingest import RATE, due_seconds


def test_each_row_is_due_once_in_its_interval_and_not_by_the_beat() -> None:
    due = due_seconds(1_000, seed=1)
    assert [int(at * RATE) for at in due] == list(range(1_000))
    phases = [at * RATE % 1 for at in due]
    tenths = [sum(tenth <= 10 * phase < tenth + 1 for phase in phases) for tenth in range(10)]
    assert tenths == [pytest.approx(100, abs=40)] * 10


def test_rows_are_due_at_the_same_times_for_each_contender_and_at_others_with_another_seed() -> None:
    assert due_seconds(100, seed=1) == due_seconds(100, seed=1) != due_seconds(100, seed=2)
