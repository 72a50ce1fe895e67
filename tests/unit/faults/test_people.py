"""What people of the fault suite notice of alarms that they have acknowledged."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.alarms_table import AlarmRow
from clinical.lifecycle_state import Phase
from tests.faults.people import People


def seen(*phases: Phase) -> list[str]:
    """An alarm in these phases, one look after the other; what has fallen back."""
    nothing: Any = None
    people = People(nothing, "F1")
    for phase in phases:
        people._look_at(alarm(phase))
    return people.fallen_back


def alarm(phase: Phase) -> AlarmRow:
    about = ("clinical", "P-1", "W", "glucose", "high", None, None, phase.value, "medium", "medium")
    return AlarmRow("first", *about, 0, 0, 0, 1, 300.0, 0, 0, None, None, None, None)


def test_an_alarm_that_was_seen_acknowledged_and_then_active_has_fallen_back_once() -> None:
    assert seen(Phase.ACTIVE, Phase.ACKNOWLEDGED, Phase.ACTIVE, Phase.ACTIVE) == ["first"]


@pytest.mark.parametrize("phases", [(Phase.ACTIVE, Phase.ACTIVE), (Phase.ACTIVE, Phase.ACKNOWLEDGED)])
def test_an_alarm_that_is_still_as_it_was_has_not(phases: tuple[Phase, ...]) -> None:
    assert seen(*phases) == []
