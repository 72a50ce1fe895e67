"""What has not landed yet is shown from the live state, and nothing twice."""

from __future__ import annotations

from alerts.bedside import Seen, Value
from dashboard.live.state import LiveState
from dashboard.patient.curve import HOUR_MS, Curve, Point, Span
from dashboard.patient.fresh import curve_with_live, live_readings, with_live
from hbase.recent_rows import Reading

NOW = 1_790_000_000_000


def live(*seconds_ago: int) -> LiveState:
    state = LiveState(clock=lambda: NOW / 1000)
    for ago in seconds_ago:
        at = NOW - ago * 1000
        values = (Value("heart_rate", 70.0 + ago, at, f"{ago}"), Value("spo2", 97.0, at, f"{ago}"))
        state.take([Seen("p", at, values, device_id="d")])
    return state


def landed(ago: int) -> Reading:
    return Reading("p", 7, NOW - ago * 1000, {"heart_rate": 60.0})


def test_only_what_is_newer_than_what_landed_is_added_newest_first() -> None:
    found = with_live([landed(5), landed(6)], live(7, 5, 3, 1), "p", 3, None)
    assert [NOW - reading.recorded_at for reading in found] == [1000, 3000, 5000]
    assert [reading.reading_id for reading in found] == [0, 0, 7]
    assert found[0].values == {"heart_rate": 71.0, "spo2": 97.0}


def test_a_vital_that_was_not_measured_is_not_made_up() -> None:
    assert with_live([landed(5)], live(1), "p", 20, "temperature") == [landed(5)]


def test_of_somebody_else_nothing_is_known() -> None:
    assert live_readings(live(1), "another", 0) == []


def test_an_hour_goes_on_to_the_newest_reading_and_longer_charts_are_left_alone() -> None:
    hour = Curve("heart_rate", Span.HOUR, NOW - HOUR_MS, NOW, [Point(NOW - 5000, 60, 60, 60, 1)])
    found = curve_with_live(hour, live(7, 3, 1), "p")
    assert [(NOW - point.at, point.mean) for point in found.points] == [(5000, 60), (3000, 73), (1000, 71)]
    days = Curve("heart_rate", Span.TWO_DAYS, NOW - HOUR_MS, NOW)
    assert curve_with_live(days, live(1), "p") is days
