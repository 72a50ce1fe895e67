"""The benchmark of recent readings at a tiny size: it works and finds everything right; nothing is timed."""

from __future__ import annotations

import pytest

from bench import recent
from bench.figures import Size
from hbase.table import connected
from infra.settings import Settings

pytestmark = pytest.mark.own_world


def test_each_question_is_answered_with_what_was_written(stack: Settings) -> None:
    report = recent.measure(Size(seed=1, tiny=True, say=print))
    names = {figure.name for figure in report.figures}
    assert {
        f"{question}, p{share}"
        for question in (recent.LAST, recent.LAST_GLUCOSE, recent.BY_MINUTE)
        for share in (50, 99)
    } <= names
    assert len(report.details["batches"]) == recent.TINY.batches
    with connected(stack) as connection:
        assert [name for name in connection.tables() if name.startswith(b"bench_")] == []
