"""What people type: names, reasons, durations and times."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from alerts.entries import as_duration, as_moment, author_of, parse_duration, parse_moment, reason_of, zone_of
from infra.errors import ConfigurationError
from infra.settings import Alerts, Settings

DAY = 86_400_000
OSLO = ZoneInfo("Europe/Oslo")


@pytest.mark.parametrize(("text", "ms"), [("1m", 60_000), ("30m", 1_800_000), ("2h", 7_200_000), ("7d", 7 * DAY)])
def test_a_duration_is_a_number_and_a_unit_and_reads_back(text: str, ms: int) -> None:
    assert parse_duration(text, 7 * DAY) == ms
    assert as_duration(ms) == text


@pytest.mark.parametrize(
    "text", ["", "30", "m", "0m", "-5m", "+5m", "1.5h", "1h30m", "30 m", " 30m", "30m\n", "30s", "2H", "٣m", "999999m"]
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigurationError, match="30m, 2h or 1d"):
        parse_duration(text, 7 * DAY)


@pytest.mark.parametrize("text", ["481m", "9h", "1d"])
def test_a_duration_above_the_limit_is_refused_with_the_limit(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{text} is too long: 8h is the most"):
        parse_duration(text, 8 * 3_600_000)


def test_a_time_is_in_the_zone_of_the_mails_unless_it_names_one() -> None:
    assert parse_moment("2026-01-31T14:00", OSLO) == parse_moment("2026-01-31 13:00:00Z", OSLO)
    assert parse_moment("2026-01-31T14:00+05:30", OSLO) == parse_moment("2026-01-31T08:30", ZoneInfo("UTC"))
    assert as_moment(parse_moment("2026-07-01T14:00", OSLO), OSLO) == "2026-07-01 14:00:00"


@pytest.mark.parametrize(
    "text", ["", "14:00", "2026-01-31", "31.01.2026 14:00", "2026-02-30T14:00", "2026-01-31T25:00", "20260131T1400"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"2026-01-31T14:00 \(Europe/Oslo\)"):
        parse_moment(text, OSLO)


def test_a_name_loses_what_cannot_be_seen_and_keeps_its_letters() -> None:
    assert author_of("  Dr\tZoë\u202e \x00Łukasz\r\nBcc: x ") == "Dr Zoë Łukasz Bcc: x"
    assert author_of("\udcff x") == "x"


@pytest.mark.parametrize("text", ["", "  ", "\u202e\x07", "x" * 191])
def test_a_name_is_needed_and_bounded(text: str) -> None:
    with pytest.raises(ConfigurationError, match="1 to 190"):
        author_of(text)


def test_a_reason_is_needed_where_it_is_and_always_bounded() -> None:
    assert reason_of("", needed=False) == ""
    for text in ("", "x" * 1001):
        with pytest.raises(ConfigurationError, match="1 to 1000"):
            reason_of(text)


def test_a_zone_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigurationError, match="Europe/Olso"):
        zone_of(Settings(alerts=Alerts(display_time_zone="Europe/Olso")))


@pytest.mark.parametrize("text", ["alert-engine", " Alert-Engine\n", "alert\u200b-engine"])
def test_the_name_by_which_the_audit_calls_the_program_is_nobodys(text: str) -> None:
    with pytest.raises(ConfigurationError, match="give your own name"):
        author_of(text)
