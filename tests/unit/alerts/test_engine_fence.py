"""A second alert engine is met at whatever the first one writes, on a database that knows offsets only."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from alerts.batch import Batch
from alerts.decide import Changes
from alerts.engine import Engine, Step
from alerts.store import STEPS
from clinical.topics import DOCTORS_QUEUE
from infra.errors import SingleInstanceError
from infra.settings import Settings

PARTITION = (DOCTORS_QUEUE, 0)
NOW = 1_763_838_000_000


class Database:
    """The offsets, and the orders that were answered. It is its own connection and cursor."""

    def __init__(self) -> None:
        self.offsets: dict[tuple[str, int], int] = {}
        self.answered: list[str] = []
        self._before: tuple[Any, ...] = ()
        self._found: list[Any] = []

    def begin(self) -> None:
        self._before = copy.deepcopy((self.offsets, self.answered))

    def commit(self) -> None:
        """Nothing: all is written at once."""

    def rollback(self) -> None:
        self.offsets, self.answered = self._before

    @contextmanager
    def cursor(self) -> Iterator[Database]:
        yield self

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> int:
        self._found = []
        if statement.startswith("SELECT topic, partition_id"):
            self._found = [(*partition, offset) for partition, offset in self.offsets.items()]
        elif statement.startswith("UPDATE orders"):
            self.answered.append(arguments[1])
        elif statement.startswith("UPDATE consumer_offsets"):
            after, _, topic, partition, before = arguments
            if self.offsets[topic, partition] != before or after == before:
                return 0
            self.offsets[topic, partition] = after
        return 1

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if "consumer_offsets" in statement:
            for _, topic, partition in rows:
                self.offsets.setdefault((topic, partition), 0)

    def fetchall(self) -> list[Any]:
        return self._found

    def fetchone(self) -> None:
        return None


class Quiet:
    """A feed that has nothing."""

    def partitions(self) -> list[tuple[str, int]]:
        return [PARTITION]

    def extents(self) -> dict[tuple[str, int], tuple[int, int]]:
        return {PARTITION: (0, 100)}

    def start_at(self, offsets: dict[tuple[str, int], int], *_: object) -> None:
        assert offsets.keys() == {PARTITION}

    def set_aside(self, _records: object) -> None:
        """Nothing."""


def engine(database: Any) -> Engine:
    feed: Any = Quiet()
    made = Engine(Settings(acknowledge_key="secret"), database, feed, lambda: None, lambda: NOW)
    made.start()
    return made


def answer(one: Engine, outcome: str, offsets: dict[tuple[str, int], int] | None = None) -> None:
    one._write(Step(Batch(offsets=offsets or {}), Changes(), [], outcomes={1: outcome}), NOW)


@pytest.mark.parametrize("offsets", [{}, {PARTITION: 7}], ids=["no record", "a record"])
def test_of_two_engines_only_the_one_that_writes_first_goes_on(offsets: dict[tuple[str, int], int]) -> None:
    database = Database()
    first, second = engine(database), engine(database)
    answer(first, "once")
    with pytest.raises(SingleInstanceError, match="Another alert engine"):
        answer(second, "twice", offsets)
    answer(first, "again")
    assert database.answered == ["once", "again"]
    assert database.offsets == {PARTITION: 0, STEPS: 2}


def test_an_engine_that_starts_later_goes_on_where_the_other_ended() -> None:
    database = Database()
    answer(engine(database), "one", {PARTITION: 7})
    answer(engine(database), "two")
    assert database.answered == ["one", "two"]
    assert database.offsets == {PARTITION: 7, STEPS: 2}
