"""The newest of everything, in memory: filled by one consumer and two threads, read by all open pages.

Nothing here matters beyond the process: a page that was restarted fills it again from Kafka and MySQL.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from alerts.alarms_table import AlarmRow
from alerts.battery_watch import BATTERY_LOW
from alerts.bedside import Seen
from alerts.no_signal import signal_of
from alerts.ward_mail import NO_SIGNAL
from clinical.messages import WATCHDOG_PATIENT
from clinical.presence import Signal, expected_intervals
from dashboard.live.patient import PatientNow
from dashboard.live.series import KEPT

TIDY_SECONDS = 5.0
SET_BACK_SECONDS = 2.0
"""A clock that is further behind what it was before was set back: by its new time, what came before lies ahead."""

OF_A_BED = (NO_SIGNAL, BATTERY_LOW)
"""Kinds of technical alarms about a patient's devices; their key names the patient."""

UNJUDGED = ("judging", "deriving")
"""Problems with which an alarm may not have begun though there is reason for it."""

OF_ALARMS = (*UNJUDGED, "alarms")
"""Problems with which an alarm may be missing from what is shown."""


@dataclass(frozen=True)
class Contact:
    """Who lies in a bed. `ward` is empty when there is none on record."""

    name: str
    ward: str


@dataclass
class Wards:
    """All that the board shows, as it is now. `contacts`: those who are admitted; None: not read yet.

    `left`: discharged, though something of them is here. `alarms`: the open ones, by patient, the most urgent first;
    `alarms_read_at`: when they were (epoch s). `caught_up`: all that was sent before the start has been read, or cannot
    be. `problems`: what cannot be read now, a sentence for each source.
    """

    patients: dict[str, PatientNow] = field(default_factory=dict)
    contacts: Mapping[str, Contact] | None = None
    left: frozenset[str] = frozenset()
    alarms: Mapping[str, tuple[AlarmRow, ...]] = field(default_factory=dict)
    alarms_read_at: float | None = None
    caught_up: bool = False
    problems: dict[str, str] = field(default_factory=dict)

    def beds(self) -> set[str]:
        """Whoever has a bed: is admitted, sends readings or has an alarm, and has not left.

        Of somebody who has left, an open clinical alarm is of somebody who is there, see `alerts.book`.
        """
        alarmed = {one for one in self.left if any(row.kind != "technical" for row in self.alarms.get(one, ()))}
        return (set(self.contacts or ()) | self.patients.keys() | self.alarms.keys()) - (self.left - alarmed)


class LiveState:
    """Thread-safe. `clock` gives epoch seconds; `changed_seconds`: attribute -> seconds between two readings, of those
    that differ from the catalogue."""

    def __init__(
        self, clock: Callable[[], float] = time.time, changed_seconds: Mapping[str, float] | None = None
    ) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._newest_at: float | None = None
        self._intervals = expected_intervals(changed_seconds or {})
        self._wards = Wards()
        self._clock_at = self._tidied_at = 0.0
        self._readings = 0

    def heard(self, at: float) -> None:
        """A reading of anybody was inserted at that time (epoch s)."""
        with self._lock:
            self._hear(at)

    def age_seconds(self) -> float | None:
        """How long ago the newest reading of anybody was inserted; None: none has come since the page was started."""
        with self._lock:
            return None if self._newest_at is None else max(0.0, self.clock() - self._newest_at)

    def take(self, messages: Iterable[Seen]) -> float:
        """Messages of Kafka, in any order. The watchdog is no patient, and its readings keep nothing fresh.

        Returns by how many seconds the clock was set back since the last time: what came before is forgotten then, as
        it would hide what comes now, and has to be read again. Else 0.
        """
        now = self.clock()
        with self._lock:
            set_back = self._set_back(now)
            for seen in messages:
                if seen.patient_id == WATCHDOG_PATIENT:
                    continue
                patient = self._wards.patients.get(seen.patient_id)
                if patient is None:
                    patient = self._wards.patients[seen.patient_id] = PatientNow(self._intervals)
                patient.see(seen, round(now * 1000))
                if seen.is_reading:
                    self._readings += 1
                    self._hear(seen.inserted_at / 1000)
            if not 0 <= now - self._tidied_at < TIDY_SECONDS:
                self._tidied_at = now
                self._tidy(round(now * 1000))
        return set_back

    def readings_taken(self) -> int:
        """How many readings have been taken since the start."""
        with self._lock:
            return self._readings

    def caught_up(self) -> None:
        """All that was sent before the start has been taken."""
        with self._lock:
            self._wards.caught_up = True

    def set_contacts(self, contacts: Mapping[str, Contact], left: Collection[str]) -> None:
        """Who is admitted, and who of the others has left."""
        with self._lock:
            self._wards.contacts, self._wards.left = contacts, frozenset(left) - contacts.keys()
            self._wards.problems.pop("contacts", None)

    def set_alarms(self, alarms: Iterable[AlarmRow]) -> None:
        """All that are open, the most urgent first."""
        by_patient: dict[str, list[AlarmRow]] = {}
        for alarm in alarms:
            if (patient_id := patient_of(alarm)) is not None and patient_id != WATCHDOG_PATIENT:
                by_patient.setdefault(patient_id, []).append(alarm)
        with self._lock:
            self._wards.alarms = {patient_id: tuple(rows) for patient_id, rows in by_patient.items()}
            self._wards.alarms_read_at = self.clock()
            self._wards.problems.pop("alarms", None)

    def set_problem(self, source: str, sentence: str | None) -> None:
        """`source` cannot be read (None: it can again); what it gave before stays."""
        with self._lock:
            if sentence is None:
                self._wards.problems.pop(source, None)
            else:
                self._wards.problems[source] = sentence

    def problem(self, *sources: str) -> str | None:
        """Why these cannot be read now, a sentence for each; None: they can."""
        with self._lock:
            problems = self._wards.problems
            return " ".join(problems[source] for source in sources if source in problems) or None

    def short_trends(self) -> set[tuple[str, str]]:
        """Patients and attributes with fewer values than a trend line has, once all has been taken that was sent before
        the start."""
        with self._lock:
            if not self._wards.caught_up:
                return set()
            return {
                (patient_id, attribute)
                for patient_id, patient in self._wards.patients.items()
                for attribute, series in patient.series.items()
                if len(series.values) < KEPT
            }

    def fill(self, patient_id: str, attribute: str, values: Iterable[tuple[int, float]]) -> None:
        """Older values of a trend line: time (epoch ms) and value. They say nothing of whether there is a signal.

        What is later than the newest is of a clock before it was set back.
        """
        with self._lock:
            patient = self._wards.patients.get(patient_id)
            if patient is not None and (series := patient.series.get(attribute)) is not None:
                newest = series.times[-1]
                for at, value in values:
                    if at < newest:
                        series.add(at, value, 0)

    @contextmanager
    def look(self) -> Iterator[Wards]:
        """Everything, standing still meanwhile: look shortly and change nothing."""
        with self._lock:
            yield self._wards

    def _set_back(self, now: float) -> float:
        """By how many seconds the clock is behind what it was; what came before is forgotten then."""
        behind, self._clock_at = self._clock_at - now, now
        if behind <= SET_BACK_SECONDS:
            return 0.0
        self._wards.patients.clear()
        self._wards.caught_up = False
        self._newest_at = None
        return behind

    def _hear(self, at: float) -> None:
        self._newest_at = max(min(at, self.clock()), self._newest_at or 0.0)

    def _tidy(self, now: int) -> None:
        patients = self._wards.patients
        for patient_id in [one for one, patient in patients.items() if patient.forget_old(now)]:
            del patients[patient_id]


def patient_of(alarm: AlarmRow) -> str | None:
    """Whose bed an alarm is about; None: nobody's."""
    if alarm.kind != "technical":
        return alarm.patient_id
    if (signal := lost_signal(alarm)) is not None:
        return signal.patient_id
    if alarm.technical_key is None or alarm.technical_kind not in OF_A_BED:
        return None
    return alarm.technical_key.partition(":")[2] or None


def lost_signal(alarm: AlarmRow) -> Signal | None:
    """The signal whose loss a technical alarm tells; None: it tells something else."""
    if alarm.technical_kind != NO_SIGNAL or alarm.technical_key is None:
        return None
    return signal_of(alarm.technical_key)
