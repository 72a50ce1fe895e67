"""What a chart of one vital draws: points, what stands apart from them, and their moving average. Pure.

Times are epoch milliseconds, UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clinical.device import is_believed
from clinical.vitals import SIGNAL_QUALITY
from hbase.recent_minutes import MINUTE_MS, MinuteCurve
from hbase.recent_rows import DerivedValue, Reading

HOUR_MS = 3_600_000
AVERAGE_MS = 48 * HOUR_MS
"""The moving average is that of the readings of so long before."""

NOT_JUDGED = "not judged: poor signal"
PARTIAL = "partial: inputs were missing, the score may be too low"


class Span(Enum):
    """How far back a chart looks. `step_ms`: what one point stands for; 0: one reading."""

    HOUR = "1 hour", HOUR_MS, 0
    SIX_HOURS = "6 hours", 6 * HOUR_MS, 60_000
    TWO_DAYS = "2 days", 48 * HOUR_MS, 60_000
    MONTH = "30 days", 720 * HOUR_MS, HOUR_MS

    def __init__(self, label: str, length_ms: int, step_ms: int) -> None:
        self.label = label
        self.length_ms = length_ms
        self.step_ms = step_ms


class Point(NamedTuple):
    """A reading, or the lowest, mean and highest value of all readings of a minute or an hour that begins at `at`."""

    at: int
    low: float
    mean: float
    high: float
    number: int


@dataclass(frozen=True)
class Curve:
    """One vital over a span, oldest first. `apart`: what must not be mixed with the points, and `apart_why`.

    `average`: time and moving average over 48 h, at the end of each point; of single readings the newest at most.
    """

    attribute: str
    span: Span
    start: int
    end: int
    points: list[Point] = field(default_factory=list)
    apart: list[Point] = field(default_factory=list)
    apart_why: str = ""
    average: list[tuple[int, float]] = field(default_factory=list)


def of_readings(attribute: str, readings: Iterable[Reading], start: int, end: int, least_quality: float) -> Curve:
    """Every single reading; apart stand those that electrodes or a probe gave at a poor signal."""
    points, apart = list[Point](), list[Point]()
    for reading in readings:
        value = reading.values.get(attribute)
        if value is not None:
            believed = is_believed(attribute, reading.values.get(SIGNAL_QUALITY), least_quality)
            (points if believed else apart).append(single(reading.recorded_at, value))
    return Curve(attribute, Span.HOUR, start, end, points, apart, NOT_JUDGED)


def of_derived(attribute: str, values: Iterable[DerivedValue], start: int, end: int) -> Curve:
    """Every computed value; apart stand those that lack inputs."""
    points, apart = list[Point](), list[Point]()
    for one in values:
        (apart if one.is_partial else points).append(single(one.computed_for, one.value))
    return Curve(attribute, Span.HOUR, start, end, points, apart, PARTIAL)


def of_minutes(
    attribute: str, span: Span, minutes: MinuteCurve, partial: MinuteCurve | None, start: int, end: int
) -> Curve:
    """Minutes from `start` on; `minutes` reaches back further by AVERAGE_MS, for the moving average."""
    return _stepped(
        attribute, span, list(_points(minutes)), [] if partial is None else list(_points(partial)), start, end
    )


def of_hours(attribute: str, points: Sequence[Point], apart: Sequence[Point], start: int, end: int) -> Curve:
    """Hours from `start` on; the points reach back further by AVERAGE_MS, for the moving average."""
    return _stepped(attribute, Span.MONTH, list(points), list(apart), start, end)


def with_average(hour: Curve, minutes: MinuteCurve) -> Curve:
    """An hour of single readings with the newest moving average; `minutes` reach back by AVERAGE_MS."""
    return replace(hour, average=moving_average(list(_points(minutes)), 0, MINUTE_MS)[-1:])


def continued(before: Curve, newest: Curve, start: int) -> Curve:
    """An hour that begins at `start`: as it was before, and from the start of `newest` on as that says. The average
    stays."""

    def joined(old: list[Point], new: list[Point]) -> list[Point]:
        return [*(point for point in old if start <= point.at < newest.start), *new]

    points, apart = joined(before.points, newest.points), joined(before.apart, newest.apart)
    return replace(newest, start=start, points=points, apart=apart, average=before.average)


def moving_average(points: Sequence[Point], start: int, step_ms: int) -> list[tuple[int, float]]:
    """For each point from `start` on: the mean of all readings of the 48 h that end with the point, at that end.

    A reading counts once, so that a minute with many counts more; time without readings is left out.
    """
    if not points:
        return []
    table = np.array([(point.at, point.mean * point.number, point.number) for point in points], dtype=np.float64)
    ends = table[:, 0] + step_ms
    sums = np.concatenate(([[0.0, 0.0]], np.cumsum(table[:, 1:], axis=0)))
    before = np.searchsorted(ends, ends - AVERAGE_MS, side="right")
    total, count = (sums[1:] - sums[before]).T
    shown: npt.NDArray[np.bool_] = table[:, 0] >= start
    return [(int(at), float(value)) for at, value in zip(ends[shown], (total / count)[shown], strict=True)]


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most about `most` of them: of each of equal stretches of time the one with the lowest and with the highest
    value, so that no extreme is lost."""
    if len(points) <= most:
        return list(points)
    first, last = points[0].at, points[-1].at
    width = max(1, (last - first + 1) * 2 // most + 1)
    kept = list[Point]()
    stretch = list[Point]()
    for point in points:
        if stretch and (point.at - first) // width != (stretch[0].at - first) // width:
            kept += _extremes(stretch)
            stretch = []
        stretch.append(point)
    return kept + _extremes(stretch)


def with_gaps(points: Iterable[tuple[int, float]], longest_ms: int) -> list[tuple[int, float | None]]:
    """The points with a hole in between where two are further apart than that: a line must not cross what is not
    known."""
    found = list[tuple[int, float | None]]()
    for at, value in points:
        if found and at - found[-1][0] > longest_ms:
            found.append(((at + found[-1][0]) // 2, None))
        found.append((at, value))
    return found


def _extremes(stretch: Sequence[Point]) -> list[Point]:
    low, high = min(stretch, key=lambda point: point.low), max(stretch, key=lambda point: point.high)
    return [low] if low == high else sorted((low, high))


def _stepped(attribute: str, span: Span, points: list[Point], apart: list[Point], start: int, end: int) -> Curve:
    return Curve(
        attribute,
        span,
        start,
        end,
        [point for point in points if point.at >= start],
        [point for point in apart if point.at >= start],
        PARTIAL if apart else "",
        moving_average(points, start, span.step_ms),
    )


def _points(curve: MinuteCurve) -> Iterable[Point]:
    columns = (curve.minutes, curve.low, curve.mean, curve.high, curve.count)
    return map(Point, *(column.tolist() for column in columns))


def single(at: int, value: float) -> Point:
    """One reading as a point."""
    return Point(at, value, value, value, 1)
