"""Where a comparison gets its numbers from: HBase and the alerts database for two days, Hive for a month."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from alerts.database import mysql_errors
from dashboard.compare.month import alarms_statement, hours_statement, samples_of
from dashboard.compare.sides import PATIENT, WARD, Period, Side
from dashboard.compare.statistics import AlarmLoad, Distribution, Samples, distribution
from hbase.recent_vitals import RecentVitals
from hive.client import hive_address, hive_session
from infra.clients import alerts_connection
from infra.errors import UnavailableError
from infra.settings import Settings

HBASE_AT_ONCE = 4
HIVE_AT_ONCE = 1
"""Comparisons of a month that HiveServer2 works on at the same time; the others wait."""

TURN_SECONDS = 10.0
"""How long a turn is waited for: who waits holds a thread of all pages."""

HIVE_SECONDS = 120
ALARMS_SECONDS = 30.0

AlarmCounts = dict[tuple[str | None, str | None], Counter[str]]
"""(patient, ward) -> highest severity -> number."""


@dataclass(frozen=True)
class Compared:
    """A side with what was found of it; `spread` is None when there is no value."""

    side: Side
    spread: Distribution | None
    load: AlarmLoad


@dataclass(frozen=True)
class Comparison:
    """The sides, in the order in which they were chosen, from `start` to `end` (epoch ms)."""

    attribute: str
    period: Period
    start: int
    end: int
    sides: tuple[Compared, ...]


class CompareSources:
    """One for the process; threads may share it. `clock` gives epoch seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._recent = RecentVitals(settings, clock)
        self._pool = ThreadPoolExecutor(HBASE_AT_ONCE, thread_name_prefix="compare")
        self._turns = threading.BoundedSemaphore(HIVE_AT_ONCE)

    def compare(self, sides: Sequence[Side], attribute: str, period: Period) -> Comparison:
        """Read and compute everything. Blocks: seconds, for a month minutes.

        Raises UnavailableError when a server is away or too slow, QueryError when Hive refuses.
        """
        end = int(self._clock() * 1000)
        start = end - period.length_ms
        patients = sorted({patient for side in sides for patient in side.patients})
        if period is Period.MONTH:
            samples, alarms = self._month(sides, patients, attribute, start, end)
        else:
            samples = self._recent_samples(patients, attribute, start, end)
            alarms = self._recent_alarms(sides, start, end)
        compared = tuple(
            Compared(
                side,
                distribution(samples[patient] for patient in side.patients if patient in samples),
                AlarmLoad(_alarms_of(side, alarms), len(side.patients), period.days),
            )
            for side in sides
        )
        return Comparison(attribute, period, start, end, compared)

    def _recent_samples(self, patients: Sequence[str], attribute: str, start: int, end: int) -> dict[str, Samples]:
        def read(patient_id: str) -> Samples:
            curve = self._recent.by_minute(patient_id, start, end, [attribute])[attribute]
            return Samples(curve.low, curve.mean, curve.high, curve.count)

        return dict(zip(patients, self._pool.map(read, patients), strict=True))

    def _recent_alarms(self, sides: Sequence[Side], start: int, end: int) -> AlarmCounts:
        about, arguments = list[str](), list[Any]([start, end])
        for column, keys in (("patient_id", _keys(sides, PATIENT)), ("ward", _keys(sides, WARD))):
            if keys:
                about.append(f"{column} IN ({', '.join(['%s'] * len(keys))})")
                arguments += keys
        settings = self._settings
        with (
            mysql_errors(settings),
            closing(alerts_connection(settings, read_timeout=ALARMS_SECONDS)) as connection,
            connection.cursor() as cursor,
        ):
            # Who began in that time had a breach since: `last_breach_at` has an index.
            cursor.execute(
                "SELECT patient_id, ward, peak_severity, COUNT(*) FROM alarms WHERE kind = 'clinical'"
                " AND started_at >= %s AND started_at < %s AND raised_at IS NOT NULL"
                f" AND last_breach_at >= %s AND ({' OR '.join(about)}) GROUP BY patient_id, ward, peak_severity",
                [*arguments[:2], start, *arguments[2:]],
            )
            return _counted(list(cursor.fetchall()))

    def _month(
        self, sides: Sequence[Side], patients: Sequence[str], attribute: str, start: int, end: int
    ) -> tuple[dict[str, Samples], AlarmCounts]:
        least = self._settings.readings.least_signal_quality
        hours = hours_statement(patients, attribute, start, end, least) if patients else None
        alarms = alarms_statement(_keys(sides, PATIENT), _keys(sides, WARD), start, end)
        if not self._turns.acquire(timeout=TURN_SECONDS):
            raise UnavailableError("HiveServer2", hive_address(self._settings), "others compare a month at the moment")
        try:
            with hive_session(self._settings, HIVE_SECONDS) as session:
                samples = samples_of(session.rows(hours)) if hours else {}
                return samples, _counted(session.rows(alarms))
        finally:
            self._turns.release()


def _keys(sides: Sequence[Side], kind: str) -> list[str]:
    return [side.key for side in sides if side.kind == kind]


def _counted(rows: Collection[tuple[Any, ...]]) -> AlarmCounts:
    counts: AlarmCounts = {}
    for patient_id, ward, severity, number in rows:
        counts.setdefault((patient_id, ward), Counter())[severity] += int(number)
    return counts


def _alarms_of(side: Side, counts: AlarmCounts) -> Counter[str]:
    """A ward's alarms are those that name it: its patient may have been moved since."""
    place = 0 if side.kind == PATIENT else 1
    return sum((counted for key, counted in counts.items() if key[place] == side.key), Counter[str]())
