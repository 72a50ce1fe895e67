"""What the table and the curve of detection against patients say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import patients
from bench.detection_run import Steady
from bench.patients import Point, draw_curve, report

POINTS = [
    Point(1_000, False, Steady([2, 4, 90], 3, 0.4, 700 * 2**20)),
    Point(100_000, True, Steady([2_000, 3_000, 9_000], 3, 1.1, 900 * 2**20)),
]


def test_each_number_of_patients_says_how_it_was_joined_and_what_that_cost() -> None:
    figures = {one.name: one.value for one in report(POINTS, {}).figures[2:]}
    assert figures["100,000 patients, by shuffle, in batches: p50, p99"] == "3,000, 8,880 ms"
    assert figures["  memory, cores in use"] == "900 MiB, 1.10"


def test_the_curve_is_drawn_of_every_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(patients, "CURVES", tmp_path)
    draw_curve(POINTS)
    assert "100,000" in (tmp_path / "patients.svg").read_text()
