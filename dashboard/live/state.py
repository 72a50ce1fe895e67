"""The newest of everything, in memory: filled by one consumer, read by all open pages.

Nothing here matters beyond the process: a page that was restarted fills it again from Kafka and MySQL.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class LiveState:
    """Thread-safe. `clock` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._newest_at: float | None = None

    def heard(self, at: float) -> None:
        """A reading of anybody arrived at that time (epoch s)."""
        with self._lock:
            self._newest_at = max(at, self._newest_at or at)

    def age_seconds(self) -> float | None:
        """How long ago the newest reading of anybody arrived; None: none has, since the page was started."""
        with self._lock:
            return None if self._newest_at is None else max(0.0, self._clock() - self._newest_at)
