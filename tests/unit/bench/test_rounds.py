"""Contenders measured in turn."""

from collections.abc import Callable, Mapping

import pytest

from bench.rounds import Goal, Measure, alternate, lines, median_ratio, ratio

LATENCY = Measure("p50", "ms")


def contender(name: str, ran: list[str], *values: float) -> Callable[[], Mapping[str, float]]:
    left = list(values)

    def run() -> Mapping[str, float]:
        ran.append(name)
        return {"p50": left.pop(0)}

    return run


def test_each_contender_runs_once_a_round_and_none_is_always_the_first() -> None:
    ran: list[str] = []
    samples = alternate(
        {"ours": contender("ours", ran, 1, 2, 3), "theirs": contender("theirs", ran, 2, 2, 2)}, 3, lambda _: None
    )
    assert ran == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert samples == {"ours": [{"p50": 1}, {"p50": 2}, {"p50": 3}], "theirs": [{"p50": 2}] * 3}


def test_a_ratio_is_taken_within_each_round_so_that_a_slow_spell_slows_both() -> None:
    samples = {
        "ours": [{"p50": 1.0}, {"p50": 10.0}, {"p50": 1.0}],
        "theirs": [{"p50": 2.0}, {"p50": 20.0}, {"p50": 2.0}],
    }
    assert median_ratio(samples, "p50", "ours", "theirs") == 0.5


def test_a_peer_that_used_nothing_is_infinitely_better() -> None:
    assert median_ratio({"ours": [{"cpu": 1.0}], "theirs": [{"cpu": 0.0}]}, "cpu", "ours", "theirs") == float("inf")


def test_rounds_without_a_partner_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        median_ratio({"ours": [{"p50": 1.0}], "theirs": []}, "p50", "ours", "theirs")


@pytest.mark.parametrize(("at_least", "met"), [(False, True), (True, False)])
def test_a_goal_is_the_most_or_the_least_that_the_ratio_may_be(at_least: bool, met: bool) -> None:
    samples = {"ours": [{"p50": 1.0}], "theirs": [{"p50": 2.0}]}
    figure = ratio(samples, LATENCY, "ours", "theirs", Goal(1.0, at_least))
    assert (figure.value, figure.met) == ("0.50", met)
    assert figure.goal == ("at least 1" if at_least else "at most 1")


def test_a_line_has_the_median_and_the_spread_and_a_contender_without_the_measure_has_none() -> None:
    samples = {"ours": [{"p50": 3.0}, {"p50": 1.0}, {"p50": 2.0}], "raw": [{"rows": 5.0}]}
    [line] = lines(samples, LATENCY)
    assert (line.name, line.value) == ("p50, ours", "2.0 ms (1.0 ms to 3.0 ms)")
