"""The table and the chart as CSV."""

from __future__ import annotations

import csv
import io
import socket
from zoneinfo import ZoneInfo

import pytest

from dashboard.patient import table as t
from dashboard.patient.curve import NOT_JUDGED, Curve, Point, Span
from dashboard.patient.export import curve_csv, file_name, table_csv
from dashboard.patient.hourly import HourlyHistory, hours_of, statement_of
from hbase.recent_rows import DerivedValue, Reading
from infra.errors import UnavailableError
from infra.settings import Hadoop, Settings

UTC = ZoneInfo("UTC")
AT = 1_769_846_400_123
"""2026-01-31 08:00:00.123 UTC."""


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


def test_the_table_is_saved_as_it_is_shown() -> None:
    readings = [Reading("p", 2, AT, {"spo2": 60, "temperature": 37, "signal_quality": 5}, "d", True, "A")]
    shown = t.of_readings(t.ALL, readings, 20, UTC)
    saved = rows(table_csv("p", shown.header, shown.rows))
    assert saved[0][:3] == ["patient_id", "Time", "Heart rate (/min)"]
    assert dict(zip(saved[0], saved[1], strict=True)) == {
        "patient_id": "p",
        "Time": "2026-01-31 08:00:00",
        "Heart rate (/min)": "",
        "Systolic blood pressure (mmHg)": "",
        "Diastolic blood pressure (mmHg)": "",
        "Oxygen saturation (%)": "60 ?",
        "Temperature (°C)": "37.0",
        "Respiratory rate (/min)": "",
        "Glucose (mg/dL)": "",
        "Signal quality (%)": "5",
        "Battery (%)": "",
        "On oxygen": "yes",
        "Consciousness": "A",
    }


def test_a_table_of_one_vital_has_the_signal_beside_it() -> None:
    shown = t.of_readings("heart_rate", [Reading("p", 1, AT, {"heart_rate": 70})], 20, UTC)
    assert shown.header == ("Time", "Heart rate (/min)", "Signal quality (%)")
    assert shown.rows == (("2026-01-31 08:00:00", "70", ""),)


def test_a_partial_score_says_so() -> None:
    shown = t.of_derived("news2", [DerivedValue("p", "news2", AT, 3, 5, 7)], UTC)
    assert shown.rows == (("2026-01-31 08:00:00", "3 (partial)", "5 of 7"),)


def test_every_reading_of_an_hour_is_saved_with_what_is_not_judged() -> None:
    curve = Curve("spo2", Span.HOUR, AT, AT, [Point(AT, 97, 97, 97, 1)], [Point(AT + 1, 60, 60, 60, 1)], NOT_JUDGED)
    assert rows(curve_csv("p", curve)) == [
        ["patient_id", "time_utc", "vital", "unit", "value", "remark"],
        ["p", "2026-01-31T08:00:00.123Z", "spo2", "%", "97", ""],
        ["p", "2026-01-31T08:00:00.124Z", "spo2", "%", "60", NOT_JUDGED],
    ]


def test_minutes_are_saved_with_their_moving_average() -> None:
    minute = AT - AT % 60_000
    curve = Curve(
        "temperature",
        Span.TWO_DAYS,
        minute,
        AT,
        [Point(minute, 36.5, 37.25, 38, 4)],
        average=[(minute + 60_000, 37.125)],
    )
    assert rows(curve_csv("p", curve))[1] == [
        "p", "2026-01-31T08:00:00.000Z", "temperature", "°C", "36.5", "37.25", "38", "4", "37.125", "",
    ]  # fmt: skip


def test_an_id_that_looks_like_a_formula_is_not_computed() -> None:
    assert rows(table_csv('=HYPERLINK("x")', ["Time"], [["now"]]))[1] == ['\'=HYPERLINK("x")', "now"]


def test_a_files_name_says_what_and_when_and_not_whose() -> None:
    assert file_name("spo2-1 hour", AT) == "wardwatch-spo2-1-hour-20260131T080000Z.csv"


def test_hive_is_asked_for_the_days_and_the_patient_alone_and_for_what_is_believed() -> None:
    asked = statement_of("O'Hara\\", "spo2", AT - 86_400_000, AT, 20)
    assert "event_date BETWEEN '2026-01-30' AND '2026-01-31'" in asked
    assert r"patient_id = 'O\'Hara\\'" in asked
    assert "(signal_quality IS NULL OR signal_quality >= 20)" in asked
    assert "signal_quality" not in statement_of("p", "systolic_bp", AT, AT, 20)
    assert "attribute = 'news2'" in statement_of("p", "news2", AT, AT, 20)


def test_hours_come_in_order_and_partial_scores_apart() -> None:
    found = [
        ("2026-01-31", 9, False, 1, 2.5, 4, 6),
        ("2026-01-31", 8, False, 1, 1, 1, 1),
        ("2026-01-31", 8, True, 0, 0, 0, 2),
    ]
    points, apart = hours_of(found)
    assert points == [Point(AT - 123, 1, 1, 1, 1), Point(AT - 123 + 3_600_000, 1, 2.5, 4, 6)]
    assert apart == [Point(AT - 123, 0, 0, 0, 2)]


def test_without_hive_a_month_is_refused_with_a_sentence_and_asked_again() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Hadoop(hiveserver2_port=closed.getsockname()[1])
        history = HourlyHistory(Settings(hadoop=nobody))
        for _ in range(3):
            with pytest.raises(UnavailableError, match="HiveServer2"):
                history.hours("p", "spo2", AT, AT)
