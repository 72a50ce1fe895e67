"""The clock of an import's steps."""

from __future__ import annotations

import itertools

from bench.contacts import StepClock


def test_the_steps_of_an_import_are_timed_without_its_wait_for_another() -> None:
    ticks = itertools.count(0.0, 2.0)
    clock = StepClock(lambda: next(ticks))
    for step in ("waiting for the lock", "checking the servers", "merging", "checking the servers"):
        clock(step)
    assert clock.seconds() == {"checking the servers": 4.0, "merging": 2.0}
