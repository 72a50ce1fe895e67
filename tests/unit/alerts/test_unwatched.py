"""That nobody watches the streams is told once, and once that somebody does; and what is taken for nobody's silence."""

from __future__ import annotations

from typing import Any, cast

import pytest

from alerts.unwatched import LONGEST_LOOK_MS, UNWATCHED, WATCH, Unwatched
from infra.settings import Settings, Streams

NOW = 1_763_838_000_000
LIMIT_SECONDS = 600
SECOND = 1000


class Told:
    """A cursor that gives the technical alarms that are open."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def execute(self, statement: str, arguments: tuple[str, ...]) -> None:
        assert arguments == (UNWATCHED,)

    def fetchall(self) -> list[tuple[str]]:
        return [(key,) for key in self._keys]


class Watch:
    """An engine's look, each second."""

    def __init__(self, *told_before: str) -> None:
        self.now = NOW
        self.unwatched = Unwatched(Settings(streams=Streams(max_unwatched_seconds=LIMIT_SECONDS)), self.now)
        self.unwatched.start(cast(Any, Told(*told_before)))

    def passes(self, seconds: float, behind: bool = False) -> list[bool]:
        """What is told meanwhile: whether it is that it is over."""
        told = []
        for _ in range(round(seconds)):
            self.now += SECOND
            told += self.unwatched.look(self.now, behind, heard=False)
        assert all(one["alarm_key"] == f"{UNWATCHED}:{WATCH}" for one in told)
        return [one["cleared"] for one in told]

    def hears(self) -> list[bool]:
        return [one["cleared"] for one in self.unwatched.look(self.now, behind=False, heard=True)]


def test_it_is_told_once_when_no_watchdog_has_come_for_too_long_and_once_when_one_has() -> None:
    watch = Watch()
    assert watch.passes(LIMIT_SECONDS) == []
    assert watch.passes(LIMIT_SECONDS) == [False]
    assert watch.hears() == [True]
    assert watch.hears() == []
    assert watch.passes(LIMIT_SECONDS) == []
    assert watch.passes(1) == [False]


def test_a_watchdog_each_minute_is_enough() -> None:
    watch = Watch()
    for _ in range(100):
        assert watch.passes(60) == []
        assert watch.hears() == []


def test_what_was_told_before_a_restart_is_not_told_again_but_its_end_is() -> None:
    watch = Watch(f"{UNWATCHED}:{WATCH}")
    assert watch.passes(2 * LIMIT_SECONDS) == []
    assert watch.hears() == [True]


def test_while_messages_wait_to_be_read_nobody_is_called_silent() -> None:
    watch = Watch()
    assert watch.passes(10 * LIMIT_SECONDS, behind=True) == []
    assert watch.passes(LIMIT_SECONDS) == []
    assert watch.passes(1) == [False]


@pytest.mark.parametrize("moved", [-3_600_000, 3_600_000])
def test_a_clock_that_is_moved_or_a_pause_of_ours_is_nobodys_silence(moved: int) -> None:
    watch = Watch()
    watch.now += moved
    assert watch.passes(LIMIT_SECONDS - LONGEST_LOOK_MS / SECOND) == []
    assert watch.passes(LONGEST_LOOK_MS / SECOND + 2) == [False]
