"""Detection against the number of patients: its memory, and how long from a reading to its breach.

It needs `./ward up`. Each number is a run of the product's own detection in a process of its own, with contacts of so
many patients, at a steady rate of readings of a thousand. Up to `spark.patients_broadcast_max` contacts every
reading is judged as it comes, with the contacts in memory; beyond it readings are judged in batches and joined with the
contacts by a shuffle. Breaches are checked by id, as in `bench.detection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.curves import CURVES, Line, Panel, draw
from bench.detection_run import Steady, detection_run
from bench.detection_stage import stage
from bench.figures import Figure, Report, Size
from bench.held import held_figure
from bench.scratch import apart, random_suffix
from infra.settings import load_settings

MODE = "real-time"
MIB = 2**20


@dataclass(frozen=True)
class Plan:
    """Numbers of patients, and readings a second for so long at each of them."""

    patients: tuple[int, ...] = (100, 1_000, 20_000, 100_000, 1_000_000)
    rate: int = 1_000
    warm_seconds: float = 30
    seconds: float = 60


TINY = Plan((1_500,), rate=100, warm_seconds=2, seconds=6)
TINY_BROADCAST_MAX = 1_000


@dataclass(frozen=True)
class Point:
    """What a number of patients gave; `by_shuffle`: they were too many to be kept in memory."""

    patients: int
    by_shuffle: bool
    steady: Steady

    def percentile(self, share: float) -> float:
        """Of the breaches' delays, ms."""
        return float(np.percentile(self.steady.delays_ms, share))


def measure(size: Size) -> Report:
    """A point for each number of patients. Raises WardError when a breach is missing or too many."""
    plan, base = TINY if size.tiny else Plan(), load_settings()
    most = TINY_BROADCAST_MAX if size.tiny else base.spark.patients_broadcast_max
    suffix = random_suffix()
    settings, environment = apart(base, suffix, patients_broadcast_max=most)
    points = []
    for number, patients in enumerate(plan.patients):
        size.say(f"{patients:,} patients, {plan.rate:,} readings a second …")
        with (
            stage(settings, suffix, patients),
            detection_run(settings, environment, suffix, MODE, number) as run,
        ):
            steady = run.steady(plan.rate, plan.warm_seconds, plan.seconds)
        points.append(Point(patients, patients > most, steady))
    if not size.tiny:
        draw_curve(points)
    return report(points, {**vars(plan), "broadcast_up_to": most})


def draw_curve(points: Sequence[Point]) -> None:
    """Latency and memory against the number of patients."""
    delays = [Line(f"p{share}", [(one.patients, one.percentile(share)) for one in points]) for share in (50, 99)]
    memory = Line("memory", [(one.patients, one.steady.memory_bytes / MIB) for one in points])
    panels = [Panel("reading to breach, ms", delays, log=True), Panel("memory of detection, MiB", [memory])]
    draw(CURVES / "patients.svg", "Detection: in memory up to 20,000 patients, then by shuffle", "patients", panels)


def report(points: list[Point], setting: dict[str, Any]) -> Report:
    """Three lines a point."""
    figures = [figure for point in points for figure in _figures(point)]
    return Report("Detection against the number of patients", figures, setting, {"points": list(map(_details, points))})


def _figures(point: Point) -> list[Figure]:
    how = "by shuffle, in batches" if point.by_shuffle else "by broadcast, in real time"
    steady = point.steady
    return [
        Figure(
            f"{point.patients:,} patients, {how}: p50, p99",
            f"{point.percentile(50):,.0f}, {point.percentile(99):,.0f} ms",
        ),
        Figure("  memory, cores in use", f"{steady.memory_bytes / MIB:,.0f} MiB, {steady.cores:.2f}"),
        held_figure("  load", [steady.held]),
    ]


def _details(point: Point) -> dict[str, Any]:
    return {
        "patients": point.patients,
        "by_shuffle": point.by_shuffle,
        "memory_bytes": point.steady.memory_bytes,
        "cores": point.steady.cores,
        "breaches": len(point.steady.delays_ms),
        "percentiles_ms": {str(share): point.percentile(share) for share in (1, 50, 90, 95, 99, 100)},
    }
