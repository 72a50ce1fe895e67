"""Whether anybody watches the streams. Airflow's DAG `streams` does, and tells ops of whatever stops but itself; each
minute it sends a watchdog, whose absence here tells of the DAG."""

from __future__ import annotations

from pymysql.cursors import Cursor

from alerts.technical import open_subjects, technical
from clinical.messages import TechnicalAlarm
from infra.settings import Settings

UNWATCHED = "unwatched"
WATCH = "streams"
"""What stands after UNWATCHED in its key."""

SILENT = (
    "The watch over the streams has not been heard for {:.0f} s: Airflow's DAG `streams` does not run, or Kafka takes "
    "nothing from it. What runs goes on, but what stops now is not started again, and nobody is told of it. Look at "
    "`./ward status`: do Airflow's scheduler and dag-processor run, and Kafka? Is the DAG switched on?"
)
HEARD = "The watch over the streams is heard again."

LONGEST_LOOK_MS = 10_000
"""Of the time between two looks no more than this counts, however long we stood still or the clock was moved."""


class Unwatched:
    """Tells once that no watchdog has been sent for too long, and once that one was. What is told here is written by
    the engine; after an error both are thrown away.

    Only time in which everything that came was read counts, from our start on: neither a backlog nor a restart is
    anybody's silence.
    """

    def __init__(self, settings: Settings, now: int) -> None:
        self._limit_ms = settings.streams.max_unwatched_seconds * 1000
        self._looked_at = now
        self._silent_ms = 0
        self._is_told = False

    def start(self, cursor: Cursor) -> None:
        """Remember what was told before."""
        self._is_told = bool(open_subjects(cursor, UNWATCHED))

    def look(self, now: int, behind: bool, heard: bool) -> list[TechnicalAlarm]:
        """What must be told. `now`: the clock, epoch ms; `behind`: messages wait that were not read yet; `heard`: a
        watchdog was sent since the last look."""
        passed = min(max(now - self._looked_at, 0), LONGEST_LOOK_MS)
        self._looked_at = now
        if heard:
            was_told, self._is_told, self._silent_ms = self._is_told, False, 0
            return [_alarm(HEARD, now, cleared=True)] if was_told else []
        if not behind:
            self._silent_ms += passed
        if self._is_told or self._silent_ms <= self._limit_ms:
            return []
        self._is_told = True
        return [_alarm(SILENT.format(self._silent_ms / 1000), now, cleared=False)]


def _alarm(detail: str, now: int, cleared: bool) -> TechnicalAlarm:
    return technical(UNWATCHED, WATCH, detail, now, cleared)
