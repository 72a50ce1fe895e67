"""Derived vitals on the real servers: from rows in MySQL to `derived-vitals`, to Hive and to a doctor's email."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection

import hbase
from alerts.inbox import ReceivedMail
from clinical.news2 import score
from hive.client import query
from infra.clients import hdfs
from infra.metrics import CONTACTS_VERSION, read_state
from infra.settings import Settings
from infra.supervise import processes, temporary_dir, wait_ready
from spark_jobs.derive_vitals import CHECKPOINTS, SUPERSEDED
from spark_jobs.transforms.derived import NEWS2
from sqoop.importer import import_contacts
from sqoop.location import location_in_hive
from tests.running import run_ward
from tests.stack.alerting import Reader, unique

Await = Callable[..., Any]
STREAM = "derive-vitals"
DEFAULTS = Path(hbase.__path__[0]) / "defaults"
SECONDS = 300
VITALS = {
    "respiratory_rate": Decimal(22),
    "spo2": Decimal(95),
    "systolic_bp": Decimal(105),
    "heart_rate": Decimal(95),
    "temperature": Decimal("38.5"),
}


def admit(settings: Settings, devices: Connection[Any], ward_name: str, await_condition: Await, **columns: Any) -> str:
    """A patient whom every stream knows; an adult unless the columns say otherwise."""
    row = {"patient_id": unique("P"), "name": "Zoë", "admitted_ward": ward_name, "date_of_birth": "1960-05-04"}
    row |= columns
    with devices.cursor() as cursor:
        marks = ", ".join(["%s"] * len(row))
        cursor.execute(f"INSERT INTO health.patients_information ({', '.join(row)}) VALUES ({marks})", [*row.values()])
    import_contacts(settings, reason="test")
    version = location_in_hive(settings, "health.patients").rsplit("/", 1)[-1]

    def is_known(stream: str) -> bool:
        state = read_state(settings, stream)
        return state is not None and state.in_force.get(CONTACTS_VERSION, "") >= version

    await_condition(lambda: is_known("detect-breaches"), SECONDS, "detection does not know the patient", 1)
    return str(row["patient_id"])


def insert(devices: Connection[Any], patient: str, *rows: dict[str, object], **columns: object) -> None:
    """Insert readings at once; `ago` seconds old if a row says so."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with devices.cursor() as cursor:
        readings = [
            {**row, "recorded_at": now - timedelta(seconds=int(str(row.get("ago", 0))))} for row in rows or (columns,)
        ]
        names = sorted({name for row in readings for name in row} - {"ago"})
        marks = f"(%s, {', '.join(['%s'] * len(names))})"
        cursor.execute(
            f"INSERT INTO health.patients_vital_info (patient_id, {', '.join(names)}) VALUES "
            + ", ".join([marks] * len(readings)),
            [value for row in readings for value in (patient, *(row.get(name) for name in names))],
        )


def landed(settings: Settings, patient: str, attribute: str) -> list[tuple[Any, ...]]:
    """Value, inputs used and expected of each derived value of the patient in Hive, oldest first."""
    rows = query(
        settings,
        "SELECT computed_for, inputs_used, value, inputs_expected FROM health.derived_vitals"
        f" WHERE patient_id = '{patient}' AND attribute = '{attribute}'",
    )
    return [(value, used, expected) for _, used, value, expected in sorted(rows, key=itemgetter(0, 1))]


@pytest.fixture
def home_glucose(stack: Settings, await_condition: Await) -> Iterator[None]:
    """The home glucose rule is in force."""

    def put(name: str, *options: str) -> None:
        before = in_force(stack)
        run_ward("thresholds", "import", str(DEFAULTS / name), *options, "--author", "Dr Test")
        await_condition(lambda: in_force(stack) not in ("", before), 180, f"{name} is not in force")

    both = ("--replace", "glucose,glucose_mean_10m")
    put("threshold_home_glucose.csv", *both)
    yield
    put("threshold_reference.csv", *both)


def in_force(settings: Settings) -> str:
    state = read_state(settings, "detect-breaches")
    return state.in_force["thresholds"] if state else ""


def test_a_score_of_seven_becomes_an_email_though_no_single_vital_is_severe(
    stack: Settings, devices: Connection[Any], reader: Reader, await_condition: Await
) -> None:
    patient = admit(stack, devices, reader.ward, await_condition)
    insert(devices, patient, **VITALS, on_oxygen=False, consciousness="A")
    expected = score(VITALS, on_oxygen=False, consciousness="A")
    assert (expected.total, expected.worst) == (6, 2)

    def mailed() -> list[ReceivedMail]:
        insert(devices, patient, on_oxygen=True)
        return [mail for mail in reader.mails(stack) if "NEWS2 score 8" in mail.subject]

    [mail, *_] = await_condition(mailed, SECONDS, "no email", 5)
    assert patient in mail.text
    assert "emergency assessment" in mail.text
    found = await_condition(
        lambda: [row for row in landed(stack, patient, "news2") if row[0] == 8], SECONDS, "the score is not in Hive", 2
    )
    assert set(found) == {(8, 7, 7)}


def checkpoints(settings: Settings) -> set[str]:
    """Names of the directories of checkpoints."""
    paths = hdfs(settings).ls(settings.hdfs_path("checkpoints", STREAM), detail=False)
    return {path.rsplit("/", 1)[1] for path in paths}


def test_what_was_measured_before_a_crash_still_counts_after_it_and_checkpoints_of_older_versions_are_removed(
    stack: Settings, devices: Connection[Any], reader: Reader, await_condition: Await
) -> None:
    patient = admit(stack, devices, reader.ward, await_condition, spo2_scale=2)
    insert(devices, patient, on_oxygen=True, consciousness="A", temperature=37)
    await_condition(lambda: landed(stack, patient, "news2") == [(2, 3, 7)], SECONDS, "no score before the crash", 2)
    for old in SUPERSEDED[NEWS2]:
        hdfs(stack).pipe_file(stack.hdfs_path("checkpoints", STREAM, old, "offsets", "0"), b"v1")
    assert checkpoints(stack) >= {CHECKPOINTS[NEWS2], *SUPERSEDED[NEWS2]}
    before = processes(stack)[STREAM].pid
    os.kill(before, signal.SIGKILL)
    insert(devices, patient, spo2=97, heart_rate=80, respiratory_rate=16, systolic_bp=120)
    found = await_condition(
        lambda: [row for row in landed(stack, patient, "news2") if row[1] == 7], SECONDS, "no score after the crash", 2
    )
    assert found == [(3 + 2, 7, 7)], "scale 2: 97 % on oxygen is too much of it"
    assert processes(stack)[STREAM].pid != before
    assert checkpoints(stack) & {CHECKPOINTS[NEWS2], *SUPERSEDED[NEWS2]} == {CHECKPOINTS[NEWS2]}
    wait_ready(stack, STREAM)
    assert len(list(temporary_dir(stack, STREAM).glob("blockmgr-*"))) == 1, "that of the killed one is gone"


def test_a_child_has_no_score(
    stack: Settings, devices: Connection[Any], reader: Reader, await_condition: Await
) -> None:
    born = datetime.now(UTC).date() - timedelta(days=365 * 3)
    child, adult = (
        admit(stack, devices, reader.ward, await_condition, date_of_birth=date) for date in (born, "1960-05-04")
    )
    for patient in (child, adult):
        insert(devices, patient, **VITALS)
    await_condition(lambda: landed(stack, adult, "news2"), SECONDS, "the adult has no score", 2)
    assert landed(stack, child, "news2") == []


def test_the_home_glucose_rule_needs_no_code(
    stack: Settings, devices: Connection[Any], reader: Reader, home_glucose: None, await_condition: Await
) -> None:
    """No reading is above 115 mg/dL, their mean is above 105."""
    patient = admit(stack, devices, reader.ward, await_condition)
    insert(devices, patient, {"glucose": 100, "ago": 240}, {"glucose": 112, "ago": 120}, {"glucose": 114})
    [mail, *_] = await_condition(
        lambda: [mail for mail in reader.mails(stack) if patient in mail.text], SECONDS, "no email", 1
    )
    assert "10-minute mean glucose" in mail.subject
    assert "106.0 mg/dL" in mail.text or "108.7 mg/dL" in mail.text
    found = await_condition(lambda: landed(stack, patient, "glucose_mean_10m"), SECONDS, "the mean is not in Hive", 2)
    assert found == [(106, 2, 2), (Decimal("108.666"), 3, 2)], "as it was after each reading that made it one"
