"""The benchmark of the backlog: what it makes of what it saw."""

from bench.backlog import BINLOG, SLOWEST, SNAPSHOT, _report, _slowest
from bench.carriers import PRODUCT


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
