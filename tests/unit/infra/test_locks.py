"""Named locks when MySQL goes away at a moment that a real server cannot be made to choose."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import pymysql
import pytest

from infra.errors import SingleInstanceError, UnavailableError
from infra.locks import named_lock
from infra.settings import Settings

LOST = pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")


class Answering:
    """A connection, and its cursor, that gives these answers to what begins so."""

    def __init__(self, answers: Mapping[str, int | Exception]) -> None:
        self._answers = answers
        self._found: int | Exception = 0
        self.closed = False

    def cursor(self) -> Answering:
        return self

    def __enter__(self) -> Answering:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Nothing."""

    def execute(self, statement: str, _arguments: tuple[Any, ...]) -> None:
        self._found = next((found for start, found in self._answers.items() if statement.startswith(start)), 0)
        if isinstance(self._found, Exception):
            raise self._found

    def fetchone(self) -> tuple[object]:
        return (self._found,)

    def close(self) -> None:
        self.closed = True


def connected(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, int | Exception]) -> Answering:
    connection = Answering(answers)
    monkeypatch.setattr("infra.locks.alerts_connection", lambda *_, **__: connection)
    return connection


def test_a_lock_that_is_held_to_the_end_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connected(monkeypatch, {"SELECT GET_LOCK": 1, "SELECT IS_USED_LOCK": 1})
    with named_lock(Settings(), "one"):
        assert not connection.closed
    assert connection.closed


@pytest.mark.parametrize("answer", [0, LOST], ids=["another has it", "no connection"])
def test_a_lock_that_was_lost_is_told_at_the_end(monkeypatch: pytest.MonkeyPatch, answer: int | Exception) -> None:
    connection = connected(monkeypatch, {"SELECT GET_LOCK": 1, "SELECT IS_USED_LOCK": answer})
    with pytest.raises(UnavailableError, match="the lock one was lost"), named_lock(Settings(), "one"):
        pass
    assert connection.closed


def test_what_went_wrong_within_is_told_and_not_the_lost_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    connected(monkeypatch, {"SELECT GET_LOCK": 1, "SELECT IS_USED_LOCK": LOST})
    with pytest.raises(ValueError, match="within"), named_lock(Settings(), "one"):
        raise ValueError("within")


def test_mysql_that_dies_while_the_lock_is_waited_for_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connected(monkeypatch, {"SELECT GET_LOCK": LOST})
    with pytest.raises(UnavailableError, match="MySQL at"), named_lock(Settings(), "one", 5):
        pass
    assert connection.closed


def test_a_lock_of_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connected(monkeypatch, {"SELECT GET_LOCK": 0})
    with pytest.raises(SingleInstanceError, match="one is held by another"), named_lock(Settings(), "one"):
        pass
    assert connection.closed
