"""A page that is read ahead is used only where it begins; an error of its reading is not lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from infra.errors import UnavailableError
from producers.read_ahead import ReadAhead
from producers.source import Row, SourceReader

SIZE = 2


class Table:
    """A table with the keys 1 to 9. `asked`: after which keys pages have been read, and in which thread; a page takes
    until `may_end` is set, or a moment."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []
        self.is_there = True
        self.may_end = threading.Event()

    def after(self, cursor: int, limit: int) -> Sequence[Row]:
        self.may_end.wait(0.05)
        self.asked.append((cursor, threading.current_thread().name.split("_")[0]))
        if not self.is_there:
            raise UnavailableError("MySQL", "here", "away")
        return [(key,) for key in range(cursor + 1, min(cursor + limit, 9) + 1)]


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def pages(table: Table) -> Iterator[ReadAhead]:
    made = ReadAhead(cast("SourceReader", table), SIZE)
    yield made
    made.close()


def test_the_page_that_was_begun_is_not_read_again(table: Table, pages: ReadAhead) -> None:
    pages.begin(4)
    assert pages.after(4) == [(5,), (6,)]
    assert table.asked == [(4, "read-ahead")]


def test_after_another_key_the_page_is_read_now(table: Table, pages: ReadAhead) -> None:
    pages.begin(4)
    assert pages.after(2) == [(3,), (4,)]
    assert table.asked == [(4, "read-ahead"), (2, "MainThread")]


def test_a_page_is_given_once(table: Table, pages: ReadAhead) -> None:
    pages.begin(4)
    pages.after(4)
    pages.after(4)
    assert [cursor for cursor, _ in table.asked] == [4, 4]


def test_nothing_is_being_read_once_it_has_settled(table: Table, pages: ReadAhead) -> None:
    pages.begin(4)
    pages.settle()
    assert table.asked == [(4, "read-ahead")]
    assert pages.after(4) == [(5,), (6,)]


def test_an_error_of_reading_ahead_is_raised_when_the_page_is_wanted(table: Table, pages: ReadAhead) -> None:
    table.is_there = False
    pages.begin(4)
    pages.settle()
    with pytest.raises(UnavailableError):
        pages.after(4)


def test_after_it_was_forgotten_an_error_is_gone(table: Table, pages: ReadAhead) -> None:
    table.is_there = False
    pages.begin(4)
    pages.forget()
    assert table.asked == [(4, "read-ahead")]
    table.is_there = True
    assert pages.after(4) == [(5,), (6,)]


def test_an_error_of_reading_ahead_is_raised_before_anything_else_is_asked(table: Table, pages: ReadAhead) -> None:
    pages.require_sound()
    table.is_there = False
    pages.begin(4)
    pages.require_sound()
    pages.settle()
    with pytest.raises(UnavailableError):
        pages.require_sound()


def test_no_thread_is_left_once_it_is_closed(table: Table, pages: ReadAhead) -> None:
    pages.begin(4)
    pages.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
