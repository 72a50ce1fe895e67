"""Writing a ward to MySQL as devices would: many small committed inserts, by the clock or as fast as it goes.

A crash leaves the rows that were committed; a repeated run writes all its rows once more, under new ids.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pymysql
from pymysql.connections import Connection

from infra.clients import devices_connection, with_retries
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings
from producers.simulator.episodes import Episode, Order
from producers.simulator.profiles import Patient
from producers.simulator.ward import EPISODE_EVERY_SECONDS, Arrival, Reading, Ward

ROWS_AN_INSERT = 1000
FLUSH_SECONDS = 0.02
"""Rows that are due within this time share an insert; at low rates each row has its own."""


@dataclass(frozen=True)
class Tables:
    """Where a ward is written, of the shapes in `schema.sql`; others than the default are for tests."""

    readings: str = "health.patients_vital_info"
    patients: str = "health.patients_information"
    episodes: str = "health.simulator_episodes"


TABLES = Tables()


@dataclass(frozen=True)
class Progress:
    """How far a run has come. `at`: event time of the newest reading; `behind`: seconds behind the clock, if paced.

    `first_id`, `last_id`: keys of the first and the last reading, 0 before there is one. Ids in between may belong to
    other writers.
    """

    run_id: str
    rows: int = 0
    episodes: int = 0
    seconds: float = 0.0
    at: datetime | None = None
    behind: float = 0.0
    first_id: int = 0
    last_id: int = 0

    @property
    def rate(self) -> float:
        """Rows a second since the start."""
        return self.rows / self.seconds if self.seconds else 0.0


class WardWriter:
    """The tables of the ward. Every method commits before it returns and raises UnavailableError without MySQL."""

    def __init__(self, settings: Settings, tables: Tables = TABLES, *, backdate: bool = False) -> None:
        """`backdate`: `inserted_at` becomes the event time of arrival instead of the server's clock."""
        self._settings = settings
        self._tables = tables
        self._connection: Connection[Any] | None = None
        columns = (*Reading._fields, "inserted_at") if backdate else Reading._fields
        self._insert = f"INSERT INTO {tables.readings} ({', '.join(columns)}) VALUES "
        self._values = f"({', '.join(['%s'] * len(columns))})"

    def open(self) -> None:
        """Connect."""
        self._connection = with_retries(self._settings, lambda: devices_connection(self._settings))

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def admit(self, patients: Sequence[Patient]) -> None:
        """Write the patients' contacts; of patients who are there already, all that the simulator knows is renewed."""
        columns = (
            "patient_id, name, address, phone, admitted_ward, date_of_birth, sex, spo2_scale, pregnant, other_details"
        )
        renewed = ", ".join(f"{c} = VALUES({c})" for c in columns.split(", ")[1:])
        statement = (
            f"INSERT INTO {self._tables.patients} ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            f"ON DUPLICATE KEY UPDATE {renewed}, discharged_at = NULL"
        )
        self._run(
            lambda cursor: cursor.executemany(
                statement,
                [
                    (p.patient_id, p.name, p.address, p.phone, p.ward, p.date_of_birth, p.sex, p.spo2_scale, p.pregnant,
                     f"profile: {p.profile}")
                    for p in patients
                ],
            )
        )  # fmt: skip

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert readings (with `inserted_at` last when backdating) in one statement; the id of the first."""
        statement = self._insert + ", ".join([self._values] * len(rows))
        first: int = self._run(
            lambda cursor: cursor.execute(statement, [value for row in rows for value in row]) and cursor.lastrowid
        )
        return first

    def record(self, ward: Ward, episodes: Sequence[Episode]) -> None:
        """Write the truth about episodes that begin."""
        rows = [
            (
                ward.run_id, ward.seed, patient.patient_id, episode.kind.name, truth.attribute, truth.direction,
                truth.expected_severity, _sql_time(ward, episode.start), _sql_time(ward, episode.end),
                _details(episode, patient, truth.attribute),
            )
            for episode in episodes
            for patient in (ward.patients[episode.patient],)
            for truth in episode.truths()
        ]  # fmt: skip
        statement = (
            f"INSERT INTO {self._tables.episodes} (run_id, seed, patient_id, kind, attribute, direction, "
            "expected_severity, started_at, ended_at, details) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON DUPLICATE KEY UPDATE ended_at = VALUES(ended_at)"
        )
        self._run(lambda cursor: cursor.executemany(statement, rows))

    def cut_short(self, ward: Ward, at: datetime) -> None:
        """Correct the truth of a run that ends at `at` in the middle of episodes."""
        moment = at.astimezone(UTC).replace(tzinfo=None)
        ends = f"UPDATE {self._tables.episodes} SET ended_at = GREATEST(started_at, %s)"
        self._run(
            lambda cursor: cursor.execute(f"{ends} WHERE run_id = %s AND ended_at > %s", (moment, ward.run_id, moment))
        )

    def _run(self, action: Callable[[Any], Any]) -> Any:
        if self._connection is None:
            self.open()
        assert self._connection is not None
        try:
            with self._connection.cursor() as cursor:
                return action(cursor)
        except pymysql.err.ProgrammingError as error:
            raise ConfigurationError(f"The ward's tables are not there ({error}): `./ward up` creates them.") from error
        except pymysql.err.OperationalError as error:
            raise UnavailableError(
                "MySQL", f"{self._settings.mysql.host}:{self._settings.mysql_port}", error
            ) from error


class _Run:
    """One run of a ward into its tables: MySQL takes one insert while the next is made, in the order of arrival."""

    def __init__(
        self,
        ward: Ward,
        writer: WardWriter,
        stop: threading.Event,
        paced: bool,
        backdate: bool,
        say: Callable[[Progress], None],
    ) -> None:
        self._ward = ward
        self._writer = writer
        self._stop = stop
        self._paced = paced
        self._backdate = backdate
        self._say = say
        self._under_way: Future[Progress] | None = None
        self._began = time.monotonic()
        self.progress = Progress(ward.run_id)

    def play(self, count: int | None, duration: float | None) -> Progress:
        """Admit the patients, then write until `count` rows or `duration` seconds of event time are done, or `stop`."""
        self._writer.admit(self._ward.patients)
        if count == 0:
            return self.progress
        with ThreadPoolExecutor(1, "ward-insert") as pool:
            self._write_arrivals(pool, count, duration)
        if self.progress.at is not None:
            self._writer.cut_short(self._ward, self.progress.at)
        return self.progress

    def _write_arrivals(self, pool: ThreadPoolExecutor, count: int | None, duration: float | None) -> None:
        batch: list[Arrival] = []
        flushed = self._now()
        for taken, arrival in enumerate(self._arrivals(duration), start=1):
            if self._paced and arrival.at > self._now():
                self._flush(pool, batch)
                self._settle()
                self._stop.wait(max(arrival.at, flushed + FLUSH_SECONDS) - self._now())
                flushed = self._now()
            if self._stop.is_set():
                break
            batch.append(arrival)
            if taken == count:
                break
            if len(batch) >= ROWS_AN_INSERT:
                self._flush(pool, batch)
        self._flush(pool, batch)
        self._settle()

    def _arrivals(self, duration: float | None) -> Iterator[Arrival]:
        """All arrivals in order; each episode is recorded before its first reading. Held rows come at the end."""
        for tick in self._ward.ticks():
            if tick.begun:
                self._settle()
                self._writer.record(self._ward, tick.begun)
                self.progress = replace(self.progress, episodes=self.progress.episodes + len(tick.begun))
            for arrival in tick.arrivals:
                if duration is not None and arrival.at >= duration:
                    yield from (Arrival(duration, reading) for reading in self._ward.held())
                    return
                yield arrival

    def _flush(self, pool: ThreadPoolExecutor, batch: list[Arrival]) -> None:
        """Hand the batch to MySQL as soon as it has taken the former one."""
        if batch:
            self._settle()
            self._under_way = pool.submit(self._insert, tuple(batch))
            batch.clear()

    def _settle(self) -> None:
        """Wait for the insert that is under way, if any, and tell of it. The connection is free afterwards."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            self.progress = under_way.result()
            self._say(self.progress)

    def _insert(self, batch: Sequence[Arrival]) -> Progress:
        if self._backdate:
            rows: list[tuple[Any, ...]] = [(*a.reading, _sql_time(self._ward, a.at)) for a in batch]
        else:
            rows = [a.reading for a in batch]
        first = self._writer.insert(rows)
        newest, now = batch[-1].at, self._now()
        return replace(
            self.progress,
            rows=self.progress.rows + len(batch),
            seconds=now,
            at=self._ward.at(newest),
            behind=max(0.0, now - newest) if self._paced else 0.0,
            first_id=self.progress.first_id or first,
            last_id=first + len(batch) - 1,
        )

    def _now(self) -> float:
        return time.monotonic() - self._began


def run_ward(
    settings: Settings,
    ward: Ward,
    *,
    paced: bool,
    count: int | None = None,
    duration: float | None = None,
    stop: threading.Event | None = None,
    say: Callable[[Progress], None] = lambda _progress: None,
    tables: Tables = TABLES,
    backdate: bool = False,
) -> Progress:
    """Write `ward` until `count` rows, `duration` seconds of event time or `stop`; what was done.

    `paced`: rows arrive when they are due by the clock, else as fast as MySQL takes them. `say` hears of every insert.
    """
    writer = WardWriter(settings, tables, backdate=backdate)
    writer.open()
    try:
        return _Run(ward, writer, stop or threading.Event(), paced, backdate, say).play(count, duration)
    finally:
        writer.close()


def fill_ward(
    settings: Settings,
    *,
    seed: int = 1,
    patients: int = 60,
    count: int | None = None,
    duration: float | None = None,
    rate: float | None = None,
    start: datetime | None = None,
    orders: Sequence[Order] = (),
    episode_every: float | None = EPISODE_EVERY_SECONDS,
    tables: Tables = TABLES,
    backdate: bool = False,
) -> Progress:
    """Write `count` rows or `duration` seconds of ward life at once, for tests and benchmarks.

    `start` is by default so long ago that the last reading is of now. `backdate` gives `inserted_at` the event time of
    arrival, as if the ward had been written then.
    """
    length = ward_length(count, duration, rate or patients)
    begin = start or datetime.now(UTC) - timedelta(seconds=length)
    ward = Ward(seed, patients, start=begin, rate=rate, orders=orders, episode_every=episode_every)
    return run_ward(settings, ward, paced=False, count=count, duration=duration, tables=tables, backdate=backdate)


def ward_length(count: int | None, duration: float | None, rate: float) -> float:
    """Event time in seconds that a run without pacing spans. Raises ConfigurationError when it would not end."""
    lengths = [duration] if duration is not None else []
    lengths += [count / rate] if count is not None else []
    if not lengths or min(lengths) <= 0:
        raise ConfigurationError("A run without pacing needs an end: give --count or --duration, above 0.")
    return min(lengths)


def _sql_time(ward: Ward, seconds: float) -> str:
    return ward.at(seconds).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _details(episode: Episode, patient: Patient, attribute: str) -> str:
    details: dict[str, Any] = {"age_band": patient.age_band, "profile": patient.profile, **episode.shape}
    target = episode.targets.get(attribute)
    if target is not None:
        details |= {"ramp_seconds": episode.kind.ramp, "target": target.value}
    return orjson.dumps(details).decode()
