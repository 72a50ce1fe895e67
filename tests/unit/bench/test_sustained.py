"""When a lag is flat, what a ladder of rates comes to, and that ids are compared one by one."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import sustained
from bench.figures import Size
from bench.sustained import Step, _SoFar, report, require_equal
from bench.ward_writer import Written
from bench.watching import Cost, Seen, growth
from infra.errors import ConfigurationError, WardError


def step(rate: int, growing: float = 0.0, behind: float = 0.0) -> Step:
    lags = [(float(at), 500 + (at % 30) * rate + growing * at) for at in range(0, 600, 2)]
    costs = [Cost(0.0, {"kafka": 10.0}, 100.0), Cost(100.0, {"kafka": 60.0, "land-vitals": 80.0}, 110.0)]
    seen = Seen({"land-vitals": lags, "mailer": [(at, 0.0) for at, _ in lags]}, costs, {"kafka": 2**30}, [10, 20, 30])
    return Step(rate, Written(rate * 600, 600.0, behind, 1, rate * 600), seen, 20.0, 30.0)


def test_a_lag_that_goes_up_and_down_with_the_batches_is_flat_and_one_that_grows_beneath_them_is_not() -> None:
    assert step(1000).seen.growth("land-vitals", 30) == pytest.approx(0, abs=1)
    assert step(1000, growing=50).seen.growth("land-vitals", 30) == pytest.approx(50, abs=1)
    assert step(1000).is_flat
    assert not step(1000, growing=50).is_flat


@pytest.mark.parametrize("lags", [[], [(0.0, 5.0)], [(0.0, 5.0), (2.0, 900.0)]])
def test_a_stream_that_was_hardly_seen_is_not_taken_for_flat(lags: list[tuple[float, float]]) -> None:
    assert math.isinf(growth(lags, 30))


def test_a_rate_is_held_for_long_enough_to_tell() -> None:
    with pytest.raises(ConfigurationError, match="less than 180 s"):
        sustained.measure(Size(1, tiny=False, say=print, seconds=60))


def test_what_else_used_the_machine_is_told() -> None:
    assert step(1000).cores_used - step(1000).cores_of_others == pytest.approx(1.3)


def test_a_rate_at_which_the_load_itself_is_late_is_not_kept_up_with() -> None:
    assert not step(1000, behind=5).is_flat


def test_the_highest_flat_rate_is_told_with_what_binds_at_the_last() -> None:
    figures = {one.name: one for one in report([step(1000), step(2000, growing=500)], {}).figures}
    assert (figures["highest rate with flat lag"].value, figures["highest rate with flat lag"].met) == (
        "1,000/s",
        False,
    )
    assert figures["  what binds at the last rate"].value == (
        "processor time (0.10 cores idle): land-vitals 0.80, kafka 0.50"
    )


def test_what_is_known_of_a_ladder_is_said_and_kept_before_its_last_rate_has_landed(tmp_path: Path) -> None:
    said: list[str] = []
    so_far = _SoFar(tmp_path / "so-far.json", {"seed": 1}, said.append)

    def highest() -> str:
        figures = json.loads((tmp_path / "so-far.json").read_text())["figures"]
        return next(str(one["value"]) for one in figures if one["name"] == "highest rate with flat lag")

    kept = []
    for one in (step(1000), step(2000)):
        so_far.add(replace(one, landed_after=None))
        kept.append(highest())
        so_far.landed(one)
        kept.append(highest())
    assert kept == ["0/s", "1,000/s", "1,000/s", "2,000/s"]
    assert [one.landed_after for one in so_far.steps] == [20.0, 20.0]
    assert "  2,000 readings/s: rows, not compared with Hive: 1,200,000 in 600 s" in said
    assert said[-1] == "  2,000 readings/s: rows, each once in Hive: 1,200,000 in 600 s; 20 s after the last"


def test_without_a_breach_there_is_no_percentile() -> None:
    one = step(1000)
    one.seen.delays_ms.clear()
    assert math.isnan(one.percentile(50))


def test_ids_are_compared_one_by_one() -> None:
    require_equal(np.array([1, 2, 4]), np.array([1, 2, 4]))
    with pytest.raises(WardError, match="Of 3 rows 1 are not in Hive, 1 more than once, and 1 are in Hive only"):
        require_equal(np.array([1, 2, 4]), np.array([1, 2, 2, 5]))


def test_the_curve_is_drawn_of_every_rate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sustained, "CURVES", tmp_path)
    sustained.draw_curve([step(1000), step(2000)])
    assert "2,000" in (tmp_path / "rate.svg").read_text()
