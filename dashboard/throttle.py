"""Wrong passwords are slowed: after each one for a name, or from an address, the next try has to wait longer.

Kept in memory: a restart of the page forgives. A wait never locks an account for good, so nobody can lock out a doctor
for longer than `LONGEST_SECONDS` by guessing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

FREE_TRIES = 3
FREE_TRIES_OF_ADDRESS = 30
"""More than for one name: a whole ward may come from one address, that of a proxy."""

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 60.0
FORGET_SECONDS = 900.0
ENTRIES_MAX = 10_000


class Throttle:
    """Counts wrong passwords by key (a name, an address). `clock` gives monotonic seconds. Thread-safe."""

    def __init__(self, clock: Callable[[], float], free_tries: int = FREE_TRIES) -> None:
        self._clock = clock
        self._free_tries = free_tries
        self._wrong: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def wait_seconds(self, *keys: str) -> float:
        """How long until the next try of any of these may be made; 0: now."""
        with self._lock:
            return max(self._wait(key) for key in keys)

    def wrong(self, *keys: str) -> None:
        """A try with these was wrong."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            for key in keys:
                # Taken out first, so that the key moves to the end: the front of a full table is forgotten.
                count, _ = self._wrong.pop(key, (0, now))
                self._wrong[key] = (count + 1, now)

    def right(self, *keys: str) -> None:
        """A try with these was right: nothing is held against them."""
        with self._lock:
            for key in keys:
                self._wrong.pop(key, None)

    def take_back(self, key: str) -> None:
        """The newest try of that key, counted before it was known, was right. Those before it still count."""
        with self._lock:
            count, last = self._wrong.pop(key, (0, 0.0))
            if count > 1:
                self._wrong[key] = (count - 1, last)

    def _wait(self, key: str) -> float:
        count, last = self._wrong.get(key, (0, 0.0))
        if count < self._free_tries:
            return 0.0
        pause = min(FIRST_SECONDS * 2.0 ** min(count - self._free_tries, 20), LONGEST_SECONDS)
        return max(0.0, last + pause - self._clock())

    def _forget(self, now: float) -> None:
        self._wrong = {key: entry for key, entry in self._wrong.items() if now - entry[1] < FORGET_SECONDS}
        while len(self._wrong) > ENTRIES_MAX:
            self._wrong.pop(next(iter(self._wrong)))
