"""Wrong passwords are slowed, and nobody is locked out for good."""

from __future__ import annotations

import pytest

from dashboard import throttle
from dashboard.throttle import FREE_TRIES, LONGEST_SECONDS, Throttle


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_few_slips_cost_nothing(clock: Clock) -> None:
    one = Throttle(clock)
    for _ in range(FREE_TRIES - 1):
        one.wrong("name a")
        assert one.wait_seconds("name a") == 0


def test_each_further_wrong_password_doubles_the_wait_up_to_a_bound(clock: Clock) -> None:
    one, waits = Throttle(clock), []
    for _ in range(FREE_TRIES + 40):
        one.wrong("name a")
        waits.append(one.wait_seconds("name a"))
        clock.now += waits[-1]
        assert one.wait_seconds("name a") == 0
    grown = waits[FREE_TRIES - 1 :]
    assert grown[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(grown) == grown[-1] == LONGEST_SECONDS


def test_a_wait_is_over_when_it_is_over(clock: Clock) -> None:
    one = Throttle(clock)
    for _ in range(FREE_TRIES + 1):
        one.wrong("name a")
    clock.now += 1.5
    assert one.wait_seconds("name a") == pytest.approx(0.5)


def test_the_right_password_is_forgiving_and_other_keys_are_not_touched(clock: Clock) -> None:
    one = Throttle(clock)
    for _ in range(FREE_TRIES):
        one.wrong("name a", "address x")
    assert one.wait_seconds("name b", "address x") > 0
    assert one.wait_seconds("name b", "address y") == 0
    one.right("name a", "address x")
    assert one.wait_seconds("name a", "address x") == 0


def test_what_is_long_past_is_forgotten(clock: Clock) -> None:
    one = Throttle(clock)
    for _ in range(FREE_TRIES + 5):
        one.wrong("name a")
    clock.now += throttle.FORGET_SECONDS
    one.wrong("name a")
    assert one.wait_seconds("name a") == 0


def test_guessing_with_ever_new_names_does_not_fill_the_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "ENTRIES_MAX", 10)
    one = Throttle(clock)
    for number in range(100):
        one.wrong(f"name {number}", "address x")
    assert len(one._wrong) <= 12
    assert one.wait_seconds("address x") > 0


def test_a_try_that_was_right_after_all_is_taken_back_and_those_before_it_are_not(clock: Clock) -> None:
    one = Throttle(clock)
    for _ in range(FREE_TRIES):
        one.wrong("x")
    one.take_back("x")
    assert one.wait_seconds("x") == 0
    one.wrong("x")
    assert one.wait_seconds("x") > 0


def test_many_may_mistype_behind_one_proxy(clock: Clock) -> None:
    one = Throttle(clock, throttle.FREE_TRIES_OF_ADDRESS)
    for _ in range(throttle.FREE_TRIES_OF_ADDRESS - 1):
        one.wrong("x")
    assert one.wait_seconds("x") == 0
