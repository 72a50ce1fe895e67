"""A day of a simulated ward as arrays, with the truth of its episodes: exactly the rows that its devices would insert.

The simulator itself makes them (some 200,000 a second on one core); here they are only put into columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice, pairwise

import numpy as np
import numpy.typing as npt

from clinical.ages import age_years
from clinical.device import PROBED
from clinical.vitals import CONSCIOUSNESS, SIGNAL_QUALITY
from infra import settings
from producers.simulator.episodes import Episode
from producers.simulator.profiles import ATTRIBUTES
from producers.simulator.profiles import Patient as Simulated
from producers.simulator.ward import Reading, Ward

START = datetime(2026, 1, 12, tzinfo=UTC)
TICKS_AT_ONCE = 600
FIRST_VITAL, ON_OXYGEN, CONSCIOUS, QUALITY = map(
    Reading._fields.index, (ATTRIBUTES[0], "on_oxygen", "consciousness", SIGNAL_QUALITY)
)
TENTHS = 10
"""Vitals are reported to a tenth at most, and kept as whole numbers of tenths; MISSING where there was none."""

MISSING = -1
PROBES = np.array([ATTRIBUTES.index(name) for name in PROBED])
LEAST_QUALITY = settings.Readings().least_signal_quality


@dataclass(frozen=True)
class Readings:
    """One patient's readings by time of recording (epoch ms). `tenths`: shape (readings, attributes).

    `consciousness`: places in CONSCIOUSNESS.
    """

    recorded_at: npt.NDArray[np.int64]
    tenths: npt.NDArray[np.int16]
    on_oxygen: npt.NDArray[np.bool_]
    consciousness: npt.NDArray[np.int8]

    def of(self, attribute: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Times and values of one vital where it was measured, as far as they are believed (`clinical.device`)."""
        column = self.tenths[:, ATTRIBUTES.index(attribute)]
        known = column != MISSING
        return self.recorded_at[known], column[known] / TENTHS


@dataclass(frozen=True)
class WardDay:
    """`readings` by position of the patient in `ward.patients`; `start` and `end` in epoch ms.

    `episodes`: all that began, among them those that the end of the day cut off.
    """

    ward: Ward
    seconds: int
    episodes: Sequence[Episode]
    readings: Sequence[Readings]

    @property
    def start(self) -> int:
        return self.ms(0)

    @property
    def end(self) -> int:
        return self.ms(self.seconds)

    def ms(self, seconds: float) -> int:
        """Epoch ms of a time of the simulator."""
        return round(self.ward.start.timestamp() * 1000 + seconds * 1000)

    def age(self, patient: Simulated) -> float:
        """In years, on the day."""
        return age_years(self.ward.start.date(), patient.date_of_birth)


@dataclass
class _Columns:
    """Rows of the whole ward in order of arrival, in pieces."""

    patient: list[npt.NDArray[np.int32]] = field(default_factory=list)
    recorded_at: list[npt.NDArray[np.int64]] = field(default_factory=list)
    tenths: list[npt.NDArray[np.int16]] = field(default_factory=list)
    on_oxygen: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    consciousness: list[npt.NDArray[np.int8]] = field(default_factory=list)

    def add(self, rows: Sequence[Reading], positions: dict[str, int]) -> None:
        columns = list(zip(*rows, strict=True))
        times = np.array(columns[2], dtype="datetime64[ms]").astype(np.int64)
        vitals = np.array(columns[FIRST_VITAL : FIRST_VITAL + len(ATTRIBUTES)], dtype=np.float64)
        tenths = np.where(np.isnan(vitals), MISSING, np.rint(vitals * TENTHS))
        no_contact = np.array(columns[QUALITY]) < LEAST_QUALITY
        tenths[np.ix_(PROBES, np.flatnonzero(no_contact))] = MISSING
        self.patient.append(np.array([positions[name] for name in columns[0]], dtype=np.int32))
        self.recorded_at.append(times)
        self.tenths.append(tenths.T.astype(np.int16))
        self.on_oxygen.append(np.array(columns[ON_OXYGEN], dtype=np.bool_))
        self.consciousness.append(np.array([CONSCIOUSNESS.index(state) for state in columns[CONSCIOUS]], dtype=np.int8))

    def by_patient(self, patients: int) -> list[Readings]:
        whose, times = np.concatenate(self.patient), np.concatenate(self.recorded_at)
        tenths, oxygen = np.concatenate(self.tenths), np.concatenate(self.on_oxygen)
        consciousness = np.concatenate(self.consciousness)
        order = np.lexsort((times, whose))
        edges = np.searchsorted(whose[order], np.arange(patients + 1))
        parts = (order[begin:end] for begin, end in pairwise(edges))
        return [Readings(times[part], tenths[part], oxygen[part], consciousness[part]) for part in parts]


def simulate(seed: int, patients: int, seconds: int) -> WardDay:
    """So many seconds of a ward with the simulator's random episodes, one reading a patient and second."""
    ward = Ward(seed, patients, start=START)
    positions = {patient.patient_id: position for position, patient in enumerate(ward.patients)}
    columns = _Columns()
    episodes: list[Episode] = []
    for rows, begun in _pieces(ward, seconds):
        columns.add(rows, positions)
        episodes += begun
    return WardDay(ward, seconds, episodes, columns.by_patient(patients))


def _pieces(ward: Ward, seconds: int) -> Iterator[tuple[list[Reading], list[Episode]]]:
    ticks = islice(ward.ticks(), seconds)
    while piece := list(islice(ticks, TICKS_AT_ONCE)):
        rows = [arrival.reading for tick in piece for arrival in tick.arrivals]
        yield rows, [episode for tick in piece for episode in tick.begun]
