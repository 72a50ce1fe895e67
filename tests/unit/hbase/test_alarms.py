"""What ops are told of the threshold table, and how often."""

from __future__ import annotations

import pytest

from clinical.messages import TechnicalAlarm
from hbase.alarms import AWAY, EMPTY, INVALID, AlarmBoard
from infra.errors import UnavailableError


class Kept:
    """A memory that lives in the test."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()

    def read(self) -> set[str]:
        return set(self.kinds)

    def write(self, kinds: set[str]) -> None:
        self.kinds = set(kinds)


class Line:
    """A line to ops that can be cut."""

    def __init__(self) -> None:
        self.sent: list[TechnicalAlarm] = []
        self.cut = False

    def send(self, alarm: TechnicalAlarm) -> None:
        if self.cut:
            raise UnavailableError("Kafka", "127.0.0.1:1", "cut")
        self.sent.append(alarm)

    def told(self) -> list[tuple[str, bool]]:
        return [(alarm["kind"], alarm["cleared"]) for alarm in self.sent]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_an_alarm_is_raised_once_and_cleared_once(line: Line, kept: Kept) -> None:
    board = AlarmBoard(line.send, kept, "detect-breaches")
    for now in range(3):
        board.raise_(INVALID, "spo2#001: wrong")
        board.tell(now)
    for now in range(3, 6):
        board.clear(INVALID, AWAY)
        board.tell(now)
    assert line.told() == [(INVALID, False), (INVALID, True)]
    assert line.sent[0] == {
        "alarm_key": "detect-breaches:threshold_table_invalid",
        "source": "detect-breaches",
        "kind": INVALID,
        "detail": "spo2#001: wrong",
        "raised_at": 0,
        "cleared": False,
    }
    assert line.sent[1]["alarm_key"] == line.sent[0]["alarm_key"]


def test_an_alarm_that_could_not_be_published_is_published_later(line: Line, kept: Kept) -> None:
    board = AlarmBoard(line.send, kept, "detect-breaches")
    line.cut = True
    board.raise_(EMPTY, "no rows")
    board.tell(1)
    line.cut = False
    board.tell(2)
    assert line.told() == [(EMPTY, False)]


def test_an_alarm_whose_cause_went_before_it_could_be_published_is_never_raised(line: Line, kept: Kept) -> None:
    board = AlarmBoard(line.send, kept, "detect-breaches")
    line.cut = True
    board.raise_(AWAY, "away")
    board.tell(1)
    board.clear(AWAY)
    line.cut = False
    board.tell(2)
    assert line.told() == []


def test_a_restart_neither_repeats_an_alarm_nor_forgets_to_clear_it(line: Line, kept: Kept) -> None:
    before = AlarmBoard(line.send, kept, "detect-breaches")
    before.raise_(INVALID, "wrong")
    before.raise_(AWAY, "away")
    before.tell(1)
    after = AlarmBoard(line.send, kept, "detect-breaches")
    after.clear(AWAY)
    after.tell(2)
    after.raise_(INVALID, "wrong")
    after.tell(3)
    after.clear(INVALID)
    after.tell(4)
    assert line.told() == [(AWAY, False), (INVALID, False), (AWAY, True), (INVALID, True)]
    assert kept.kinds == set()


def test_a_kind_that_was_not_looked_at_since_the_restart_is_not_cleared(line: Line, kept: Kept) -> None:
    kept.kinds = {INVALID}
    AlarmBoard(line.send, kept, "detect-breaches").tell(1)
    assert line.told() == []
