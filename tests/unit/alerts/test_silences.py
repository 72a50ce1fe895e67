"""What a silence matches, and how one is asked for."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.silences import LONGEST_MS, Silence, silenced_until
from alerts.silences_cli import check_scope, check_times, describe
from infra.errors import ConfigurationError

NOW = 1_790_000_000_000
HOUR = 3_600_000
UTC = ZoneInfo("UTC")


def silence(**changes: Any) -> Silence:
    fields: dict[str, Any] = {
        "silence_id": 1,
        "kind": "silence",
        "patient_id": None,
        "ward": None,
        "attribute": None,
        "starts_at": NOW,
        "ends_at": NOW + HOUR,
        "author": "Jane Doe",
        "reason": "a loose probe",
        **changes,
    }
    return Silence(**fields)


@pytest.mark.parametrize(
    ("changes", "covered"),
    [
        ({}, True),
        ({"patient_id": "P-1"}, True),
        ({"patient_id": "p-1"}, False),
        ({"patient_id": "P-11"}, False),
        ({"ward": "ICU"}, True),
        ({"ward": "Cardiology"}, False),
        ({"attribute": "spo2"}, True),
        ({"attribute": "glucose"}, False),
        ({"ward": "ICU", "attribute": "spo2"}, True),
        ({"ward": "ICU", "attribute": "glucose"}, False),
        ({"patient_id": "P-1", "ward": "Cardiology"}, False),
        ({"patient_id": ""}, False),
    ],
)
def test_a_silence_covers_what_all_that_it_names_matches(changes: dict[str, str], covered: bool) -> None:
    assert silence(**changes).covers("P-1", "ICU", "spo2") is covered


def test_the_last_of_several_silences_counts() -> None:
    two = [silence(ends_at=NOW + 2 * HOUR, ward="ICU"), silence(ends_at=NOW + HOUR), silence(ends_at=9**20, ward="B")]
    assert silenced_until(two, "P-1", "ICU", "spo2") == NOW + 2 * HOUR
    assert silenced_until(two, "P-1", "Cardiology", "spo2") == NOW + HOUR
    assert silenced_until([], "P-1", "ICU", "spo2") is None


def test_everything_is_silenced_only_when_it_is_said() -> None:
    assert check_scope(None, None, None, everything=True) == (None, None, None)
    assert check_scope(None, " ICU ", "glucose", everything=False) == (None, "ICU", "glucose")
    for scope in ((None, None, None, False), ("P-1", None, None, True)):
        with pytest.raises(ConfigurationError, match="--everything alone"):
            check_scope(*scope)


@pytest.mark.parametrize(
    ("scope", "word"),
    [
        ((None, None, "sp02"), "spo2"),
        ((None, None, ""), "there are heart_rate"),
        (("", None, None), "--patient has 1 to 190"),
        ((None, "  ", None), "--ward has 1 to 190"),
    ],
)
def test_what_nothing_can_match_is_refused(scope: tuple[str | None, str | None, str | None], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        check_scope(*scope, everything=False)


def test_the_times_of_a_silence() -> None:
    assert check_times("2h", None, None, UTC, NOW) == (NOW, NOW + 2 * HOUR)
    begins, ends = check_times("30m", None, "2126-01-31T14:00", UTC, NOW)
    assert ends - begins == HOUR // 2
    assert check_times(None, "2026-09-21 20:00", None, UTC, NOW)[0] == NOW


@pytest.mark.parametrize(
    ("duration", "until", "starts", "word"),
    [
        (None, None, None, "one of the two"),
        ("2h", "2126-01-31T14:00", None, "one of the two"),
        (None, "2020-01-31T14:00", None, "before the start"),
        (None, "2126-01-31T14:00", "2126-01-31T14:00", "before the start"),
        ("1h", None, "2020-01-31T14:00", "past already"),
        ("8d", None, None, "7d is the most"),
        (None, "2126-01-31T14:00", None, "7d is the most"),
        ("soon", None, None, "not a duration"),
        ("1h", None, "tomorrow", "not a time"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    duration: str | None, until: str | None, starts: str | None, word: str
) -> None:
    with pytest.raises(ConfigurationError, match=word):
        check_times(duration, until, starts, UTC, NOW)
    assert LONGEST_MS == 7 * 24 * HOUR


def test_a_silence_is_told_in_words() -> None:
    assert describe((None, "ICU", "glucose")) == "ward ICU, attribute glucose"
    assert describe((None, None, None)) == "any patient"
