"""Threads that belong to a stream: one that fails ends the stream, instead of dying in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

JOIN_SECONDS = 10.0


class Threads:
    """Runs `work(stop)` in threads; leaving the context sets `stop` and waits for them."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def start(self, name: str, work: Callable[[threading.Event], None]) -> None:
        """Start a thread. What it raises comes out of `check`."""

        def run() -> None:
            try:
                work(self._stop)
            except BaseException as error:
                self._failures.append(error)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def check(self) -> None:
        """Raise what a thread has failed with; forget those that have ended."""
        if self._failures:
            raise self._failures[0]
        self._threads = [thread for thread in self._threads if thread.is_alive()]

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
