"""A bounded load that goes on while faults strike: seeded readings with breaches, written as devices would."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pymysql
from pymysql.connections import Connection

from infra.clients import devices_connection
from infra.errors import UnavailableError
from infra.settings import Settings

ROWS_A_SECOND = 200
BATCH_SECONDS = 0.1
PATIENTS = 30
BORN = date(1970, 1, 1)
SPIKES = 0.045
LOW_GLUCOSE = 0.001
"""So many readings hold a vital of a monitor that is out of range alone, a movement that alarms nobody; and so many a
low glucose, which is measured seldom and alarms at once."""

ROLLED_BACK = 0.02
"""So many of the transactions are rolled back and leave a gap of ids."""

NORMAL = {"heart_rate": (60, 90), "spo2": (96, 100), "respiratory_rate": (12, 20), "glucose": (90, 140)}
OUTSIDE = {"heart_rate": (28, 39, 135, 160), "spo2": (80, 91), "respiratory_rate": (5, 8, 25, 32)}
LOW = (40, 53)
ILL, SILENCED, FOR_GOOD = slice(-3, None), slice(-6, -2), slice(-7, -6)
"""Of the patients: whose glucose is far too high for ILL_SECONDS, well for as long, and so on; of whom nobody is to be
mailed (one is both); and whose glucose is too high until the end, so that one acknowledgement outlasts many faults."""

ILL_SECONDS = 60
AT_LEAST_SECONDS = 25
"""The load goes on for so long, that whoever is ill has an alarm."""

TOO_HIGH = 300
"""A glucose of a medium alarm, of which a doctor is mailed after three quarters of a minute. No vital of NEWS2: all
scores here are partial, and such a one never ends an alarm."""

MONITORED = "spo2"
MONITORED_SECONDS = 1.0
TOO_LOW = 85
"""What one more patient, on a monitor, has for ILL_SECONDS, well for as long, and so on, at one reading a second: the
high band, which waits 15 s. Three points of NEWS2, and no other vital has any: too few for an alarm of its own."""

VERY_ILL = (125, 93, 28, 100)
OTHERS = {"systolic_bp": 120, "temperature": 37, "on_oxygen": 0, "consciousness": "A"}
"""One more patient, at one reading a second, has these for ILL_SECONDS, well for as long, and so on, and so has the
other inputs of NEWS2: 7 points of a whole score, which is high, and clears again."""

COLUMNS = ("patient_id", "recorded_at", *NORMAL)
ALL_COLUMNS = (*COLUMNS, *OTHERS)
CALM = (75, 98, 16, 100)
CALM_SECONDS = 60
"""Values inside their bands by the margin for longer than an alarm needs to clear: 30 s, and 4 s more when the engine
is told of them late, as it remembers one in four seconds of what is older than the newest 16; a score comes every 10 s,
and the first of those 30 s when the last one has passed."""


def patient_ids(campaign: str) -> list[str]:
    """The campaign's patients but for those on a monitor: their ids begin with its name and a hyphen."""
    return [f"{campaign}-{number:02}" for number in range(PATIENTS)]


def silenced_patients(campaign: str) -> list[str]:
    """Those of whom nobody is to be mailed."""
    return patient_ids(campaign)[SILENCED]


def ill_patients(campaign: str) -> list[str]:
    """Those with an alarm that lasts, again and again or until the end."""
    return [*patient_ids(campaign)[ILL], *patient_ids(campaign)[FOR_GOOD]]


def monitored_patient(campaign: str) -> str:
    """The one on a monitor."""
    return f"{campaign}-{PATIENTS:02}"


def scored_patient(campaign: str) -> str:
    """The one on a monitor of all that NEWS2 needs."""
    return f"{campaign}-{PATIENTS + 1:02}"


def ward_of(campaign: str) -> str:
    """The ward on which all of the campaign's patients lie."""
    return f"Ward of {campaign}"


def admit(settings: Settings, campaign: str) -> None:
    """Write the contacts of the campaign's patients, all adults; again is harmless."""
    rows = [
        (patient, f"Patient {patient}", "1 Fault Lane", "+47 1234", ward_of(campaign), BORN)
        for patient in (*patient_ids(campaign), monitored_patient(campaign), scored_patient(campaign))
    ]
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT IGNORE INTO health.patients_information"
            " (patient_id, name, address, phone, admitted_ward, date_of_birth) VALUES (%s, %s, %s, %s, %s, %s)",
            rows,
        )


@dataclass(eq=False)
class Load(threading.Thread):
    """Inserts until `finish`. What MySQL acknowledged is added to `acknowledged`: first id and rows of each insert."""

    settings: Settings
    campaign: str
    seed: int
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    lost_connections: int = 0

    def __post_init__(self) -> None:
        super().__init__(name="load", daemon=True)
        self._random = random.Random(self.seed)
        self._patients = patient_ids(self.campaign)
        self._ill = {*self._patients[ILL]}
        self._for_good = {*self._patients[FOR_GOOD]}
        self._monitored = monitored_patient(self.campaign)
        self._scored = scored_patient(self.campaign)
        self._began = time.monotonic()
        self._monitored_at = 0.0
        self._ended = threading.Event()
        self._connection: Connection[Any] | None = None

    def run(self) -> None:
        while not self._ended.wait(BATCH_SECONDS):
            rows = [self._row() for _ in range(round(ROWS_A_SECOND * BATCH_SECONDS))]
            if time.monotonic() - self._monitored_at >= MONITORED_SECONDS:
                self._monitored_at = time.monotonic()
                rows += self._monitored_rows()
            roll_back = self._random.random() < ROLLED_BACK
            try:
                self._insert(rows, roll_back)
            except (UnavailableError, pymysql.err.MySQLError):
                self.lost_connections += 1
                self._drop_connection()

    def calm_down(self) -> None:
        """After `finish`: every patient is well again for so long that every alarm is over."""
        pause = threading.Event()
        for _ in range(CALM_SECONDS):
            now = datetime.now(UTC).replace(tzinfo=None)
            rows = [(patient, now, *CALM) for patient in (*self._patients, self._monitored)]
            self._insert([*rows, (self._scored, now, *CALM, *OTHERS.values())], False)
            pause.wait(1)
        self._drop_connection()

    def finish(self) -> None:
        """Stop writing, not before AT_LEAST_SECONDS have passed; returns when the last transaction has ended."""
        threading.Event().wait(max(0.0, self._began + AT_LEAST_SECONDS - time.monotonic()))
        self._ended.set()
        self.join(60)
        assert not self.is_alive(), "the load does not end"
        self._drop_connection()

    def _row(self) -> tuple[Any, ...]:
        vitals = {name: self._random.randint(*limits) for name, limits in NORMAL.items()}
        if self._random.random() < SPIKES:
            name = self._random.choice(list(OUTSIDE))
            vitals[name] = self._random.choice(OUTSIDE[name])
        if self._random.random() < LOW_GLUCOSE:
            vitals["glucose"] = self._random.randint(*LOW)
        patient = self._random.choice(self._patients)
        if patient in self._for_good or (patient in self._ill and self._is_ill_now()):
            vitals["glucose"] = TOO_HIGH
        return (patient, datetime.now(UTC).replace(tzinfo=None), *vitals.values())

    def _monitored_rows(self) -> list[tuple[Any, ...]]:
        now, is_ill = datetime.now(UTC).replace(tzinfo=None), self._is_ill_now()
        vitals = dict(zip(NORMAL, CALM, strict=True))
        if is_ill:
            vitals[MONITORED] = TOO_LOW
        return [
            (self._monitored, now, *vitals.values()),
            (self._scored, now, *(VERY_ILL if is_ill else CALM), *OTHERS.values()),
        ]

    def _is_ill_now(self) -> bool:
        return (time.monotonic() - self._began) // ILL_SECONDS % 2 == 0

    def _insert(self, rows: list[tuple[Any, ...]], roll_back: bool) -> None:
        if self._connection is None:
            self._connection = devices_connection(
                self.settings, autocommit=False, read_timeout=10, write_timeout=10, connect_timeout=2
            )
        with self._connection.cursor() as cursor:
            marks = f"({', '.join(['%s'] * len(ALL_COLUMNS))})"
            cursor.execute(
                f"INSERT INTO health.patients_vital_info ({', '.join(ALL_COLUMNS)}) VALUES "
                + ", ".join([marks] * len(rows)),
                [value for row in rows for value in (*row, *[None] * (len(ALL_COLUMNS) - len(row)))],
            )
            first = int(cursor.lastrowid)
        if roll_back:
            self._connection.rollback()
            return
        self._connection.commit()
        self.acknowledged.append((first, len(rows)))

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with suppress(pymysql.err.Error, OSError):
                self._connection.close()
            self._connection = None
