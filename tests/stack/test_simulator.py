"""The ward simulator on the real database, in tables of the test's own."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner

import producers.cli
from infra.clients import devices_connection
from infra.errors import ConfigurationError
from infra.settings import Settings
from producers.simulator.episodes import Order
from producers.simulator.ward import Reading, Ward
from producers.simulator.writer import Tables, fill_ward, run_ward

pytestmark = pytest.mark.own_world

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


class Hospital:
    """Three tables of a test's own."""

    def __init__(self, settings: Settings) -> None:
        name = f"health.test_{uuid.uuid4().hex[:10]}"
        self.settings = settings
        self.tables = Tables(f"{name}_readings", f"{name}_patients", f"{name}_episodes")
        self.connection = devices_connection(settings)
        models = Tables()
        for table, model in (
            (self.tables.readings, models.readings),
            (self.tables.patients, models.patients),
            (self.tables.episodes, models.episodes),
        ):
            self.query(f"CREATE TABLE {table} LIKE {model}")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def readings(self) -> list[tuple[Any, ...]]:
        """All readings by id, without id and time of insertion; the time of recording as text."""
        columns = ", ".join(
            "DATE_FORMAT(recorded_at, '%Y-%m-%d %H:%i:%s.%f')" if column == "recorded_at" else column
            for column in Reading._fields
        )
        return self.query(f"SELECT {columns} FROM {self.tables.readings} ORDER BY id")

    def episodes(self, columns: str) -> list[tuple[Any, ...]]:
        return self.query(f"SELECT {columns} FROM {self.tables.episodes} ORDER BY id")

    def close(self) -> None:
        for table in (self.tables.readings, self.tables.patients, self.tables.episodes):
            self.query(f"DROP TABLE {table}")
        self.connection.close()


@pytest.fixture
def hospital(stack: Settings) -> Iterator[Hospital]:
    made = Hospital(stack)
    yield made
    made.close()


@pytest.fixture
def other_hospital(stack: Settings) -> Iterator[Hospital]:
    made = Hospital(stack)
    yield made
    made.close()


def test_two_runs_with_the_same_seed_and_start_write_the_same(hospital: Hospital, other_hospital: Hospital) -> None:
    for each in (hospital, other_hospital):
        fill_ward(each.settings, seed=8, count=5_000, start=START, episode_every=10, tables=each.tables)
    assert len(hospital.readings()) == 5_000
    assert hospital.readings() == other_hospital.readings()
    columns = "run_id, patient_id, kind, attribute, direction, expected_severity, started_at, ended_at, details"
    assert hospital.episodes(columns) == other_hospital.episodes(columns) != []


def test_what_is_written_is_what_the_ward_reported(hospital: Hospital) -> None:
    orders = [Order("probe_off", "P0001", 2), Order("duplicate", "P0002", 3), Order("late", "P0003", 1)]
    ward = Ward(2, 5, start=START, orders=orders, episode_every=None)
    done = run_ward(hospital.settings, ward, paced=False, duration=60, tables=hospital.tables)
    again = Ward(2, 5, start=START, orders=orders, episode_every=None)
    expected = _first_minute(again)
    written = hospital.readings()
    assert done.rows == len(written) == len(expected)
    assert done.last_id - done.first_id + 1 == done.rows
    for row, reading in zip(written, expected, strict=True):
        got = Reading(*row)
        assert got.recorded_at[:-3] == reading.recorded_at
        assert got._replace(recorded_at="", temperature=None, glucose=None, on_oxygen=False) == reading._replace(
            recorded_at="", temperature=None, glucose=None, on_oxygen=False
        )
        assert (float(row[7]), float(row[9]), bool(row[10])) == (
            reading.temperature,
            reading.glucose,
            reading.on_oxygen,
        )


def _first_minute(ward: Ward) -> list[Reading]:
    readings: list[Reading] = []
    for tick in ward.ticks():
        for arrival in tick.arrivals:
            if arrival.at >= 60:
                return readings
            readings.append(arrival.reading)
    raise AssertionError("a ward has no end")


def test_the_truth_of_every_episode_is_recorded(hospital: Hospital) -> None:
    ward = Ward(
        2, 15, start=START, orders=[Order("bradycardia", "P0004", 5), Order("motion", None, 6)], episode_every=None
    )
    run_ward(hospital.settings, ward, paced=False, duration=600, tables=hospital.tables)
    columns = "kind, patient_id, attribute, direction, expected_severity, started_at, details"
    (brady, *motion) = hospital.episodes(columns)
    assert brady[:5] == ("bradycardia", "P0004", "heart_rate", "low", "high")
    assert brady[5] == datetime(2026, 3, 1, 8, 0, 5)  # noqa: DTZ001 -- a DATETIME column
    assert orjson.loads(brady[6]) == {"age_band": "adult", "profile": "ordinary", "ramp_seconds": 8, "target": 34}
    assert {(row[2], row[3], row[4]) for row in motion} == {("spo2", None, None), ("heart_rate", None, None)}
    ((lowest,),) = hospital.query(f"SELECT MIN(heart_rate) FROM {hospital.tables.readings} WHERE patient_id = 'P0004'")
    assert lowest < 38


def test_an_episode_that_the_end_cuts_short_is_recorded_as_short(hospital: Hospital) -> None:
    ward = Ward(2, 5, start=START, orders=[Order("sepsis", "P0001", 5)], episode_every=None)
    done = run_ward(hospital.settings, ward, paced=False, duration=30, tables=hospital.tables)
    assert done.at is not None
    assert {row[0] for row in hospital.episodes("ended_at")} == {done.at.replace(tzinfo=None)}


def test_contacts_survive_unicode_newlines_and_missing_numbers(hospital: Hospital) -> None:
    ward = Ward(1, 60, start=START, episode_every=None)
    for _ in range(2):
        run_ward(hospital.settings, ward, paced=False, count=60, tables=hospital.tables)
        assert hospital.query(
            "SELECT patient_id, name, address, phone, admitted_ward, date_of_birth, pregnant "
            f"FROM {hospital.tables.patients} ORDER BY patient_id"
        ) == [
            (p.patient_id, p.name, p.address, p.phone, p.ward, p.date_of_birth, int(p.pregnant)) for p in ward.patients
        ]


def test_a_patient_who_is_admitted_again_is_no_longer_discharged(hospital: Hospital) -> None:
    ward = Ward(1, 3, start=START, episode_every=None)
    run_ward(hospital.settings, ward, paced=False, count=3, tables=hospital.tables)
    hospital.query(f"UPDATE {hospital.tables.patients} SET discharged_at = NOW()")
    run_ward(hospital.settings, ward, paced=False, count=3, tables=hospital.tables)
    assert set(hospital.query(f"SELECT discharged_at FROM {hospital.tables.patients}")) == {(None,)}


def test_a_backdated_ward_was_inserted_when_it_was_recorded(hospital: Hospital) -> None:
    fill_ward(
        hospital.settings,
        patients=10,
        count=500,
        start=START,
        episode_every=None,
        backdate=True,
        tables=hospital.tables,
    )
    assert hospital.query(f"SELECT COUNT(*) FROM {hospital.tables.readings} WHERE inserted_at = recorded_at") == [
        (500,)
    ]


def test_a_fast_run_ends_with_a_reading_of_now(hospital: Hospital) -> None:
    done = fill_ward(hospital.settings, count=6_000, episode_every=None, tables=hospital.tables)
    assert done.at is not None
    assert abs((datetime.now(UTC) - done.at).total_seconds()) < 30


def test_a_paced_run_keeps_time_and_stops_when_asked(hospital: Hospital) -> None:
    ward = Ward(1, 20, start=datetime.now(UTC), rate=200, episode_every=None)
    stop = threading.Event()
    threading.Timer(3, stop.set).start()
    began = time.monotonic()
    done = run_ward(hospital.settings, ward, paced=True, stop=stop, tables=hospital.tables)
    took = time.monotonic() - began
    assert took < 20
    assert 200 < done.rows <= 200 * took
    assert hospital.query(f"SELECT COUNT(*) FROM {hospital.tables.readings}") == [(done.rows,)]
    assert hospital.query(
        f"SELECT COUNT(*) FROM {hospital.tables.readings} WHERE recorded_at > inserted_at + INTERVAL 50000 MICROSECOND"
    ) == [(0,)]


def test_missing_tables_say_what_to_do(stack: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"`\./ward up` creates them"):
        fill_ward(stack, count=1, patients=1, tables=Tables(patients="health.test_no_such_table"))


def test_ctrl_c_ends_the_command_with_a_summary(
    stack: Settings, hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producers.cli, "load_settings", lambda: stack)
    monkeypatch.setattr(
        producers.cli, "run_ward", lambda *args, **named: run_ward(*args, tables=hospital.tables, **named)
    )
    command = typer.Typer()
    command.command()(producers.cli.simulate)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    timer = threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        result = CliRunner().invoke(command, ["--patients", "2", "--episode", "bradycardia@1", "--episode-every", "0"])
    finally:
        timer.cancel()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert result.exit_code == 0
    assert hospital.episodes("DISTINCT kind") == [("bradycardia",)]
    ((rows,),) = hospital.query(f"SELECT COUNT(*) FROM {hospital.tables.readings}")
    assert 0 < rows < 60
