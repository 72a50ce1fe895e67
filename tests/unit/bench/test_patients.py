"""What the table and the curve of detection against patients say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import patients
from bench.detection_run import Steady
from bench.held import Held
from bench.patients import Point, draw_curve, report

HELD = Held(1_000, 60_000, 60.0, 0.0)
POINTS = [
    Point(1_000, False, Steady(HELD, [2, 4, 90], 3, 0.4, 700 * 2**20)),
    Point(100_000, True, Steady(Held(1_000, 50_000, 60.0, 10.0), [2_000, 3_000, 9_000], 3, 1.1, 900 * 2**20)),
]


def test_each_number_of_patients_says_how_it_was_joined_and_what_that_cost() -> None:
    figures = {one.name: one.value for one in report(POINTS, {}).figures[3:]}
    assert figures["100,000 patients, by shuffle, in batches: p50, p99"] == "3,000, 8,880 ms"
    assert figures["  memory, cores in use"] == "900 MiB, 1.10"


def test_a_point_whose_load_was_not_held_is_told_as_missed() -> None:
    loads = [one for one in report(POINTS, {}).figures if one.name == "  load"]
    assert [(one.value, one.met) for one in loads] == [("1,000/s, 0.0 s behind", True), ("833/s, 10.0 s behind", False)]


def test_the_curve_is_drawn_of_every_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(patients, "CURVES", tmp_path)
    draw_curve(POINTS)
    assert "100,000" in (tmp_path / "patients.svg").read_text()
