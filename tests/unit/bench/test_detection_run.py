"""When detection has caught up after an edit."""

from __future__ import annotations

from bench.breach_log import Seen
from bench.detection_run import BEHIND_MS, _caught_up


def seen(source_id: str, inserted_at: int, delay_ms: int) -> Seen:
    return Seen(source_id, "spo2", inserted_at, inserted_at + delay_ms, "row", "message")


def test_it_has_caught_up_with_the_last_breach_that_came_late() -> None:
    late, last_late = seen("1", 900, BEHIND_MS + 1), seen("2", 1000, 3000)
    assert _caught_up([late, last_late, seen("3", 3990, 20)], 1000) == last_late.appended_at


def test_repeats_of_breaches_that_came_in_time_are_not_late() -> None:
    assert _caught_up([seen("1", 900, 10), seen("1", 900, 5000), seen("2", 2000, 10)], 1000) == 1000
