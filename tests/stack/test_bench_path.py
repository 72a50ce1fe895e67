"""The benchmarks of the whole way, at a tiny size: what comes out is what went in, and nothing of theirs is left."""

from __future__ import annotations

import pytest

from bench import alert, start, sustained
from bench.figures import Report, Size
from infra.settings import Settings
from tests.stack.leftovers import assert_nothing_is_left

pytestmark = pytest.mark.leaves_streams

TINY = Size(seed=1, tiny=True, say=print)


def figures_of(report: Report) -> dict[str, str]:
    return {figure.name: figure.value for figure in report.figures}


def test_each_alarm_of_the_alert_benchmark_is_one_mail(stack: Settings) -> None:
    report = alert.measure(TINY)
    assert figures_of(report)["patients with one mail each"] == "3 of 3"
    assert_nothing_is_left(stack)


def test_every_row_of_the_sustained_benchmark_is_in_hive_once(stack: Settings) -> None:
    report = sustained.measure(TINY)
    details = report.details["50"]
    assert details["rows"] > 100
    assert details["lags"].keys() >= {"vitals-producer", "land-vitals", "detect-breaches"}
    assert details["cores"]["kafka"] > 0
    assert details["memory_bytes"]["land-vitals"] > 2**27
    assert_nothing_is_left(stack)


def test_a_tiny_start_tells_what_each_process_costs(stack: Settings) -> None:
    memory = start.measure(TINY).details["memory_bytes"]
    assert memory.keys() >= {"kafka", "land-vitals", "alert-engine"}
