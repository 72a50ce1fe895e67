"""A comparison as charts and as tables of text. Pure; all that comes from elsewhere is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from alerts.entries import as_moment
from clinical.vitals import JUDGED
from dashboard.compare.sides import Period
from dashboard.compare.sources import Compared, Comparison
from dashboard.compare.statistics import SEVERITIES

LETTERS = "ABCDEF"
INK, QUIET, BLUE, PALE = "#16202b", "#4a5663", "#0b5394", "#cfe0f1"
LABEL_MOST = 14
LOOKS = {"high": ("▲", "#b00020"), "medium": ("◆", "#8a4b00"), "low": ("●", "#0b5394")}
"""Shape and colour of a severity."""

NO_VALUE = "–"


def heading(found: Comparison) -> str:
    """What is compared."""
    vital = JUDGED[found.attribute]
    unit = f" ({vital.unit})" if vital.unit else ""
    return f"{vital.label}{unit} over {found.period.label}"


def when(found: Comparison, zone: ZoneInfo) -> str:
    """Of which time."""
    return f"From {as_moment(found.start, zone)} to {as_moment(found.end, zone)} {zone.key}."


def explanation(found: Comparison) -> str:
    """How the numbers are to be read."""
    stretch = found.period.stretch
    partial = " Partial NEWS2 scores are left out, as they may be too low." if found.attribute == "news2" else ""
    return (
        f"Average and spread are those of the {stretch}s' means: each {stretch} of each patient counts once. Lowest "
        f"and highest are single values. A ward is the patients who are on it now; its alarms are those that name it."
        + partial
    )


def alarm_explanation(found: Comparison) -> str:
    """How the alarm load is to be read."""
    hive = " As they stood in Hive at the last full hour." if found.period is Period.MONTH else ""
    return (
        "Alarms of every vital that became active, by the highest severity that each had, divided by the beds of now "
        f"and by the whole time, also where nothing was measured in it.{hive}"
    )


def spread_chart(found: Comparison) -> dict[str, Any]:
    """A box for each side, the first on top: the middle half, the median, and whiskers from 5 % to 95 %."""
    names = _short_names(found)
    boxes = [_box(found, one) for one in found.sides]
    means = [
        [round(one.spread.mean, JUDGED[found.attribute].scale + 2), names[place]]
        for place, one in enumerate(found.sides)
        if one.spread is not None
    ]
    return {
        **_frame(names, JUDGED[found.attribute].unit, is_from_zero=False),
        "series": [
            {
                "name": "Spread",
                "type": "boxplot",
                "data": boxes,
                "itemStyle": {"color": PALE, "borderColor": BLUE, "borderWidth": 2},
            },
            {"name": "Average", "type": "scatter", "data": means, "symbol": "diamond", "itemStyle": {"color": INK}},
        ],
    }


def alarm_chart(found: Comparison) -> dict[str, Any]:
    """A bar for each side, made of the severities."""
    series = [
        {
            "name": f"{LOOKS[severity][0]} {severity}",
            "type": "bar",
            "stack": "alarms",
            "data": [round(one.load.per_bed_day(severity) or 0, 3) for one in found.sides],
            "itemStyle": {"color": LOOKS[severity][1], "borderColor": "#fff", "borderWidth": 1},
        }
        for severity in SEVERITIES
    ]
    return {
        **_frame(_short_names(found), "alarms a bed and day", is_from_zero=True),
        "legend": {"top": 0, "textStyle": {"color": INK}},
        "series": series,
    }


def spread_table(found: Comparison) -> str:
    """The averages and the spread as HTML."""
    columns = [
        *("Box", "Compared", "Beds", "With values", f"{found.period.stretch.capitalize()}s", "Average", "Deviation"),
        *("Median", "Middle half", "5 % to 95 %", "Lowest", "Highest"),
    ]
    return _table("Averages and spread", columns, [_spread_cells(found, one) for one in found.sides])


def alarm_table(found: Comparison) -> str:
    """The alarm load as HTML."""
    columns = ["Bar", "Compared", "Beds", "Alarms", "A bed and day"]
    columns += [f"{LOOKS[severity][0]} {severity}" for severity in SEVERITIES]
    rows = []
    for one in found.sides:
        numbers = (_rate(one.load.per_bed_day(severity)) for severity in SEVERITIES)
        rows.append((one.side.label, str(one.load.beds), str(one.load.total), _rate(one.load.per_bed_day()), *numbers))
    return _table("Alarms for each bed and day", columns, rows)


def in_words(found: Comparison) -> tuple[str, str]:
    """Both charts, for those who do not see them."""
    scale = JUDGED[found.attribute].scale + 1
    averages, loads = list[str](), list[str]()
    for letter, one in zip(LETTERS, found.sides, strict=False):
        mean = "no values" if one.spread is None else f"{one.spread.mean:.{scale}f}"
        averages.append(f"{letter} {one.side.label}: {mean}")
        loads.append(f"{letter} {one.side.label}: {_rate(one.load.per_bed_day())}")
    return f"Averages. {'; '.join(averages)}", f"Alarms a bed and day. {'; '.join(loads)}"


def _spread_cells(found: Comparison, one: Compared) -> Sequence[str]:
    spread, beds = one.spread, str(len(one.side.patients))
    if spread is None:
        return (one.side.label, beds, "0", "0", "no values", *[NO_VALUE] * 6)
    vital = JUDGED[found.attribute]

    def average(value: float) -> str:
        return f"{value:.{vital.scale + 1}f}"

    return (
        one.side.label,
        beds,
        str(spread.patients),
        f"{spread.stretches:,}",
        average(spread.mean),
        average(spread.deviation),
        average(spread.median),
        f"{average(spread.q1)} to {average(spread.q3)}",
        f"{average(spread.p5)} to {average(spread.p95)}",
        f"{spread.lowest:.{vital.scale}f}",
        f"{spread.highest:.{vital.scale}f}",
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(_row(letter, row) for letter, row in zip(LETTERS, rows, strict=False))
    return (
        f'<div class="ward-scroll" tabindex="0" role="region" aria-label="{escape(title)}"><table class="ward-table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(letter: str, cells: Sequence[str]) -> str:
    numbers = "".join(f"<td>{escape(cell)}</td>" for cell in cells[1:])
    return f'<tr><td>{letter}</td><th scope="row">{escape(cells[0])}</th>{numbers}</tr>'


def _frame(names: Sequence[str], unit: str, is_from_zero: bool) -> dict[str, Any]:
    """What both charts have. Without animation, as nothing of it would mean anything."""
    return {
        "animation": False,
        "grid": {"left": 8, "right": 24, "top": 32, "bottom": 36, "containLabel": True},
        "yAxis": {"type": "category", "inverse": True, "data": list(names), "axisLabel": {"color": INK}},
        "xAxis": {
            "type": "value",
            "scale": not is_from_zero,
            "name": unit,
            "nameLocation": "middle",
            "nameGap": 24,
            "nameTextStyle": {"color": QUIET},
            "axisLabel": {"color": QUIET, "hideOverlap": True},
        },
    }


def _short_names(found: Comparison) -> list[str]:
    """The letter of the tables with as much of the name as there is place for on a phone; without patients' names."""
    named = [one.side.key for one in found.sides]
    return [
        f"{letter}  {name if len(name) <= LABEL_MOST else name[: LABEL_MOST - 1] + '…'}"
        for letter, name in zip(LETTERS, named, strict=False)
    ]


def _box(found: Comparison, one: Compared) -> list[float]:
    """As ECharts wants it; empty without values."""
    if (spread := one.spread) is None:
        return []
    values = (spread.p5, spread.q1, spread.median, spread.q3, spread.p95)
    return [round(value, JUDGED[found.attribute].scale + 2) for value in values]


def _rate(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.2f}"
