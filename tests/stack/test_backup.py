"""A backup of the running stack, what happens afterwards, and the restore."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from clinical.tables import VITAL_READINGS
from hbase.table import read_state, row_history
from hive.client import query
from hive.landed import CHECKPOINT, read_producer_position
from infra.airflow_api import AirflowApi, AirflowRefusedError
from infra.backup import MANIFEST, MARK
from infra.clients import alerts_connection, devices_connection
from infra.initialise import find_postgres
from infra.settings import Settings
from infra.supervise import processes
from spark_jobs.compact_readings import compact
from tests.running import run_ward, ward

pytestmark = pytest.mark.stops_servers

Await = Callable[..., Any]
HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
ROW, COLUMN = "heart_rate#001", "alert_message"
LANDED_SECONDS = 420
NOTE = "restored_with_the_rest"
DOCTOR = "restored@wardwatch.example"


class Patient:
    """One whose readings and contact are followed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = f"backup-{uuid.uuid4().hex[:8]}"

    def admit(self, address: str) -> None:
        with devices_connection(self.settings) as connection, connection.cursor() as cursor:
            cursor.execute(
                "REPLACE INTO health.patients_information (patient_id, name, address, admitted_ward)"
                " VALUES (%s, 'Zoë', %s, 'ICU')",
                (self.name, address),
            )

    def measure(self, recorded_at: datetime, rows: int) -> list[int]:
        """Write readings within the hour of `recorded_at`; their ids."""
        with devices_connection(self.settings) as connection, connection.cursor() as cursor:
            ids = []
            for second in range(rows):
                cursor.execute(
                    "INSERT INTO health.patients_vital_info (patient_id, recorded_at, heart_rate) VALUES (%s, %s, 70)",
                    (self.name, recorded_at + timedelta(seconds=second)),
                )
                ids.append(cursor.lastrowid)
        return ids

    def landed(self) -> list[int]:
        statement = f"SELECT reading_id FROM health.vital_readings WHERE patient_id = '{self.name}'"
        return sorted(reading_id for (reading_id,) in query(self.settings, statement))

    def rows(self) -> list[int]:
        with devices_connection(self.settings) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM health.patients_vital_info WHERE patient_id = %s ORDER BY 1", (self.name,))
            return [row_id for (row_id,) in cursor]

    def address(self) -> Any:
        return query(self.settings, f"SELECT address FROM health.patients WHERE patient_id = '{self.name}'")

    def await_landed(self, await_condition: Await, expected: list[int]) -> None:
        await_condition(lambda: self.landed() == expected, LANDED_SECONDS, "not each reading is in Hive once", 3)


def subscribed(settings: Settings) -> bool:
    with alerts_connection(settings) as connection, connection.cursor() as cursor:
        return bool(cursor.execute("SELECT 1 FROM subscriptions WHERE email = %s AND state <> 'removed'", (DOCTOR,)))


def note(settings: Settings, value: str) -> None:
    """Write Airflow's variable `NOTE`, as a person would in its page."""
    with AirflowApi(settings, timeout_seconds=60) as api:
        body = {"key": NOTE, "value": value}
        try:
            api.call("PATCH", f"/variables/{NOTE}", "change a variable", json=body)
        except AirflowRefusedError as error:
            if error.status != requests.codes.not_found:
                raise
            api.call("POST", "/variables", "make a variable", json=body)


def noted(settings: Settings) -> str:
    with AirflowApi(settings, timeout_seconds=60) as api:
        return str(api.call("GET", f"/variables/{NOTE}", "show a variable")["value"])


def said(settings: Settings) -> str:
    return read_state(settings).cells[ROW][COLUMN]


@pytest.fixture(scope="module")
def backup(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that the tests look at and leave as it is."""
    directory = tmp_path_factory.mktemp("backups") / "backup"
    run_ward("backup", str(directory))
    return directory


def test_what_was_written_since_is_taken_back_but_no_reading_is_lost_or_doubled(
    stack: Settings, tmp_path: Path, await_condition: Await
) -> None:
    patient, new_hour = Patient(stack), HOUR - timedelta(hours=2)
    original = said(stack)
    patient.admit("1 Old Street")
    run_ward("import-contacts")
    run_ward("thresholds", "set", ROW, f"{COLUMN}=Said before the backup.", "--author", "before")
    run_ward("subscriptions", "add", DOCTOR, "--ward", "ICU")
    note(stack, "before")
    before = patient.measure(HOUR, 3)
    patient.await_landed(await_condition, before)
    directory = tmp_path / "backup"
    run_ward("backup", str(directory))

    # Afterwards: everything changes, an hour gets a new directory, and another hour its first reading.
    patient.admit("2 New Street")
    run_ward("import-contacts")
    run_ward("thresholds", "set", ROW, f"{COLUMN}=Said after it.", "--author", "after")
    run_ward("subscriptions", "remove", DOCTOR)
    note(stack, "after")
    since = patient.measure(HOUR + timedelta(minutes=10), 2) + patient.measure(new_hour, 2)
    patient.await_landed(await_condition, before + since)
    [(_, results)] = compact(stack, {VITAL_READINGS: stack.hdfs_path(*CHECKPOINT)}, HOUR, HOUR + timedelta(hours=1))
    # The first is this hour; when a day ends with it, older ones that other tests wrote to may follow.
    assert results[0].rows >= len(before)
    late = patient.measure(HOUR + timedelta(minutes=20), 2)
    patient.await_landed(await_condition, before + since + late)

    run_ward("restore", str(directory), "--yes")

    assert patient.rows() == before
    assert patient.landed() == before + since + late
    assert patient.address() == [("1 Old Street",)]
    assert said(stack) == "Said before the backup."
    assert "Said after it." not in {version.text for version in row_history(stack, ROW)}
    assert original in {version.text for version in row_history(stack, ROW)}
    assert subscribed(stack)
    assert noted(stack) == "before"
    assert read_producer_position(stack).cursor >= max(late)
    # An id that was given out before would be taken for a reading that has landed.
    new = patient.measure(HOUR + timedelta(minutes=30), 1)
    assert min(new) > max(late)
    patient.await_landed(await_condition, before + since + late + new)
    run_ward("thresholds", "set", ROW, f"{COLUMN}={original}", "--author", "tests")


def test_a_damaged_backup_is_refused_before_anything_is_stopped(stack: Settings, backup: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(backup, tmp_path / "copy")
    damaged = copy / "thresholds.json"
    damaged.write_bytes(damaged.read_bytes() + b" ")
    pids = {name: process.pid for name, process in processes(stack).items()}
    done = ward("restore", str(copy), "--yes")
    assert done.returncode == 1
    assert "thresholds.json is not what the backup wrote" in done.stdout
    assert {name: process.pid for name, process in processes(stack).items()} == pids
    assert not (stack.state_dir / MARK).exists()


def test_a_backup_holds_no_password(stack: Settings, backup: Path) -> None:
    assert (backup / MANIFEST).exists()
    for path in backup.iterdir():
        plain = [find_postgres("pg_restore"), "-f", "-"] if path.suffix == ".dump" else ["zcat", "-f"]
        text = subprocess.run([*plain, path], stdout=subprocess.PIPE, check=True).stdout
        for secret in stack.secrets_dir.iterdir():
            assert secret.read_bytes().strip() not in text, f"{secret.name} is in {path.name}"
