"""Small texts of mails."""

from __future__ import annotations

import unicodedata
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.wording import (
    age_text,
    ascii_line,
    at_least,
    band_text,
    clip,
    clock_text,
    duration_text,
    label,
    local_time,
    number_text,
    one_line,
    row,
    ward_words,
)
from clinical.notices import UNKNOWN_WARD
from tests.unit.alerts.breaches import RECORDED

OSLO, UTC = ZoneInfo("Europe/Oslo"), ZoneInfo("UTC")


def test_other_scripts_are_spelled_in_ascii() -> None:
    assert ascii_line("Süd-Łódź °C ß\n心") == "Sud-Lodz C ss, ?"


def test_months_are_used_for_small_children() -> None:
    assert [age_text(years) for years in (0.0, 1 / 12, 1.5, 2.0, 17.99)] == [
        "0 months",
        "1 month",
        "18 months",
        "2 years",
        "17 years",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.999, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 0 min"),
        (47 * 3600 + 3540, "47 h 59 min"),
        (48 * 3600, "2 d 0 h"),
        (75 * 3600, "3 d 3 h"),
    ],
)
def test_a_duration_is_cut_to_what_matters(seconds: float, text: str) -> None:
    assert duration_text(round(seconds * 1000)) == text


def test_a_time_of_another_day_in_the_local_zone_has_its_date() -> None:
    just_before_midnight = 1_790_027_999_000  # 23:59:59 in Oslo
    assert clock_text(just_before_midnight, just_before_midnight, OSLO) == "23:59:59 CEST"
    assert clock_text(just_before_midnight, just_before_midnight + 1000, OSLO) == "2026-09-21 23:59:59 CEST"
    assert clock_text(just_before_midnight, just_before_midnight + 1000, UTC, with_zone=False) == "21:59:59"


@pytest.mark.parametrize("epoch_ms", [253_402_300_799_999, 10**18, 10**30, -(10**18)])
def test_a_time_beyond_the_calendar_still_gives_a_text(epoch_ms: int) -> None:
    assert str(epoch_ms) in local_time(epoch_ms, ZoneInfo("Asia/Tokyo"))
    assert clock_text(epoch_ms, RECORDED, ZoneInfo("Asia/Tokyo"))


def test_a_number_has_the_resolution_of_its_attribute() -> None:
    assert [number_text("heart_rate", value) for value in (134.5, 134.49, 0.0)] == ["135", "134", "0"]
    assert [number_text("temperature", value) for value in (38.05, 38.0)] == ["38.1", "38.0"]
    assert number_text("lactate", 2.25) == "2.25"


@pytest.mark.parametrize("value", [1e300, -1e300, float("inf"), float("nan")])
def test_a_number_that_no_body_has_still_gives_a_short_text(value: float) -> None:
    assert len(number_text("heart_rate", value)) < 20


def test_a_band_says_that_its_limits_belong_to_it() -> None:
    assert band_text("spo2", "%", None, 91) == "91 % or less"
    assert band_text("spo2", "%", 96, None) == "96 % or more"
    assert band_text("temperature", "°C", 36.1, 38) == "36.1 to 38.0 °C"
    assert band_text("news2", "", None, None) == "any value"


def test_only_a_score_that_lacked_inputs_is_a_lower_bound() -> None:
    assert at_least(5, 7) == ">= "
    assert [at_least(*inputs) for inputs in ((7, 7), (439, 2), (None, None), (None, 7), (5, None))] == [""] * 5


def test_wards_are_named_and_the_lack_of_one_is_said() -> None:
    assert ward_words("Zürich 1") == "ward Zurich 1"
    assert [ward_words(ward) for ward in (None, "", " \n", UNKNOWN_WARD)] == [UNKNOWN_WARD] * 4


def test_an_attribute_of_nobody_is_named_as_it_is_on_one_line() -> None:
    assert label("cardiac_output\nPhone: 1") == "cardiac output, Phone: 1"


def test_a_long_title_keeps_a_space_before_its_text() -> None:
    assert row("Ward", "ICU") == "Ward:         ICU"
    assert row("Systolic blood pressure", "92 mmHg") == "Systolic blood pressure: 92 mmHg"


@given(st.text(max_size=700))
def test_any_text_becomes_one_line_without_controls_or_changes_of_direction(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 500
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(letter).startswith("C") for letter in line)


@given(st.text(max_size=50), st.integers(0, 60))
def test_a_clipped_text_is_never_longer(text: str, longest: int) -> None:
    assert len(clip(text, longest)) <= longest
    assert clip(text, len(text)) == text
