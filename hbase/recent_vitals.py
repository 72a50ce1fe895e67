"""Recent readings of a patient, newest first, and their minutes: what pages show at once.

HBase tables: `recent_vitals` has a row for each patient and time, with one cell for each reading (family `r`, column:
its id) and for each computed attribute (family `d`); `vitals_by_minute` has one cell for each patient and minute. Rows
vanish when their days are over (`settings.recent`). It is a copy for reading: Kafka and Hive have the same readings.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clinical.vitals import MEASURED
from hbase import recent_minutes as m
from hbase import recent_rows as r
from hbase.recent_minutes import MinuteSeries
from hbase.recent_rows import DerivedValue, Reading
from hbase.table import connected
from infra.settings import Settings

DAY_MS = 86_400_000
EVERY_READING_MS = 2 * DAY_MS
"""So far back readings that have a certain attribute are looked for one by one, and from there on by their minutes:
a week of a monitor is 600,000 readings and 10,000 minutes."""

FIRST_LOOK_MS = 3_600_000
LOOKS_GROW = 8

MARGIN_MS = 3_600_000
"""A reading is no longer written this long before its days are over, so that no minute is ever computed from what is
left of it; and one that is further ahead than this is not written, as it would stand as the newest until then."""

LONGEST_KEY = 32_767
"""Bytes that HBase takes for a row's key."""

ROWS_AT_ONCE = 1000
MINUTES_AT_ONCE = 3000
"""A bit more than two days of them."""

GAP_MINUTES, LONGEST_MINUTES = 3, 60
"""Minutes that are computed anew are read in stretches: cheaper than one by one, and small enough for a timeout."""

MINUTE_COLUMN = f"{r.MINUTES_FAMILY}:all".encode()

Rows = Iterable[tuple[bytes, Mapping[bytes, bytes]]]
"""Key, and column -> content, as a scan gives them."""


class RecentVitals:
    """Reads and writes both tables. Each call has a connection of its own, so threads may share an object.

    Times are epoch milliseconds, UTC; a range is from `start` to before `end`. Every call raises UnavailableError when
    HBase does not answer within `hadoop.hbase_timeout_ms`. Without the tables reading raises ConfigurationError, and
    writing UnavailableError.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock

    def last(self, patient_id: str, count: int = 20, attribute: str | None = None) -> list[Reading]:
        """The last `count` readings, newest first; of one time, the highest id first.

        With an `attribute`, those that have it. After two days a minute without a value of it that is believed is left
        out. Raises KeyError for one that is not measured (`clinical.vitals.MEASURED`).
        """
        if attribute is None:
            with _table(self._settings, self._settings.recent.readings_table) as table:
                scan = table.scan(
                    row_prefix=r.prefix(patient_id),
                    columns=[r.READINGS_FAMILY.encode()],
                    limit=count,
                    batch_size=count,
                )
                return _readings(patient_id, scan)[:count]
        return self._last_with(patient_id, count, attribute)

    def between(self, patient_id: str, start: int, end: int) -> list[Reading]:
        """The readings of that time, oldest first."""
        with _table(self._settings, self._settings.recent.readings_table) as table:
            return _readings(patient_id, self._scan(table, patient_id, start, end, r.READINGS_FAMILY))[::-1]

    def last_derived(self, patient_id: str, attribute: str, count: int = 20) -> list[DerivedValue]:
        """The last `count` values of a computed attribute, newest first."""
        with _table(self._settings, self._settings.recent.readings_table) as table:
            scan = table.scan(
                row_prefix=r.prefix(patient_id),
                columns=[f"{r.DERIVED_FAMILY}:{attribute}".encode()],
                limit=count,
                batch_size=count,
            )
            return _derived(patient_id, scan)

    def derived_between(self, patient_id: str, attribute: str, start: int, end: int) -> list[DerivedValue]:
        """The values of a computed attribute in that time, oldest first."""
        with _table(self._settings, self._settings.recent.readings_table) as table:
            family = f"{r.DERIVED_FAMILY}:{attribute}"
            return _derived(patient_id, self._scan(table, patient_id, start, end, family))[::-1]

    def by_minute(self, patient_id: str, start: int, end: int, attributes: Iterable[str]) -> MinuteSeries:
        """The curves of these attributes (measured or computed) over the minutes that begin in that time.

        Values that are not believed are not in them. The values of a computed attribute that lack inputs have a curve
        of their own, under its name with `recent_minutes.PARTIAL`.
        """
        first, stop = r.scan_range(patient_id, start, end)
        with _table(self._settings, self._settings.recent.minutes_table) as table:
            rows = table.scan(first, stop, batch_size=MINUTES_AT_ONCE)
            return m.curves(((r.key_parts(key)[1], data[MINUTE_COLUMN]) for key, data in rows), attributes)

    def write(self, readings: Iterable[Reading], derived: Iterable[DerivedValue] = ()) -> int:
        """Write what is not too old, then compute each minute anew that it lies in. Returns how much was written.

        What HBase could not hold is left out too: a patient's id of more than 32 KB, a time more than an hour ahead.

        In any order; written again, also in other portions, it changes nothing. Of two computed values of the same
        patient, attribute and time the later one stands. After an error some of it may be written, with minutes that
        lack it: the same must be written again. Two writers at once may leave a minute without the values of one.
        """
        now = int(self._clock() * 1000)
        oldest, newest = now - self._settings.recent.readings_days * DAY_MS + MARGIN_MS, now + MARGIN_MS
        name = self._settings.recent.readings_table
        touched: dict[str, set[int]] = defaultdict(set)
        written = 0
        with connected(self._settings, name) as connection:
            told = _told(readings, derived)
            while part := list(itertools.islice(told, ROWS_AT_ONCE)):
                cells: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
                for patient_id, at, (column, content) in part:
                    if not oldest <= m.minute_of(at) <= newest:
                        continue
                    key = r.row_key(patient_id, at)
                    if len(key) <= LONGEST_KEY:
                        cells[key][column] = content
                        touched[patient_id].add(m.minute_of(at))
                        written += 1
                put_rows(connection, name, cells.items())
            for patient_id, minutes in touched.items():
                self._compute(connection, patient_id, minutes)
        return written

    def _compute(self, connection: Any, patient_id: str, minutes: set[int]) -> None:
        table = connection.table(self._settings.recent.readings_table)
        rows = []
        for start, end in m.runs(minutes, GAP_MINUTES, LONGEST_MINUTES):
            found = list(self._scan(table, patient_id, start, end))
            least = self._settings.readings.least_signal_quality
            spreads = m.spreads(_readings(patient_id, found), _derived(patient_id, found), least)
            rows += [
                (r.row_key(patient_id, minute), {MINUTE_COLUMN: m.minute_content(spread)})
                for minute, spread in spreads.items()
                if minute in minutes and spread
            ]
        put_rows(connection, self._settings.recent.minutes_table, rows)

    def _last_with(self, patient_id: str, count: int, attribute: str) -> list[Reading]:
        """Looks back in growing steps, as some vitals are measured each second and others every few hours."""
        has_it = f"ValueFilter(=, 'substring:\"{MEASURED[attribute].attribute}\":')"
        found, now = list[Reading](), int(self._clock() * 1000)
        oldest, far = now - self._settings.recent.readings_days * DAY_MS, m.minute_of(now - EVERY_READING_MS)
        end, span = r.LATEST_MS, FIRST_LOOK_MS
        with connected(self._settings, self._settings.recent.readings_table) as connection:
            table = connection.table(self._settings.recent.readings_table)
            while len(found) < count and end > far:
                start = max(now - span, far)
                first, stop = r.scan_range(patient_id, start, end)
                rows = table.scan(
                    first,
                    stop,
                    columns=[r.READINGS_FAMILY.encode()],
                    filter=has_it,
                    limit=count - len(found),
                    batch_size=count - len(found),
                )
                found += [reading for reading in _readings(patient_id, rows) if attribute in reading.values]
                end, span = start, span * LOOKS_GROW
            if len(found) < count and oldest < far:
                first, stop = r.scan_range(patient_id, oldest, far)
                minutes = connection.table(self._settings.recent.minutes_table).scan(
                    first, stop, filter=has_it, limit=count - len(found), batch_size=count - len(found)
                )
                for minute in [r.key_parts(key)[1] for key, _ in minutes]:
                    rows = self._scan(table, patient_id, minute, minute + m.MINUTE_MS, r.READINGS_FAMILY)
                    found += [reading for reading in _readings(patient_id, rows) if attribute in reading.values]
                    if len(found) >= count:
                        break
        return found[:count]

    @staticmethod
    def _scan(table: Any, patient_id: str, start: int, end: int, column: str | None = None) -> Rows:
        first, stop = r.scan_range(patient_id, start, end)
        columns = None if column is None else [column.encode()]
        rows: Rows = table.scan(first, stop, columns=columns, batch_size=ROWS_AT_ONCE)
        return rows


@contextmanager
def _table(settings: Settings, name: str) -> Iterator[Any]:
    with connected(settings, name) as connection:
        yield connection.table(name)


def put_rows(connection: Any, table: str, rows: Rows) -> None:
    """Write these rows, in one request."""
    batch = connection.table(table).batch()
    for key, cells in rows:
        batch.put(key, cells)
    batch.send()


def _told(
    readings: Iterable[Reading], derived: Iterable[DerivedValue]
) -> Iterator[tuple[str, int, tuple[bytes, bytes]]]:
    """Patient, time and cell of each."""
    for reading in readings:
        yield reading.patient_id, reading.recorded_at, r.reading_cell(reading)
    for one in derived:
        yield one.patient_id, one.computed_for, r.derived_cell(one)


def _readings(patient_id: str, rows: Rows) -> list[Reading]:
    """Those of the rows, newest first; of one time, the highest id first."""
    found = [
        r.reading_of_cell(patient_id, column, content)
        for _, data in rows
        for column, content in data.items()
        if column.startswith(r.READINGS_FAMILY.encode())
    ]
    return sorted(found, key=lambda reading: (-reading.recorded_at, -reading.reading_id))


def _derived(patient_id: str, rows: Rows) -> list[DerivedValue]:
    """Those of the rows, in their order."""
    return [
        r.derived_of_cell(patient_id, r.key_parts(key)[1], column, content)
        for key, data in rows
        for column, content in data.items()
        if column.startswith(r.DERIVED_FAMILY.encode())
    ]
