"""What detection published against what it should have."""

from __future__ import annotations

import pytest

from bench.breach_log import Seen, require_exactly
from infra.errors import WardError


def seen(source_id: str, appended_at: int = 7) -> Seen:
    return Seen(source_id, "spo2", 0, appended_at, "row", "message")


EXPECTED = {("1", "spo2"), ("2", "spo2")}


def test_every_expected_breach_once_is_right() -> None:
    require_exactly([seen("2"), seen("1")], EXPECTED, repeats_allowed=False)


def test_a_missing_or_a_further_breach_is_named() -> None:
    with pytest.raises(WardError, match=r"missed 1 and published 0 .* \('2', 'spo2'\)"):
        require_exactly([seen("1")], EXPECTED, repeats_allowed=False)
    with pytest.raises(WardError, match=r"missed 0 and published 1 .* \('3', 'spo2'\)"):
        require_exactly([seen("1"), seen("2"), seen("3")], EXPECTED, repeats_allowed=False)


def test_a_repeat_is_right_only_after_a_restart() -> None:
    twice = [seen("1"), seen("2"), seen("1", appended_at=9)]
    require_exactly(twice, EXPECTED, repeats_allowed=True)
    with pytest.raises(WardError, match="published 1 of 2 breaches again"):
        require_exactly(twice, EXPECTED, repeats_allowed=False)


def test_a_delay_runs_from_the_reading_to_the_breach() -> None:
    assert Seen("1", "spo2", 1000, 1012, "row", "message").delay_ms == 12
