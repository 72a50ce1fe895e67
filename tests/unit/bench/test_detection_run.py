"""What counts as a breach of a run, how many epochs ended in it, and when detection has caught up after an edit."""

from __future__ import annotations

import time
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest

from bench import detection_run
from bench.breach_log import Seen
from bench.detection_run import BEHIND_MS, DetectionRun, _caught_up, epochs_within
from bench.held import Held
from bench.messages import BREACHES_EVERY, breached_by
from infra.errors import WardError

STEADY, OWN = 4 * BREACHES_EVERY, 8 * BREACHES_EVERY
EDIT_SECONDS = 100.0


def seen(source_id: str, inserted_at: int, delay_ms: int) -> Seen:
    return Seen(source_id, "spo2", inserted_at, inserted_at + delay_ms, "row", "message")


def breach(number: int, inserted_at: int, appended_at: int, message: str = "as it was") -> Seen:
    return Seen(str(number), breached_by(number) or "", inserted_at, appended_at, "row", message)


def edited_run(monkeypatch: pytest.MonkeyPatch, *came: tuple[int, int, int, bool]) -> DetectionRun:
    """A run whose edit is at EDIT_SECONDS and brings these breaches: number, sent and appended after (ms), by it."""
    messages: list[str] = []
    log = Mock(seen=[breach(STEADY, 40_000, 40_010)])

    def read() -> None:
        (message,) = messages
        at = int(EDIT_SECONDS * 1000)
        log.seen += [breach(n, at + sent, at + there, message if new else "as it was") for n, sent, there, new in came]

    log.read.side_effect = read
    run = DetectionRun(Mock(), {}, Mock(), Path(), Mock(), log)
    run._next = OWN
    monkeypatch.setattr(run, "_traffic", lambda *_: MagicMock())
    monkeypatch.setattr(detection_run, "held", lambda _logged: Held(100, 400, 4.0, 0.0))
    monkeypatch.setattr(detection_run, "edit_message", lambda _settings, _row, message: messages.append(message))
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(time, "time_ns", lambda: int(EDIT_SECONDS * 1e9))
    return run


FIRST, *LATER = (OWN + place * BREACHES_EVERY for place in range(4))
ALL_CAME = [(FIRST, -500, -490, False), (FIRST, -500, 3000, True), *((number, 100, 3200, True) for number in LATER)]


def test_after_an_edit_what_earlier_readings_breach_comes_again_and_is_not_strange(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edited = edited_run(monkeypatch, (STEADY, -60_000, 2500, True), *ALL_CAME).edited(100, 1, 3)
    assert (edited.first_breach, edited.in_force, edited.caught_up) == (2.5, 3.2, 3.2)


def test_a_breach_that_is_none_of_the_edits_own_readings_is_strange(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WardError, match=f"published 1 that are none, for example \\('{FIRST + 1}'"):
        edited_run(monkeypatch, *ALL_CAME, (FIRST + 1, 0, 3000, True)).edited(100, 1, 3)


def test_a_missing_breach_of_the_edits_own_readings_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WardError, match="detection missed 1 and"):
        edited_run(monkeypatch, (STEADY, -60_000, 2500, True), *ALL_CAME[:-1]).edited(100, 1, 3)


def test_an_edit_by_which_only_older_readings_were_judged_was_not_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    came = [(number, sent, there, by_it and sent < 0) for number, sent, there, by_it in ALL_CAME]
    with pytest.raises(WardError, match="not in force 3 s after"):
        edited_run(monkeypatch, *came).edited(100, 1, 3)


def test_epochs_count_that_ended_between_the_first_and_the_last_counted_reading() -> None:
    counted = [seen("2", 2000, 10), seen("1", 1000, 10), seen("3", 3000, 5000)]
    assert epochs_within(counted, [999, 1000, 2500, 3000, 3001]) == 3


def test_it_has_caught_up_with_the_last_breach_that_came_late() -> None:
    late, last_late = seen("1", 900, BEHIND_MS + 1), seen("2", 1000, 3000)
    assert _caught_up([late, last_late, seen("3", 3990, 20)], 1000) == last_late.appended_at


def test_repeats_of_breaches_that_came_in_time_are_not_late() -> None:
    assert _caught_up([seen("1", 900, 10), seen("1", 900, 5000), seen("2", 2000, 10)], 1000) == 1000
