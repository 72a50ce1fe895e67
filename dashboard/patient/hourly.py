"""Hours of a vital over a month, from Hive: slow, so kept for some minutes, and asked by few at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from clinical.vitals import DERIVED
from dashboard.hours import hour_source
from dashboard.patient.curve import HOUR_MS, Point
from hive.client import hive_address, hive_session
from hive.ddl import quote
from infra.errors import UnavailableError
from infra.settings import Settings

TURN_SECONDS = 10.0
"""How long a turn is waited for: who waits holds a thread of all pages."""

ANSWER_SECONDS = 90
KEPT_SECONDS = 300.0
KEPT_MOST = 200
AT_ONCE = 2
"""Questions of this page that HiveServer2 works on at the same time; the others wait."""

Hours = tuple[list[Point], list[Point]]
"""The hours, oldest first, and the hours of values that stand apart."""


class HourlyHistory:
    """One for the process. Threads may share it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, Hours]] = {}
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def hours(self, patient_id: str, attribute: str, start: int, end: int) -> Hours:
        """The hours that begin from `start` to before `end`, as they were some minutes ago at most.

        Raises UnavailableError when Hive does not answer within ANSWER_SECONDS, QueryError when it refuses.
        """
        key = patient_id, attribute
        kept = self._fresh(key)
        if kept is None:
            if not self._turns.acquire(timeout=TURN_SECONDS):
                reason = "too many ask it for a month at the same time"
                raise UnavailableError("HiveServer2", hive_address(self._settings), reason)
            try:
                kept = self._fresh(key) or self._ask(patient_id, attribute, start, end)
            finally:
                self._turns.release()
            with self._lock:
                self._kept[key] = (self._clock(), kept)
                while len(self._kept) > KEPT_MOST:
                    del self._kept[min(self._kept, key=lambda one: self._kept[one][0])]
        return kept

    def _fresh(self, key: tuple[str, str]) -> Hours | None:
        with self._lock:
            at, hours = self._kept.get(key, (float("-inf"), ([], [])))
            return hours if self._clock() - at < KEPT_SECONDS else None

    def _ask(self, patient_id: str, attribute: str, start: int, end: int) -> Hours:
        statement = statement_of(patient_id, attribute, start, end, self._settings.readings.least_signal_quality)
        with hive_session(self._settings, ANSWER_SECONDS) as session:
            return hours_of(session.rows(statement))


def statement_of(patient_id: str, attribute: str, start: int, end: int, least_quality: float) -> str:
    """HQL: each hour with its lowest, mean and highest value, how many, and whether they stand apart.

    Values that are not believed are left out. Raises KeyError for what is no vital.
    """
    table, _, hour, value, condition = hour_source(attribute, least_quality)
    apart = "inputs_used < inputs_expected" if attribute in DERIVED else "FALSE"
    return (
        f"SELECT event_date, {hour}, {apart}, MIN({value}), AVG({value}), MAX({value}), COUNT(*) FROM {table}"
        f" WHERE event_date BETWEEN '{_day(start)}' AND '{_day(end)}' AND patient_id = '{quote(patient_id)}'"
        f" AND {condition} GROUP BY event_date, {hour}, {apart}"
    )


def hours_of(rows: Iterable[tuple[Any, ...]]) -> Hours:
    """The rows of that statement as points, oldest first."""
    points, apart = list[Point](), list[Point]()
    for day, hour, is_apart, low, mean, high, count in rows:
        midnight = datetime.fromisoformat(str(day)).replace(tzinfo=UTC)
        at = int(midnight.timestamp()) * 1000 + int(hour) * HOUR_MS
        (apart if is_apart else points).append(Point(at, float(low), float(mean), float(high), int(count)))
    return sorted(points), sorted(apart)


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"
