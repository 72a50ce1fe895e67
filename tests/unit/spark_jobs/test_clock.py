"""A clock that is set back ends a job that would wait for it to catch up."""

from __future__ import annotations

import time

import pytest

from infra.errors import WardError
from spark_jobs.clock import MOST_SECONDS, BatchClock


class Wall:
    """The machine's clock, which a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shift = 0.0
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self.shift)


@pytest.mark.parametrize("shifts", [(0.0,), (3600.0, 7200.0), (-MOST_SECONDS + 1,), (-5.0, -10.0, -15.0)])
def test_a_clock_that_goes_on_or_is_corrected_a_little_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, shifts: tuple[float, ...]
) -> None:
    wall, clock = Wall(monkeypatch), BatchClock()
    for wall.shift in shifts:
        clock.require_not_set_back()


@pytest.mark.parametrize("shifts", [(-3600.0,), (7200.0, 3600.0), (-10.0, -30.0)])
def test_a_clock_that_was_set_back_is_told(monkeypatch: pytest.MonkeyPatch, shifts: tuple[float, ...]) -> None:
    wall, clock = Wall(monkeypatch), BatchClock()
    for wall.shift in shifts[:-1]:
        clock.require_not_set_back()
    wall.shift = shifts[-1]
    with pytest.raises(WardError, match="set back by"):
        clock.require_not_set_back()
