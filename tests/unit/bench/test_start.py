"""The benchmark of the start: what it makes of what it saw."""

from __future__ import annotations

import os

from bench.start import GIB, MIB, _processor_seconds, _report
from infra.supervise import Process


def test_the_goals_are_for_the_median_start_and_for_the_memory_of_all() -> None:
    report = _report([70.0, 200.0, 80.0], {"kafka": 300 * MIB, "hbase": 11 * GIB}, {"kafka": 0.05}, 60)
    figures = {figure.name: (figure.value, figure.met) for figure in report.figures}
    assert figures["`./ward up`, median"] == ("80 s", True)
    assert figures["  from the fastest to the slowest"] == ("70 to 200 s", None)
    assert figures["memory in all"] == ("11.3 GiB", False)
    assert figures["  kafka"] == ("300 MiB, 5 % of a core", None)
    assert [figure.name.strip() for figure in report.figures[-2:]] == ["hbase", "kafka"]


def test_processor_time_is_of_a_process_and_all_below_it_and_none_of_one_that_is_gone() -> None:
    running = {
        "this": Process("this", "RUNNING", os.getpid(), 0.0),
        "gone": Process("gone", "RUNNING", 2**22 - 1, 0.0),
    }
    found = _processor_seconds(running)
    assert found.keys() == {"this"}
    assert found["this"] > 0
