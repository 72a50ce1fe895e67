"""The alert engine's clock is moved by an hour under load, and back: nothing is lost, nothing comes twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from infra.settings import Settings
from tests.faults.campaign import new_campaign
from tests.faults.conftest import finished
from tests.faults.world import World
from tests.stack.alerting import OwnEngine, in_place_of_the_engine, now_ms, publishing

pytestmark = pytest.mark.timeout(1200)

Await = Callable[..., Any]
HOUR_MS = 3_600_000
MOVED_HOURS = (0, 1, 0)
SECONDS = 45.0
"""For so long the clock stays as it is: longer than a medium alarm waits and its mails are grouped."""


class Clock:
    """Shows the time, moved by `hours`."""

    hours = 0

    def now(self) -> int:
        return now_ms() + self.hours * HOUR_MS


def test_a_clock_that_is_moved_by_an_hour_and_back(stack: Settings, seed: int, await_condition: Await) -> None:
    """Of an engine in this process, on the real servers, in place of the stack's: only its clock can be moved."""
    campaign = new_campaign(seed, [f"clock {hours:+} h" for hours in MOVED_HOURS])
    world = World.begin(stack, campaign, await_condition)
    with world.loaded() as watch:
        clock = Clock()
        with in_place_of_the_engine(stack) as own, publishing(stack), at_work(own, clock):
            for fault, clock.hours in zip(campaign.faults, MOVED_HOURS, strict=True):
                at = time.time()
                Event().wait(SECONDS)
                until = time.time()
                took = watch.recovered(until, ())
                campaign.done.append({"fault": fault, "at": at, "until": until, "recovered": took})
        watch.recovered(time.time(), ("alert-engine",))
    found = world.findings(await_condition)
    campaign.findings = str(found)
    finished.append(campaign)
    assert found.clean, str(found)


@contextmanager
def at_work(own: OwnEngine, clock: Clock) -> Iterator[None]:
    """The engine works by that clock meanwhile. Raises what ended it."""
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            own.now = clock.now()
            own.engine.step(0.5)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield
        finally:
            stop.set()
            working.result()
