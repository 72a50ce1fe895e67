"""A curve as ECharts draws it, with the bands behind it and the alarms marked; and the same in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from alerts.alarms_table import AlarmRow
from clinical.vitals import JUDGED, expected_seconds
from dashboard.patient.bands import Band, axis_range
from dashboard.patient.curve import HOUR_MS, Curve, Point, Span, thinned, with_gaps
from infra.settings import Settings

POINTS_MOST = 1500
"""More than a screen has pixels, and few enough to be sent every two seconds."""

LEAST_GAP_MS = 15_000
BLUE, PALE, QUIET, VIOLET = "#0b5394", "#7fa6d0", "#6b7683", "#6a1b9a"


@dataclass(frozen=True)
class Look:
    """How a severity looks: a shape, a word and colours, so that nobody needs to tell colours apart."""

    mark: str
    word: str
    ink: str
    behind: str
    symbol: str


LOOKS = {
    "high": Look("▲", "high", "#b00020", "rgba(176, 0, 32, .16)", "triangle"),
    "medium": Look("◆", "medium", "#8a4b00", "rgba(214, 137, 16, .20)", "diamond"),
    "low": Look("●", "low", "#0b5394", "rgba(11, 83, 148, .12)", "circle"),
    "technical": Look("■", "technical", "#4a5663", "rgba(74, 86, 99, .12)", "rect"),
    "": Look("–", "not alerted", "#4a5663", "rgba(74, 86, 99, .08)", "circle"),
}
NORMAL = Look("✓", "normal", "#1b6e3c", "rgba(27, 110, 60, .08)", "circle")


def look_of(band: Band) -> Look:
    """The look of a band."""
    return NORMAL if band.is_normal else LOOKS[band.severity]


def options(
    curve: Curve, bands: Sequence[Band], alarms: Iterable[AlarmRow], settings: Settings, zone: ZoneInfo
) -> dict[str, Any]:
    """The chart. Times are shifted to the zone, by its offset at the end of the curve, as ECharts knows UTC only."""
    vital = JUDGED[curve.attribute]
    shift = offset_ms(curve.end, zone)
    gap = _longest_gap(curve, settings)
    values = [value for point in (*curve.points, *curve.apart) for value in (point.low, point.high)]
    low, high = axis_range(values, bands, curve.attribute)
    lines = _lines(curve, gap, shift)
    lines[0]["markArea"] = {
        "silent": True,
        "data": [_area(band, low, high) for band in bands if _is_in(band, low, high)],
    }
    series = [*lines, _alarms(curve, list(alarms), shift, high)]
    named = [one["name"] for one in series if one["data"] or one.get("markPoint", {}).get("data")]
    return {
        "animation": False,
        "useUTC": True,
        "aria": {"enabled": False},
        "grid": {"left": 8, "right": 16, "top": 40, "bottom": 28, "containLabel": True},
        "legend": {"top": 0, "type": "scroll", "textStyle": {"color": "#16202b"}, "data": named},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {
            "type": "time",
            "min": curve.start + shift,
            "max": max([curve.end, *(point.at for point in curve.points[-1:])]) + shift,
            "name": zone_name(curve.end, zone),
            "nameLocation": "middle",
            "nameGap": 24,
            "axisLabel": {"color": "#4a5663", "hideOverlap": True},
        },
        "yAxis": {
            "type": "value",
            "min": low,
            "max": high,
            "name": vital.unit,
            "axisLabel": {"color": "#4a5663", "showMinLabel": False, "showMaxLabel": False},
            "splitLine": {"lineStyle": {"color": "#dde2e7"}},
        },
        "series": series,
    }


def offset_ms(at: int, zone: ZoneInfo) -> int:
    """By how much the clock of that zone is ahead of UTC."""
    offset = _moment(at, zone).utcoffset()
    return round(offset.total_seconds() * 1000) if offset else 0


def zone_name(at: int, zone: ZoneInfo) -> str:
    """`UTC`, or `CET (UTC+01:00)`."""
    name = _moment(at, zone).strftime("%Z")
    return name if name == "UTC" else f"{name} (UTC{_moment(at, zone).isoformat()[-6:]})"


def summary(curve: Curve, zone: ZoneInfo) -> str:
    """The curve in words, for those who do not see it."""
    vital = JUDGED[curve.attribute]
    if not curve.points:
        told = f"no value of {vital.label} in the last {curve.span.label}"
    else:
        total = sum(point.number for point in curve.points)
        mean = sum(point.mean * point.number for point in curve.points) / total
        lowest, highest = min(point.low for point in curve.points), max(point.high for point in curve.points)
        newest = curve.points[-1]
        told = (
            f"{vital.label} over {curve.span.label}: {number(curve.attribute, lowest)} to "
            f"{number(curve.attribute, highest)} {vital.unit}".rstrip()
            + f", mean {mean:.{vital.scale + 1}f}, {total:,} values; the newest at "
            f"{_moment(newest.at, zone):%Y-%m-%d %H:%M} {zone_name(newest.at, zone)}"
        )
    if curve.average:
        told += f"; moving average over 2 days {curve.average[-1][1]:.{vital.scale + 1}f}"
    apart = sum(point.number for point in curve.apart)
    return f"{told[0].upper()}{told[1:]}." + (f" Besides {apart:,} {curve.apart_why}." if apart else "")


def number(attribute: str, value: float) -> str:
    """A value at the resolution of its vital."""
    return f"{value:.{JUDGED[attribute].scale}f}"


def _lines(curve: Curve, gap: int, shift: int) -> list[dict[str, Any]]:
    """The same number of series for the same span, so that a chart can be brought up to date in place."""
    if curve.span is Span.HOUR:
        points = thinned(curve.points, POINTS_MOST)
        return [
            _line("Reading", [(point.at, point.mean) for point in points], gap, shift, BLUE, 2),
            _dots(curve, shift),
        ]
    middle = curve.span.step_ms // 2
    return [
        _line("Lowest", [(point.at + middle, point.low) for point in _fewer(curve.points)], gap, shift, PALE, 1),
        _line("Highest", [(point.at + middle, point.high) for point in _fewer(curve.points)], gap, shift, PALE, 1),
        _line("Mean", [(point.at + middle, point.mean) for point in _fewer(curve.points)], gap, shift, BLUE, 2),
        _line("Moving average, 2 days", curve.average[:: _stride(curve.average)], gap, shift, VIOLET, 2, "dashed"),
        _dots(curve, shift),
    ]


def _fewer(points: Sequence[Point]) -> list[Point]:
    """Minutes put together, so that no extreme is lost, when there are more than a screen has pixels."""
    together = _stride(points)
    return [_joined(points[first : first + together]) for first in range(0, len(points), together)]


def _joined(points: Sequence[Point]) -> Point:
    total = sum(point.number for point in points)
    return Point(
        points[len(points) // 2].at,
        min(point.low for point in points),
        sum(point.mean * point.number for point in points) / total,
        max(point.high for point in points),
        total,
    )


def _stride(points: Sequence[object]) -> int:
    return max(1, -(-len(points) // POINTS_MOST))


def _line(
    name: str,
    points: Sequence[tuple[int, float]],
    gap: int,
    shift: int,
    colour: str,
    width: float,
    kind: str = "solid",
) -> dict[str, Any]:
    holed = with_gaps(points, gap)
    return {
        "name": name,
        "type": "line",
        "data": [_item(holed, place, shift) for place in range(len(holed))],
        "symbol": "none",
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "width": width, "type": kind},
        "connectNulls": False,
    }


def _item(points: Sequence[tuple[int, float | None]], place: int, shift: int) -> Any:
    """A point; one with nothing on either side gets a dot, as no line leads to it."""
    at, value = points[place]
    shown = [at + shift, None if value is None else round(value, 3)]
    beside = [points[other][1] for other in (place - 1, place + 1) if 0 <= other < len(points)]
    if value is None or any(other is not None for other in beside):
        return shown
    return {"value": shown, "symbol": "circle", "symbolSize": 6}


def _dots(curve: Curve, shift: int) -> dict[str, Any]:
    """What must not be mixed with the line: hollow, grey, without a line."""
    return {
        "name": (curve.apart_why or "Apart").partition(":")[0].capitalize(),
        "type": "scatter",
        "data": [[point.at + shift, point.mean] for point in thinned(curve.apart, POINTS_MOST)],
        "symbol": "emptyCircle",
        "symbolSize": 5,
        "itemStyle": {"color": QUIET},
    }


def _alarms(curve: Curve, alarms: Sequence[AlarmRow], shift: int, top: float) -> dict[str, Any]:
    """A mark where each alarm began, on the curve, and a shade over the time that it lasted."""
    marks, shades = list[Any](), list[Any]()
    for alarm in alarms:
        look = LOOKS[alarm.peak_severity or ""]
        assert alarm.raised_at is not None
        begin, end = max(alarm.raised_at, curve.start), min(alarm.ended_at or curve.end, curve.end)
        marks.append(
            {
                "coord": [begin + shift, _value_at(curve.points, begin, top)],
                "symbol": look.symbol,
                "symbolSize": 14,
                "value": look.word,
                "itemStyle": {"color": look.ink},
                "label": {"show": True, "position": "top", "formatter": f"{look.mark} {look.word}", "color": look.ink},
            }
        )
        shades.append(
            [{"xAxis": begin + shift, "itemStyle": {"color": "rgba(22, 32, 43, .10)"}}, {"xAxis": end + shift}]
        )
    return {
        "name": "Alarms",
        "type": "scatter",
        "data": [],
        "itemStyle": {"color": LOOKS["high"].ink},
        "markPoint": {"data": marks},
        "markArea": {"silent": True, "data": shades},
    }


def _value_at(points: Sequence[Point], at: int, top: float) -> float:
    """The value nearest to that time, within an hour; else the top of the chart."""
    nearest = min(points, key=lambda point: abs(point.at - at), default=None)
    return nearest.mean if nearest is not None and abs(nearest.at - at) <= HOUR_MS else top


def _is_in(band: Band, low: float, high: float) -> bool:
    return (band.low is None or band.low < high) and (band.high is None or band.high > low)


def _area(band: Band, low: float, high: float) -> list[dict[str, Any]]:
    look = look_of(band)
    begin, end = max(low, low if band.low is None else band.low), min(high, high if band.high is None else band.high)
    label = {
        "show": True,
        "position": "insideRight",
        "formatter": f"{look.mark} {look.word}",
        "color": look.ink,
        "fontSize": 11,
    }
    return [{"yAxis": begin, "itemStyle": {"color": look.behind}, "label": label}, {"yAxis": end}]


def _longest_gap(curve: Curve, settings: Settings) -> int:
    """How far apart two values may be for a line between them."""
    seconds = expected_seconds(curve.attribute, settings.alerts.expected_seconds)
    together = _stride(curve.points) if curve.span.step_ms else 1
    return max(3 * round(seconds * 1000), LEAST_GAP_MS, 2 * curve.span.step_ms * together)


def _moment(at: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
