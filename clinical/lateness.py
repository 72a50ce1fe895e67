"""Whether the pipeline as a whole is late: the newest reading of anybody is old, although readings had been flowing."""

from __future__ import annotations

from clinical.presence_track import MISSED, NEVER, Track

GROWTH_SECONDS = 5.0
"""By so much lateness must have grown to be no backlog that is being worked off: after a restart it only falls."""


STOPPED_SECONDS = 43_200.0
"""After half a day without readings none are waited for: a start on old data is no late pipeline."""


class Lateness:
    """Seconds; `limit`: how old the newest reading may be."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._flow = Track(limit / MISSED)
        self._began: float | None = None
        self._least = 0.0

    def see(self, second: int) -> None:
        """The newest reading of anybody was inserted at that second."""
        self._flow.take(second)

    def forget(self) -> None:
        """Nobody is monitored any more: no reading is waited for."""
        self._flow = Track(self._flow.interval)

    def late(self, now: float) -> float | None:
        """How many seconds late the pipeline is, 0 when it is not; None while that cannot be told.

        It cannot be told before readings flow, nor while a backlog is being worked off: until it has taken the limit.
        """
        if self._flow.end == NEVER:
            return None
        lateness = now - self._flow.end
        if lateness > STOPPED_SECONDS:
            return None
        if lateness <= self._limit:
            self._began = None
            return 0.0
        if self._began is None:
            self._began, self._least = now, lateness
        self._least = min(self._least, lateness)
        grows = lateness - self._least >= GROWTH_SECONDS
        return lateness if grows or now - self._began >= self._limit else None
