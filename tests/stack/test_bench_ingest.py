"""The benchmarks of the way from MySQL to Kafka, at a tiny size: every row arrives once with each carrier."""

from __future__ import annotations

import pytest

from bench import backlog, ingest
from bench.carriers import PRODUCT
from bench.figures import Size
from bench.scratch import is_own
from infra.settings import Settings

pytestmark = pytest.mark.own_world

TINY = Size(seed=1, tiny=True, say=print)


def test_single_rows_are_timed_with_the_producer_and_with_its_peer(stack: Settings) -> None:
    report = ingest.measure(TINY)
    measured = report.details["samples"]
    assert set(measured) == {PRODUCT, ingest.DEBEZIUM_TUNED}
    assert all(one[measure.name] > 0 for [one] in measured.values() for measure in ingest.GOALS)
    assert all(measure.name in one for [one] in measured.values() for measure in ingest.SERVERS.values())


def test_a_backlog_is_carried_by_the_producer_by_both_ways_of_its_peer_and_by_each_step_alone(stack: Settings) -> None:
    report = backlog.measure(TINY)
    measured = report.details["samples"]
    steps = {"reading alone", "encoding alone", "producing alone"}
    assert set(measured) == {PRODUCT, backlog.SNAPSHOT, backlog.BINLOG, backlog.SLOWEST, *steps}
    assert all(one[backlog.RATE.name] > 0 for [one] in measured.values())
    assert not [path for path in (stack.state_dir / "bench").iterdir() if is_own(path.name)]
