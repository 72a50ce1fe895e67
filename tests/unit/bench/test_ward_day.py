"""A simulated day as arrays: exactly the rows that the devices would insert."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bench.ward_day import START, WardDay, simulate
from clinical.device import is_believed
from clinical.vitals import CONSCIOUSNESS
from producers.simulator.profiles import ATTRIBUTES
from producers.simulator.ward import Reading, Ward

SECONDS, PATIENTS, SEED = 900, 15, 4


@pytest.fixture(scope="module")
def day() -> WardDay:
    return simulate(SEED, PATIENTS, SECONDS)


def rows_of(patient_id: str) -> list[Reading]:
    """The rows of one patient that have arrived, by time of recording."""
    rows: list[Reading] = []
    for number, tick in enumerate(Ward(SEED, PATIENTS, start=START).ticks()):
        if number == SECONDS:
            return sorted(rows, key=lambda row: row.recorded_at)
        rows += [arrival.reading for arrival in tick.arrivals if arrival.reading.patient_id == patient_id]
    return rows


@pytest.mark.parametrize("position", range(PATIENTS))
def test_every_row_is_there_once_by_time_of_recording(day: WardDay, position: int) -> None:
    rows, found = rows_of(day.ward.patients[position].patient_id), day.readings[position]
    assert [datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")
            for at in found.recorded_at.tolist()] == [row.recorded_at for row in rows]  # fmt: skip
    assert found.on_oxygen.tolist() == [row.on_oxygen for row in rows]
    assert [CONSCIOUSNESS[state] for state in found.consciousness] == [row.consciousness for row in rows]
    for attribute in ATTRIBUTES:
        expected = [
            value
            for row in rows
            if (value := getattr(row, attribute)) is not None and is_believed(attribute, row.signal_quality, 20)
        ]
        assert found.of(attribute)[1].tolist() == expected


def test_the_truth_is_that_of_the_ward(day: WardDay) -> None:
    assert day.episodes
    assert all(0 <= episode.start < SECONDS for episode in day.episodes)
    assert (day.start, day.end) == (int(START.timestamp()) * 1000, int(START.timestamp() + SECONDS) * 1000)


def test_an_age_is_that_of_the_day(day: WardDay) -> None:
    assert {patient.age_band for patient in day.ward.patients if day.age(patient) < 16} <= {
        "neonate", "infant", "toddler", "child", "teen",
    }  # fmt: skip
