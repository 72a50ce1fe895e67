"""One look at a server for all open pages."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import pytest

from dashboard.shared import Shared
from infra.errors import UnavailableError

PATIENCE_SECONDS = 300


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Looks:
    """Counts how often it was asked; fails while it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.fails = False

    def __call__(self) -> int:
        self.count += 1
        if self.fails:
            raise UnavailableError("MySQL", "127.0.0.1:1", "away")
        return self.count


def test_what_was_seen_is_kept_for_its_time_and_then_looked_up_anew() -> None:
    looks, clock = Looks(), Clock()
    shared = Shared(looks, 5.0, clock)

    async def ask() -> list[int]:
        found = [await shared.get(), await shared.get()]
        clock.now = 5.0
        return [*found, await shared.get()]

    assert asyncio.run(ask()) == [1, 1, 2]


def test_many_who_ask_at_once_wait_for_one_look() -> None:
    go = threading.Event()
    looks = Looks()

    def slow() -> int:
        assert go.wait(PATIENCE_SECONDS)
        return looks()

    shared = Shared(slow, 60.0)

    async def ask() -> list[int]:
        waiting = [asyncio.create_task(shared.get()) for _ in range(20)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(ask()) == [1] * 20


def test_one_who_goes_away_does_not_end_the_look_of_the_others() -> None:
    go = threading.Event()

    def slow() -> str:
        assert go.wait(PATIENCE_SECONDS)
        return "seen"

    shared = Shared(slow, 60.0)

    async def ask() -> str:
        gone, stays = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        go.set()
        return await stays

    assert asyncio.run(ask()) == "seen"


def test_a_failure_is_told_to_all_asked_again_in_time_and_then_over() -> None:
    looks, clock = Looks(), Clock()
    shared = Shared(looks, 5.0, clock)
    looks.fails = True

    async def ask() -> int:
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await shared.get()
        assert looks.count == 1
        looks.fails = False
        clock.now = 5.0
        return await shared.get()

    assert asyncio.run(ask()) == 2


def test_after_a_change_the_next_one_looks_anew() -> None:
    shared = Shared(Looks(), 60.0)

    async def ask() -> list[int]:
        first = await shared.get()
        shared.forget()
        return [first, await shared.get()]

    assert asyncio.run(ask()) == [1, 2]
