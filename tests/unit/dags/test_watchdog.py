"""When a watchdog is overdue."""

from __future__ import annotations

import json

from dags.lib.watchdog import GAP_MS, NEWEST_KEPT, Memory, after

START = 1_790_000_000_000
MINUTE = 60_000
LOOKED = Memory(looked_at=START - MINUTE)
"""A watch that is under way and waits for nothing."""


def look(memory: Memory, minute: int, arrivals: dict[int, int] | None = None, impaired: bool = False) -> Memory:
    """A look in that minute, two seconds after a watchdog was sent."""
    sent = START + minute * MINUTE
    return after(memory, sent, arrivals or {}, sent + 2000, impaired)


def test_one_that_came_is_remembered_with_the_time_that_it_took() -> None:
    known = look(LOOKED, 0, {START: START + 900})
    assert (known.waiting, known.came, known.took) == ((), START, 900)
    assert known.absent_seconds(START + 2000) == 0


def test_absence_counts_from_the_oldest_that_waits() -> None:
    known = LOOKED
    for minute in range(5):
        known = look(known, minute)
    assert known.absent_seconds(START + 4 * MINUTE + 2000) == 242


def test_one_that_comes_makes_up_for_all_earlier_ones() -> None:
    known = look(look(look(LOOKED, 0), 1), 2, {START + MINUTE: START + MINUTE + 3000})
    assert known.waiting == (START + 2 * MINUTE,)


def test_one_that_comes_late_and_out_of_order_never_takes_the_newest_back() -> None:
    known = look(look(LOOKED, 0), 1, {START + MINUTE: START + MINUTE + 900})
    known = look(known, 2, {START: START + 2 * MINUTE, START + 2 * MINUTE: START + 2 * MINUTE + 700})
    known = look(known, 3, {START + MINUTE: START + 3 * MINUTE})
    assert (known.came, known.took) == (START + 2 * MINUTE, 700)
    assert known.waiting == (START + 3 * MINUTE,)


def test_while_the_path_is_known_to_be_broken_nothing_is_expected_and_afterwards_all_time_is_given_again() -> None:
    known = look(look(look(LOOKED, 0), 1), 2, impaired=True)
    assert known.waiting == ()
    known = look(known, 3)
    assert known.absent_seconds(START + 3 * MINUTE + 2000) == 2


def test_after_a_pause_of_the_watch_it_begins_anew() -> None:
    known = look(LOOKED, 0)
    paused = GAP_MS // MINUTE + 1
    assert look(known, paused).waiting == (START + paused * MINUTE,)
    assert look(known, 1).waiting == (START, START + MINUTE)


def test_the_first_look_ever_waits_for_the_one_just_sent() -> None:
    assert look(Memory.of({}), 0).waiting == (START,)


def test_of_a_long_absence_the_oldest_and_the_newest_few_are_kept() -> None:
    known = LOOKED
    for minute in range(500):
        known = look(known, minute)
    assert len(known.waiting) == NEWEST_KEPT + 1
    assert (known.waiting[0], known.waiting[-1]) == (START, START + 499 * MINUTE)


def test_what_is_known_survives_as_json() -> None:
    known = look(look(LOOKED, 0, {START: START + 900}), 1)
    assert Memory.of(json.loads(json.dumps(known.as_dict()))) == known


def test_after_the_clock_was_set_back_absence_is_seen_as_soon_as_otherwise() -> None:
    known = look(look(LOOKED, 60), 61, {START + 61 * MINUTE: START + 61 * MINUTE + 900})
    known = look(known, 0, {START + 61 * MINUTE: START + 62 * MINUTE})
    for minute in range(1, 5):
        known = look(known, minute)
    assert known.absent_seconds(START + 4 * MINUTE + 2000) == 242
