"""The benchmark of the backlog: how long it looks, and what it makes of what it saw."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest

from bench import backlog
from bench.backlog import BINLOG, SLOWEST, SNAPSHOT, _report, _slowest, _until_still
from bench.carriers import PRODUCT
from bench.meter import Reading
from infra.errors import WardError
from infra.lag import Extent, Extents


class Topic:
    """A topic as it is found at each look, the last one again and again, and the meter of what fills it."""

    def __init__(self, *ends: int) -> None:
        self._ends = list(ends)

    def extents(self, topics: Iterable[str]) -> Extents:
        end = self._ends.pop(0) if len(self._ends) > 1 else self._ends[0]
        return {topic: {0: Extent(0, end)} for topic in topics}

    def read(self) -> Reading:
        return Reading(time.perf_counter(), 0.0, {}, 0.0, 0.0)


def looks(*ends: int, rows: int) -> list[int]:
    topic: Any = Topic(*ends)
    return [look.end for look in _until_still(topic, "rows", topic, rows)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(backlog, "QUIET_SECONDS", 0.01)


def test_rows_are_counted_from_the_last_empty_look_to_the_first_full_one() -> None:
    assert looks(0, 0, 4, 10, rows=10) == [0, 10]


@pytest.mark.parametrize("end", [0, 4])
def test_a_carrier_that_lives_and_carries_nothing_is_not_waited_for_for_ever(
    end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "STUCK_SECONDS", 0.05)
    with pytest.raises(WardError, match=f"Of 10 rows {end} have arrived, and none for"):
        looks(0, end, rows=10)


def test_the_slowest_step_is_found_in_each_round() -> None:
    samples = {
        "reading alone": [{"rows/s": 5.0}, {"rows/s": 2.0}],
        "producing alone": [{"rows/s": 4.0}, {"rows/s": 9.0}],
    }
    assert _slowest(samples, samples) == [{"rows/s": 4.0}, {"rows/s": 2.0}]


def test_the_goals_are_against_both_ways_of_debezium_and_against_the_slowest_step() -> None:
    def one(rate: float, processor: float) -> list[dict[str, float]]:
        return [{"rows/s": rate, "processor per million rows": processor}]

    samples = {PRODUCT: one(60, 10), SNAPSHOT: one(30, 20), BINLOG: one(50, 40), SLOWEST: [{"rows/s": 100.0}]}
    figures = {figure.name.strip(): (figure.value, figure.met) for figure in _report(samples, 1000).figures}
    assert figures[f"rows/s: {PRODUCT} / {SNAPSHOT}"] == ("2.00", True)
    assert figures[f"rows/s: {PRODUCT} / {BINLOG}"] == ("1.20", False)
    assert figures[f"rows/s: {PRODUCT} / {SLOWEST}"] == ("0.60", True)
    assert figures[f"processor per million rows: {PRODUCT} / {SNAPSHOT}"] == ("0.50", False)
    assert figures[f"processor per million rows: {PRODUCT} / {BINLOG}"] == ("0.25", True)
