"""For how long the engine reminds nobody because it still reads what came in an outage."""

from __future__ import annotations

from typing import Any

from alerts.engine import CATCH_UP_MS, Engine
from infra.settings import Settings

NOW = 1_763_838_000_000
SECOND = 1000


def catches_up(*steps: tuple[int, bool]) -> list[bool]:
    """What it says at each step, given by its time (ms after the start) and whether all has been read."""
    nothing: Any = None
    engine = Engine(Settings(acknowledge_key="secret"), nothing, nothing, lambda: None, lambda: NOW)
    return [engine._catches_up(is_level, NOW + at) for at, is_level in steps]


def test_while_all_has_been_read_nothing_waits() -> None:
    assert catches_up((0, True), (SECOND, True)) == [False, False]


def test_after_a_pause_of_its_own_it_catches_up_too() -> None:
    asleep = 1_200 * SECOND
    assert catches_up((0, True), (asleep, False), (asleep + SECOND, False), (asleep + 2 * SECOND, True)) == [
        False,
        True,
        True,
        False,
    ]


def test_an_engine_that_stays_behind_reminds_all_the_same_after_a_minute() -> None:
    assert catches_up((0, False), (CATCH_UP_MS - 1, False), (CATCH_UP_MS, False)) == [True, True, False]


def test_a_clock_that_was_set_back_does_not_lengthen_it() -> None:
    assert catches_up((0, False), (-3_600_000, False), (-3_600_000 + CATCH_UP_MS, False)) == [True, True, False]
