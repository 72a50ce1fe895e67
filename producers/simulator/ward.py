"""What the bedside devices of a ward report: pure generation, no clock and no database.

Every vital is an AR(1) process around the patient's own baseline, cut off at 2.5 standard deviations, then disturbed by
the episodes. One seed, number of patients, rate and start give the same rows, in the same order, every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from infra.errors import ConfigurationError
from producers.simulator.episodes import Episode, Order, Schedule, Values
from producers.simulator.profiles import ATTRIBUTES, Patient, admit

CORRELATION_SECONDS = {
    "heart_rate": 45.0,
    "systolic_bp": 120.0,
    "diastolic_bp": 120.0,
    "spo2": 60.0,
    "temperature": 1800.0,
    "respiratory_rate": 60.0,
    "glucose": 900.0,
}
"""Time in which a deviation from the baseline fades to 1/e."""

CUT_OFF = 2.5
DECIMALS = ("temperature", "glucose")
"""Reported to a tenth; all other vitals as whole numbers."""

EPISODE_EVERY_SECONDS = 60.0

BEST_QUALITY = 99
SHIFT_SECONDS, USED_PER_SHIFT = 28_800, 60

Device = tuple[int, int | None]
"""Signal quality and battery charge, %."""


class Reading(NamedTuple):
    """A row as a device inserts it; the field names are the columns. `recorded_at`: UTC, to the millisecond."""

    patient_id: str
    device_id: str
    recorded_at: str
    heart_rate: int | None
    systolic_bp: int | None
    diastolic_bp: int | None
    spo2: int | None
    temperature: float | None
    respiratory_rate: int | None
    glucose: float | None
    on_oxygen: bool
    consciousness: str
    signal_quality: int
    battery_percent: int | None


class Arrival(NamedTuple):
    """When a row reaches the database, in seconds after the start, and the row."""

    at: float
    reading: Reading


@dataclass(frozen=True)
class Tick:
    """A reading of every patient: what arrives, in order of arrival, and the episodes that begin."""

    arrivals: list[Arrival]
    begun: list[Episode]


class Ward:
    """A ward of `patients` patients reporting `rate` rows a second in all (default: one per patient and second).

    `orders` are episodes asked for; beside them a random one begins every `episode_every` seconds on average (None: no
    random ones). Raises ConfigurationError for a ward that makes no sense.
    """

    def __init__(
        self,
        seed: int = 1,
        patients: int = 60,
        *,
        start: datetime,
        rate: float | None = None,
        orders: Sequence[Order] = (),
        episode_every: float | None = EPISODE_EVERY_SECONDS,
    ) -> None:
        if patients < 1 or (rate is not None and rate <= 0) or seed < 0:
            raise ConfigurationError("A ward needs at least one patient, a rate above 0 and a seed of 0 or more.")
        utc = start.astimezone(UTC)
        self.start = utc.replace(microsecond=utc.microsecond // 1000 * 1000)
        self._wall_clock = self.start.replace(tzinfo=None)
        self.seed = seed
        self.patients = admit(seed, patients, self.start)
        self.rate = float(rate or patients)
        self._schedule = Schedule(self.patients, orders, episode_every, seed)
        self._active: list[Episode] = []
        self._held: dict[int, list[Reading]] = {}

    @property
    def run_id(self) -> str:
        """Names the run: equal for equal runs."""
        return f"seed{self.seed}-n{len(self.patients)}-r{self.rate:g}-{self.at(0).strftime('%Y%m%dT%H%M%S.%f')[:-3]}Z"

    def at(self, seconds: float) -> datetime:
        """The time `seconds` after the start."""
        return self.start + timedelta(seconds=seconds)

    def ticks(self) -> Iterator[Tick]:
        """The ward's life, without end; a generator of its own each time, to be run once."""
        step = len(self.patients) / self.rate
        for number, deviations in enumerate(self._deviations(step)):
            begun = self._schedule.beginning_before((number + 1) * step)
            self._active += begun
            arrivals = self._released(number * step)
            self._active = [episode for episode in self._active if episode.end > number * step]
            arrivals += self._report(number * step, step, deviations)
            yield Tick(arrivals, begun)

    def held(self) -> list[Reading]:
        """Rows that devices still hold back; they are let go."""
        rows = [reading for readings in self._held.values() for reading in readings]
        self._held.clear()
        return rows

    def _deviations(self, step: float) -> Iterator[np.ndarray]:
        """The values of all patients at each tick, shape (patients, attributes), before any episode."""
        rng = np.random.default_rng([self.seed, 0, 0])
        baseline = np.array([patient.baseline for patient in self.patients])
        spread = np.array([patient.spread for patient in self.patients])
        kept = np.exp(-step / np.array([CORRELATION_SECONDS[attribute] for attribute in ATTRIBUTES]))
        fresh = np.sqrt(1 - kept**2)
        state = rng.standard_normal(baseline.shape)
        while True:
            yield baseline + spread * np.clip(state, -CUT_OFF, CUT_OFF)
            state = kept * state + fresh * rng.standard_normal(baseline.shape)

    def _report(self, begin: float, step: float, values: np.ndarray) -> list[Arrival]:
        """The tick's rows; the patients' devices report one after the other, evenly over the step."""
        arrivals: list[Arrival] = []
        rows: list[Values] = values.tolist()
        by_patient: dict[int, list[Episode]] = {}
        for episode in self._active:
            by_patient.setdefault(episode.patient, []).append(episode)
        for position, (patient, row) in enumerate(zip(self.patients, rows, strict=True)):
            at = begin + position * step / len(rows)
            if position in by_patient:
                arrivals += self._disturbed(at, position, row, by_patient[position])
            else:
                device = _device(at, position, patient)
                arrivals.append(Arrival(at, self._reading(at, patient, row, patient.on_oxygen, "A", device)))
        return arrivals

    def _disturbed(self, at: float, position: int, values: Values, active: Sequence[Episode]) -> list[Arrival]:
        """What arrives of a patient who has episodes: nothing, one row or two."""
        patient = self.patients[position]
        episodes = [episode for episode in active if episode.start <= at < episode.end]
        device = _device(at, position, patient)
        for episode in episodes:
            episode.disturb(at, values, patient)
            device = episode.device(at, *device)
        severe = {episode.kind.name for episode in episodes if episode.targets and episode.level(at) >= 1}
        confused = "sepsis" in severe and patient.age_band in ("adult", "elderly")
        on_oxygen = patient.on_oxygen or "desaturation" in severe
        reading = self._reading(at, patient, values, on_oxygen, "C" if confused else "A", device)
        kinds = {episode.kind.name for episode in episodes}
        if "late" in kinds:
            self._held.setdefault(position, []).append(reading)
            return []
        return [Arrival(at, reading)] * (2 if "duplicate" in kinds else 1)

    def _reading(
        self, at: float, patient: Patient, values: Values, on_oxygen: bool, consciousness: str, device: Device
    ) -> Reading:
        heart_rate, systolic, diastolic, spo2, temperature, breaths, glucose = values
        return Reading(
            patient.patient_id,
            patient.device_id,
            (self._wall_clock + timedelta(seconds=at)).isoformat(" ", "milliseconds"),
            _whole(heart_rate),
            _whole(systolic),
            _whole(diastolic),
            _whole(None if spo2 is None else min(spo2, 100.0)),
            _tenth(temperature),
            _whole(breaths),
            _tenth(glucose),
            on_oxygen,
            consciousness,
            *device,
        )

    def _released(self, now: float) -> list[Arrival]:
        """Rows of devices whose connection came back before `now`."""
        still_away = {e.patient for e in self._active if e.kind.name == "late" and e.end > now}
        back = [position for position in self._held if position not in still_away]
        return [Arrival(now, reading) for position in back for reading in self._held.pop(position)]


def _device(at: float, position: int, patient: Patient) -> Device:
    """Signal quality and charge of a device in good contact; the ICU's are on the mains, others charged each shift."""
    quality = BEST_QUALITY - (int(at) + position) % 4
    if patient.ward == "ICU":
        return quality, None
    since_charged = (at + position * 997) % SHIFT_SECONDS
    return quality, round(100 - USED_PER_SHIFT * since_charged / SHIFT_SECONDS)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
