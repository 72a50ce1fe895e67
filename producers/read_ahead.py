"""The next page of the source table, read while the one before it is published."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from producers.source import Row, SourceReader


class ReadAhead:
    """Pages of at most `size` rows by ascending key; the one that was begun is read by a thread of its own.

    The reader's connection is for one thread at a time: whoever else asks it something calls `settle` first. A page
    that was read ahead is older than one read now: what was committed since is skipped by it, as by any page.
    """

    def __init__(self, reader: SourceReader, size: int) -> None:
        self._reader = reader
        self._size = size
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._ahead: tuple[int, Future[Sequence[Row]]] | None = None

    def after(self, cursor: int) -> Sequence[Row]:
        """The page after key `cursor`: the one that was begun if it is that one, else read now.

        Raises what `SourceReader.after` raises, also what it raised ahead.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            begun_after, page = ahead
            rows = page.result()
            if begun_after == cursor:
                return rows
        return self._reader.after(cursor, self._size)

    def begin(self, cursor: int) -> None:
        """Begin to read the page after key `cursor`; the one before was taken."""
        self._ahead = (cursor, self._thread.submit(self._reader.after, cursor, self._size))

    def settle(self) -> None:
        """Wait until nothing is being read. Never raises."""
        if self._ahead is not None:
            wait([self._ahead[1]])

    def require_sound(self) -> None:
        """Raise what the page that was begun has met, if it has been read by now."""
        if self._ahead is not None and self._ahead[1].done() and (error := self._ahead[1].exception()):
            raise error

    def forget(self) -> None:
        """Drop the page that was begun, or its error, once nothing is being read."""
        self.settle()
        self._ahead = None

    def close(self) -> None:
        """End the thread, once nothing is being read."""
        self._thread.shutdown()
