"""What the oracle expects of derived values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clinical.news2 import INPUTS
from tests.faults.load import OTHERS, VERY_ILL
from tests.faults.oracle import LastScore, last_scores

AT_MS = 1_767_225_600_000
"""2026-01-01, midnight."""

LAST = LastScore("P1", AT_MS, 0, 3)
TOLD: dict[str, Any] = {
    "patient_id": "P1",
    "attribute": "news2",
    "value": 0.0,
    "computed_for": AT_MS - 1,
    "inputs_used": 3,
}


def test_the_last_score_is_that_of_the_newest_reading_of_each_patient() -> None:
    ill, well = ((75, spo2, 16, 100, *[None] * len(OTHERS)) for spo2 in (85, 98))
    newest = datetime.fromtimestamp(AT_MS / 1000, UTC).replace(tzinfo=None)
    rows = [(2, "P1", newest, *well), (1, "P1", newest - timedelta(days=1), *ill), (3, "P2", newest, *ill)]
    assert sorted(last_scores(rows)) == [LAST, LastScore("P2", AT_MS, 3, 3)]


def test_a_score_is_of_all_inputs_that_a_patient_has() -> None:
    newest = datetime.fromtimestamp(AT_MS / 1000, UTC).replace(tzinfo=None)
    row = (1, "P1", newest, *VERY_ILL, *OTHERS.values())
    assert last_scores([row]) == [LastScore("P1", AT_MS, 7, len(INPUTS))]


def test_a_derived_value_tells_it_when_it_is_of_that_time() -> None:
    assert LAST.is_told_by(TOLD)


@pytest.mark.parametrize(
    "changed",
    [
        {"patient_id": "P2"},
        {"attribute": "glucose_mean_10m"},
        {"value": 3},
        {"inputs_used": 2},
        {"computed_for": AT_MS - 1000},
    ],
)
def test_one_of_another_patient_time_or_value_does_not(changed: dict[str, Any]) -> None:
    assert not LAST.is_told_by(TOLD | changed)
