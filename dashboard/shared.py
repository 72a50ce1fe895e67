"""One look at a server for all open pages: what was seen is kept for a short while, and looked up again by one of them.

While a server hangs, all pages wait for the same look in one thread, so that the others are there for other work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from dashboard.visit import in_thread
from infra.errors import WardError

T = TypeVar("T")


class Shared(Generic[T]):
    """What `look()` saw, at most `seconds` old; `look` blocks, and never runs twice at once. Used by one event loop.

    A failure is kept as long as what was seen: many pages do not ask a server that is away more often than one does.
    """

    def __init__(self, look: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._seconds = seconds
        self._clock = clock
        self._running: asyncio.Task[None] | None = None
        self._seen: T | None = None
        self._failure: WardError | None = None
        self._until = float("-inf")

    async def get(self) -> T:
        """What was seen. Raises the WardError with which `look` failed; other errors go to those who waited for it."""
        if self._clock() >= self._until:
            if self._running is None:
                self._running = asyncio.create_task(self._renew())
                self._running.add_done_callback(self._ended)
            # A page that is closed meanwhile must not end the look of the others.
            await asyncio.shield(self._running)
        if self._failure is not None:
            raise self._failure
        assert self._seen is not None
        return self._seen

    def forget(self) -> None:
        """The next to ask looks anew: somebody changed something."""
        self._until = float("-inf")

    async def _renew(self) -> None:
        self._failure = None
        try:
            self._seen = await in_thread(self._look)
        except WardError as error:
            self._failure = error
        self._until = self._clock() + self._seconds

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._running = None
