"""The audit of breaches on the real servers: readings in Hive judged again by the snapshots that were in force."""

from __future__ import annotations

import random
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from pymysql.connections import Connection

from clinical.patient_limits import patient_rows
from clinical.thresholds import ThresholdRow
from clinical.topics import DERIVED_VITALS
from hbase.snapshots import ThresholdSnapshot, latest, new_snapshot, store
from hive import breach_audit
from hive.birth_dates import birth_dates_since
from hive.breach_audit import BreachAudit, audit_breaches
from hive.client import query
from infra.airflow_api import AirflowApi
from infra.clients import devices_connection, hdfs, kafka_config
from infra.settings import PROJECT_ROOT, Settings
from sqoop.importer import import_contacts
from tests.stack.alerting import MAIL_SECONDS, Reader, produce
from tests.stack.backfills import HOUR, end_of
from tests.stack.watching import inbox

pytestmark = pytest.mark.leaves_streams

Await = Callable[..., Any]
Change = Callable[[Sequence[ThresholdRow]], Iterable[ThresholdRow]]
PutInForce = Callable[[Change], None]
Audited = Callable[[Change], BreachAudit]
WAIT_SECONDS = 600.0
"""Detection, which begins anew with each edit of a threshold, tells only at the end of an epoch what it has passed; and
tests in a browser edit one after the other meanwhile."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Before the hours that the audits of these tests are about."""


@pytest.fixture(scope="module")
def adults(stack: Settings) -> Iterator[tuple[str, str]]:
    """Two imported patients whom no table for children concerns; the contact of the second changed last long ago, so
    that no other age may have been judged by."""
    of_late, long_ago = uuid.uuid4().hex[:12], uuid.uuid4().hex[:12]
    changed = {of_late: datetime.now(UTC), long_ago: LONG_AGO}
    with closing(devices_connection(stack)) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO health.patients_information (patient_id, name, admitted_ward, date_of_birth, updated_at)"
            " VALUES (%s, 'Settled', 'Ward 1', '1950-01-01', %s)",
            [(identity, at.replace(tzinfo=None)) for identity, at in changed.items()],
        )
        import_contacts(stack, full=True, reason="test")
        yield of_late, long_ago
        cursor.execute("DELETE FROM health.patients_information WHERE patient_id IN (%s, %s)", (of_late, long_ago))


@pytest.fixture(scope="module")
def patient(adults: tuple[str, str]) -> str:
    return adults[0]


@pytest.fixture(scope="module")
def settled_patient(adults: tuple[str, str]) -> str:
    return adults[1]


@pytest.fixture(scope="module")
def old_reading(stack: Settings, patient: str) -> Iterator[tuple[int, datetime]]:
    """Id and hour of insertion of a reading of long ago, a heart rate of 72, which detection did not call a breach."""
    hour = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(hours=random.SystemRandom().randrange(19 * 365 * 24))
    at = (hour + timedelta(minutes=20)).replace(tzinfo=None)
    with closing(devices_connection(stack)) as connection:
        reading = insert(connection, patient, heart_rate=72, recorded_at=at, inserted_at=at)
        yield reading, hour
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM health.patients_vital_info WHERE id = %s", (reading,))


def insert(connection: Connection[Any], patient: str, **columns: object) -> int:
    names = ", ".join(["patient_id", *columns])
    marks = ", ".join(["%s"] * (len(columns) + 1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO health.patients_vital_info ({names}) VALUES ({marks})", (patient, *columns.values())
        )
        return int(cursor.lastrowid)


def strict(rows: Sequence[ThresholdRow]) -> Iterator[ThresholdRow]:
    """Any heart rate and any NEWS2 is a breach."""
    for row in rows:
        is_meant = row.attribute in ("heart_rate", "news2")
        changed = replace(row, direction="high", alert_flag=True, severity="high", alert_message="strict")
        yield changed if is_meant else row


@pytest.fixture
def in_force_then(stack: Settings) -> Iterator[PutInForce]:
    """Puts a snapshot of long ago on HDFS: today's table, changed."""
    stored: list[ThresholdSnapshot] = []

    def put(change: Callable[[Sequence[ThresholdRow]], Iterable[ThresholdRow]]) -> None:
        today = latest(stack)
        assert today is not None
        stored.append(new_snapshot(list(change(today.rows)), int(LONG_AGO.timestamp() * 1000) + len(stored)))
        store(stack, stored[-1])

    yield put
    for snapshot in stored:
        hdfs(stack).rm(stack.hdfs_path("thresholds", f"{snapshot.version}.json"))


@pytest.fixture
def judged_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detection had passed a time of long ago when that was over, and has not come to it today."""
    monkeypatch.setattr(breach_audit, "_passed_by", lambda _session, _source, end: end)


def wait_until_landed(settings: Settings, reading: int, await_condition: Await) -> None:
    statement = f"SELECT reading_id FROM health.vital_readings WHERE reading_id = {reading}"
    await_condition(lambda: query(settings, statement) == [(reading,)], 300, f"reading {reading} did not land", 2)


@pytest.fixture
def audited(
    stack: Settings, old_reading: tuple[int, datetime], in_force_then: PutInForce, await_condition: Await
) -> Audited:
    """Audits the hour of the old reading, by a table that was in force then: today's, changed."""

    def audit(change: Change) -> BreachAudit:
        reading, hour = old_reading
        wait_until_landed(stack, reading, await_condition)
        in_force_then(change)
        return audit_breaches(stack, hour, hour + timedelta(hours=1), WAIT_SECONDS)

    return audit


def test_the_birth_dates_of_some_time_are_those_of_the_snapshots_that_were_in_force_since(
    stack: Settings, devices: Connection[Any]
) -> None:
    """Of a patient who is admitted, whose birth date is then corrected, and whose row is deleted."""
    patient, admitted, corrected = uuid.uuid4().hex[:12], date(2020, 2, 29), date(1980, 5, 17)
    changes = [
        ("INSERT INTO health.patients_information (date_of_birth, patient_id) VALUES (%s, %s)", (admitted, patient)),
        ("UPDATE health.patients_information SET date_of_birth = %s WHERE patient_id = %s", (corrected, patient)),
        ("DELETE FROM health.patients_information WHERE patient_id = %s", (patient,)),
    ]
    import_contacts(stack, full=True, reason="test")
    before = datetime.now(UTC)
    known = []
    for statement, arguments in changes:
        with devices.cursor() as cursor:
            cursor.execute(statement, arguments)
        import_contacts(stack, full=True, reason="test")
        found = birth_dates_since(stack, before)
        assert found is not None
        known.append(found[patient])
    assert known == [{None, admitted}, {None, admitted, corrected}, {None, admitted, corrected}]
    now = birth_dates_since(stack, datetime.now(UTC))
    assert now is not None
    assert patient not in now
    assert birth_dates_since(stack, LONG_AGO) is None


def test_a_breach_of_a_reading_of_now_is_due_and_was_published_and_none_of_a_loose_probe(
    stack: Settings, patient: str, devices: Connection[Any], await_condition: Await
) -> None:
    start = datetime.now(UTC) - timedelta(seconds=1)
    loose = {"heart_rate": 0, "spo2": 0, "signal_quality": 4}
    insert(devices, patient, **loose, recorded_at=datetime.now(UTC).replace(tzinfo=None))
    reading = insert(devices, patient, spo2=70, recorded_at=datetime.now(UTC).replace(tzinfo=None))
    end = datetime.now(UTC) + timedelta(seconds=1)
    wait_until_landed(stack, reading, await_condition)
    found = audit_breaches(stack, start, end, WAIT_SECONDS)
    assert found.missing == [], found.sentence()
    assert found.due >= 1
    assert found.published >= found.due


def derive(settings: Settings, patient: str, attribute: str, value: int, at: datetime, await_condition: Await) -> str:
    """Publish a derived value twice, as after a restart, and wait until it has landed; its id."""
    identity = f"{patient}|{attribute}|{uuid.uuid4().hex}"
    message = {
        "derived_id": identity,
        "patient_id": patient,
        "attribute": attribute,
        "value": value,
        "computed_for": int(at.timestamp() * 1000),
        "inputs_used": 7,
        "inputs_expected": 7,
    }
    producer = Producer(kafka_config(settings))
    for _ in range(2):
        producer.produce(DERIVED_VITALS, orjson.dumps(message), patient.encode())
    assert producer.flush(30) == 0
    statement = f"SELECT value FROM health.derived_vitals WHERE derived_id = '{identity}'"
    [(stored,)] = await_condition(lambda: query(settings, statement), 300, "the derived value did not land", 2)
    assert Decimal(str(stored)) == value
    return identity


def test_a_derived_value_is_landed_and_audited_too(
    stack: Settings, settled_patient: str, await_condition: Await
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    derive(stack, settled_patient, "news2", 9, at, await_condition)
    found = audit_breaches(stack, at - timedelta(seconds=1), at + timedelta(seconds=1), WAIT_SECONDS)
    assert found.missing == [], found.sentence()
    assert found.due >= 1


def test_breaches_that_were_never_published_fail_the_program_and_its_dag_and_ops_are_mailed(
    stack: Settings, patient: str, reader: Reader, in_force_then: PutInForce, await_condition: Await
) -> None:
    """As when detection missed them: it had found a breach of later by then. The contact of one is not known. Airflow
    has no runs before 2020."""
    hour = datetime(2020, 2, 1, tzinfo=UTC) + random.SystemRandom().randrange(4 * 365 * 24) * HOUR
    end = hour + HOUR
    later = int((end + timedelta(minutes=1)).timestamp() * 1000)
    found = {"source_topic": DERIVED_VITALS, "recorded_at": later, "inserted_at": later, "detected_at": later}
    produce(stack, [reader.breach(**found, severity="low")])
    at, never_imported = hour + timedelta(minutes=20), uuid.uuid4().hex[:12]
    identities = [derive(stack, who, "news2", 2, at, await_condition) for who in (patient, never_imported)]
    missing = {f"derived value {identity} news2" for identity in identities}
    in_force_then(strict)
    with AirflowApi(stack, timeout_seconds=60) as api:
        run_id = api.trigger_for("audit", end)
        program = subprocess.run(
            [sys.executable, "-m", "hive.breach_audit", "--from", hour.isoformat(), "--to", end.isoformat(),
             "--wait", str(WAIT_SECONDS)],
            cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert program.returncode == 1, program.stderr
        assert {*orjson.loads(program.stdout.splitlines()[-1])["missing_breaches"]} == missing
        assert f"2 of 2 breaches among the readings and derived values of {hour:%Y-%m-%d %H:%M:%S}" in program.stderr
        assert {*program.stderr.strip().removesuffix(".").rpartition(": ")[2].split(", ")} == missing
        assert end_of(api, "audit", run_id, await_condition) == "failed"
        tasks = {task["task_id"]: task for task in api.task_instances("audit", run_id)}
    assert (tasks["audit_hour"]["state"], tasks["audit_breaches"]["state"]) == ("success", "failed")
    assert tasks["audit_breaches"]["try_number"] == 1

    def mails() -> list[dict[str, Any]]:
        return [mail for mail in inbox(stack, stack.alerts.ops_email) if all(one in mail["text"] for one in missing)]

    [mail] = await_condition(mails, MAIL_SECONDS, "ops got no mail that names the breaches", 1)
    assert mail["subject"] == "[TECHNICAL] Airflow task audit.audit_breaches failed"
    assert f"Interval: {hour:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC" in mail["text"]


@pytest.mark.usefixtures("judged_then")
def test_a_breach_by_the_table_of_that_time_that_was_never_published_is_named(
    old_reading: tuple[int, datetime], audited: Audited
) -> None:
    found = audited(strict)
    assert [str(missing) for missing in found.missing] == [f"reading {old_reading[0]} heart_rate"]
    assert (found.due, found.published) == (1, 0)


@pytest.mark.usefixtures("judged_then")
def test_a_reading_that_was_sent_again_may_have_been_judged_by_any_table_since(
    stack: Settings, old_reading: tuple[int, datetime], audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {f"{stack.source.table}:{old_reading[0]}"}
    monkeypatch.setattr(breach_audit, "committed_keys", lambda _settings, _topic: sent)
    found = audited(strict)
    assert (found.due, found.missing) == (0, [])
    assert found.unknown >= 1


def test_what_may_have_been_judged_late_by_a_table_that_calls_it_no_breach_is_not_missing(audited: Audited) -> None:
    """It was: detection has come to it today."""
    found = audited(strict)
    assert (found.due, found.missing) == (0, [])
    assert found.unknown >= 1


def test_what_is_no_breach_by_the_table_of_that_time_is_not_due(audited: Audited) -> None:
    found = audited(tuple)
    assert (found.due, found.missing) == (0, [])


@pytest.mark.usefixtures("judged_then")
def test_limits_of_one_patient_at_that_time_count_for_that_patient_alone(
    stack: Settings,
    old_reading: tuple[int, datetime],
    settled_patient: str,
    devices: Connection[Any],
    in_force_then: PutInForce,
    await_condition: Await,
) -> None:
    """The same heart rate of two patients in one hour, of whom one should have had less."""
    others, hour = old_reading
    at = (hour + timedelta(minutes=30)).replace(tzinfo=None)
    theirs = insert(devices, settled_patient, heart_rate=72, recorded_at=at, inserted_at=at)
    for reading in (others, theirs):
        wait_until_landed(stack, reading, await_condition)

    def with_own_limits(rows: Sequence[ThresholdRow]) -> list[ThresholdRow]:
        own = patient_rows(rows, "heart_rate", Decimal(40), Decimal(60), settled_patient, "test")
        signed = (
            replace(row, row_key=f"heart_rate#{number}", updated_by="Dr Test") for number, row in enumerate(own, 901)
        )
        return sorted([*rows, *signed], key=lambda row: row.row_key)

    in_force_then(with_own_limits)
    try:
        found = audit_breaches(stack, hour, hour + timedelta(hours=1), WAIT_SECONDS)
    finally:
        with devices.cursor() as cursor:
            cursor.execute("DELETE FROM health.patients_vital_info WHERE id = %s", (theirs,))
    assert [str(missing) for missing in found.missing] == [f"reading {theirs} heart_rate"]
    assert found.due == 1
