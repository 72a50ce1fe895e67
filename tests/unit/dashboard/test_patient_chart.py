"""A curve as ECharts draws it, and what is shown beside it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.patient import chart
from dashboard.patient.bands import Band
from dashboard.patient.curve import HOUR_MS, NOT_JUDGED, Curve, Point, Span
from dashboard.patient.html import alarms_html, bands_html, facts_html, patient_path, table_html
from infra.settings import Settings
from tests.unit.alerts.alarms_looked_at import alarm_row

UTC = ZoneInfo("UTC")
OSLO = ZoneInfo("Europe/Oslo")
START = 1_790_000_000_000 - 1_790_000_000_000 % HOUR_MS
SCRIPT = "<script>alert(1)</script>"
BANDS = [
    Band(None, 91.5, "high", False, "up to 91 %", False),
    Band(91.5, 95.5, "medium", False, "92 to 95 %", False),
    Band(95.5, None, "", True, "96 % and more", False),
]


def point(seconds: int, value: float) -> Point:
    return Point(START + seconds * 1000, value, value, value, 1)


def curve(points: list[Point], apart: list[Point] | None = None) -> Curve:
    return Curve("spo2", Span.HOUR, START, START + HOUR_MS, points, apart or [], NOT_JUDGED)


def drawn(shown: Curve, alarms: list[Any] | None = None, zone: ZoneInfo = UTC) -> dict[str, Any]:
    return chart.options(shown, BANDS, alarms or [], Settings(), zone)


def test_the_bands_are_drawn_behind_by_colour_shape_and_word() -> None:
    areas = drawn(curve([point(0, 90), point(1, 97)]))["series"][0]["markArea"]["data"]
    assert [area[0]["label"]["formatter"] for area in areas] == ["▲ high", "◆ medium", "✓ normal"]
    assert [area[1]["yAxis"] for area in areas[:2]] == [91.5, 95.5]


def test_a_band_that_lies_outside_of_the_axis_is_not_drawn() -> None:
    areas = drawn(curve([point(0, 97)]))["series"][0]["markArea"]["data"]
    assert [area[0]["label"]["formatter"] for area in areas] == ["◆ medium", "✓ normal"]


def test_an_alarm_is_marked_on_the_curve_where_it_began_and_shaded_while_it_lasted() -> None:
    alarm = replace(
        alarm_row(),
        attribute="spo2",
        peak_severity="high",
        raised_at=START + 10_000,
        ended_at=START + 60_000,
    )
    alarms = drawn(curve([point(0, 97), point(10, 88)]), [alarm])["series"][-1]
    mark = alarms["markPoint"]["data"][0]
    assert mark["coord"] == [START + 10_000, 88]
    assert (mark["symbol"], mark["label"]["formatter"]) == ("triangle", "▲ high")
    assert [edge["xAxis"] for edge in alarms["markArea"]["data"][0]] == [START + 10_000, START + 60_000]


def test_values_of_a_poor_signal_are_dots_beside_the_line() -> None:
    series = drawn(curve([point(0, 97)], [point(5, 60)]))["series"]
    assert series[1]["name"] == "Not judged"
    assert series[1]["data"] == [[START + 5000, 60]]


def test_a_single_reading_is_seen_although_no_line_leads_to_it() -> None:
    assert drawn(curve([point(0, 97)]))["series"][0]["data"] == [
        {"value": [START, 97], "symbol": "circle", "symbolSize": 6}
    ]


def test_times_are_those_of_the_house_and_the_zone_is_named() -> None:
    shown = drawn(curve([point(0, 97), point(1, 97)]), zone=OSLO)
    hours = chart.offset_ms(START, OSLO) // HOUR_MS
    assert hours in (1, 2)
    assert shown["series"][0]["data"][0] == [START + hours * HOUR_MS, 97]
    assert shown["xAxis"]["name"].endswith(f"(UTC+0{hours}:00)")
    assert drawn(curve([]))["xAxis"]["name"] == "UTC"


def test_a_chart_of_two_days_has_its_moving_average() -> None:
    minutes = [Point(START + place * 60_000, 90, 91 + place % 2, 95, 60) for place in range(100)]
    whole = Curve(
        "spo2", Span.TWO_DAYS, START, START + Span.TWO_DAYS.length_ms, minutes, average=[(START + 60_000, 91.0)]
    )
    series = {one["name"]: one for one in drawn(whole)["series"]}
    assert series["Moving average, 2 days"]["data"][0]["value"] == [START + 60_000, 91.0]
    assert {"Mean", "Lowest", "Highest"} <= set(series)


def test_a_chart_is_told_in_words() -> None:
    told = chart.summary(curve([point(0, 90), point(1, 98)], [point(2, 50)]), UTC)
    assert told.startswith("Oxygen saturation over 1 hour: 90 to 98 %, mean 94.0, 2 values; the newest at ")
    assert told.endswith(f" UTC. Besides 1 {NOT_JUDGED}.")
    averaged = chart.summary(replace(curve([point(0, 90)]), average=[(START, 95.04)]), UTC)
    assert averaged.endswith(" UTC; moving average over 2 days 95.0.")
    assert chart.summary(curve([]), UTC) == "No value of Oxygen saturation in the last 1 hour."


def test_whatever_is_typed_is_shown_as_text() -> None:
    shown = [
        table_html(SCRIPT, [SCRIPT], [[SCRIPT]], [patient_path(SCRIPT)]),
        facts_html([(SCRIPT, SCRIPT)]),
        alarms_html(
            "Alarms", [replace(alarm_row(), kind="technical", detail=SCRIPT, acknowledged_by=SCRIPT)], UTC, True, True
        ),
        bands_html([replace(BANDS[0], text=SCRIPT)]),
    ]
    for html in shown:
        assert "<script" not in html
        assert re.search("&lt;script&gt;|%3Cscript%3E", html)


def test_whose_limits_they_are_is_told_when_they_are_not_those_of_the_patient_s_age() -> None:
    own = [replace(band, is_own=True) for band in BANDS]
    assert bands_html(BANDS).endswith("</ul>")
    assert bands_html(BANDS, age_is_known=False).endswith("<p>Age not known: these are the limits of adults.</p>")
    assert bands_html(own, age_is_known=False).endswith("<p>These are the patient's own limits.</p>")
    assert bands_html([], age_is_known=False) == "<p>There are no limits for this vital.</p>"


def test_an_id_with_any_characters_has_an_address() -> None:
    assert patient_path("a/b c?#é") == "/patients/a%2Fb%20c%3F%23%C3%A9"


def test_who_acknowledged_an_alarm_is_told_to_those_who_may_see_names_only() -> None:
    alarm = replace(
        alarm_row(), phase="acknowledged", acknowledged_by="Dr Jane Doe", acknowledged_until=1_763_838_000_000
    )
    assert "Dr Jane Doe" in alarms_html("Alarms", [alarm], UTC, True, True)
    hidden = alarms_html("Alarms", [alarm], UTC, False, True)
    assert "acknowledged until" in hidden
    assert "Jane" not in hidden
