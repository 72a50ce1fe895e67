"""The audit against the real MySQL, Kafka and Hive, over an hour of insertion long past that nothing else uses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymysql.connections import Connection

from clinical.tables import VITAL_READINGS
from hive.audit import audit_hour
from hive.client import query
from hive.landed import NotYetLandedError
from hive.source_rows import of_no_time
from infra.clients import devices_connection, hdfs
from infra.settings import Settings
from spark_jobs.landing.files import data_files

pytestmark = pytest.mark.looks_on

ROWS = 300
WAIT_SECONDS = 180.0


@pytest.fixture(scope="module")
def hour() -> datetime:
    """A random hour of insertion between 2001 and 2020."""
    return datetime(2001, 1, 1, tzinfo=UTC) + timedelta(hours=random.randrange(19 * 365 * 24))


@pytest.fixture(scope="module")
def inserted(stack: Settings, hour: datetime) -> Iterator[list[int]]:
    """Ids of readings that MySQL took in during that hour, good, bad and late ones; the rows are removed afterwards."""
    rows = [(f"AUDIT-{i % 5}", hour + timedelta(seconds=10 * i), 60 + i % 40) for i in range(ROWS)]
    late = [("AUDIT-1", hour - timedelta(days=3), 70), ("AUDIT-1", hour + timedelta(days=2), 70), (None, hour, 70)]
    with closing(devices_connection(stack)) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO health.patients_vital_info (patient_id, recorded_at, inserted_at, heart_rate)"
            " VALUES (%s, %s, %s, %s)",
            [(patient, at, hour + timedelta(minutes=30), rate) for patient, at, rate in rows + late],
        )
        cursor.execute("SELECT id FROM health.patients_vital_info WHERE inserted_at BETWEEN %s AND %s", _bounds(hour))
        ids = [row[0] for row in cursor.fetchall()]
        yield ids
        cursor.execute("DELETE FROM health.patients_vital_info WHERE inserted_at BETWEEN %s AND %s", _bounds(hour))


def _bounds(hour: datetime) -> tuple[datetime, datetime]:
    return hour, hour + timedelta(minutes=59)


@pytest.fixture
def landed(
    stack: Settings, hour: datetime, inserted: list[int], await_condition: Callable[..., Any]
) -> Callable[[], Any]:
    """Runs the audit of that hour, once the producer has come to its rows."""

    def audit() -> Any:
        try:
            return audit_hour(stack, hour, hour + timedelta(hours=1), WAIT_SECONDS)
        except NotYetLandedError:
            return None

    assert inserted
    return lambda: await_condition(audit, 2 * WAIT_SECONDS, "the hour has landed")


def test_every_row_of_the_hour_is_landed_or_rejected(landed: Callable[[], Any]) -> None:
    result = landed()
    assert result.agrees, result.sentence()
    assert result.source_rows == result.hive_rows == ROWS + 3
    assert f"All {ROWS + 3} rows" in result.sentence()


def test_a_row_that_hive_lacks_is_named(
    hour: datetime, landed: Callable[[], Any], devices: Connection[Any], inserted: list[int]
) -> None:
    never_read = -random.randrange(1, 10**9)
    with devices.cursor() as cursor:
        cursor.execute(
            "INSERT INTO health.patients_vital_info (id, patient_id, inserted_at) VALUES (%s, 'AUDIT-1', %s)",
            (never_read, hour + timedelta(minutes=31)),
        )
    try:
        result = landed()
        assert (result.missing_ids, result.unexpected_ids, result.duplicate_ids) == ([never_read], [], [])
        assert f"ids {never_read}" in result.sentence()
        assert result.source_rows == len(inserted) + 1
    finally:
        with devices.cursor() as cursor:
            cursor.execute("DELETE FROM health.patients_vital_info WHERE id = %s", (never_read,))


def test_a_row_that_mysql_lacks_is_named(
    landed: Callable[[], Any], devices: Connection[Any], inserted: list[int]
) -> None:
    with devices.cursor() as cursor:
        cursor.execute("SELECT * FROM health.patients_vital_info WHERE id = %s", (inserted[7],))
        row = cursor.fetchone()
        assert row is not None
        cursor.execute("DELETE FROM health.patients_vital_info WHERE id = %s", (inserted[7],))
    try:
        result = landed()
        assert (result.missing_ids, result.unexpected_ids, result.duplicate_ids) == ([], [inserted[7]], [])
    finally:
        with devices.cursor() as cursor:
            marks = ", ".join(["%s"] * len(row))
            cursor.execute(f"INSERT INTO health.patients_vital_info VALUES ({marks})", row)


def test_a_reading_that_is_twice_in_hive_is_named(
    stack: Settings, hour: datetime, landed: Callable[[], Any], inserted: list[int]
) -> None:
    landed()
    columns = ", ".join(VITAL_READINGS.column_names)
    partition = f"event_date = '{hour:%Y-%m-%d}' AND event_hour = {hour.hour}"
    ((path,),) = query(
        stack,
        f"SELECT DISTINCT regexp_extract(INPUT__FILE__NAME, '^[a-z]+://[^/]*(/.*)/[^/]*$', 1) "
        f"FROM {VITAL_READINGS.full_name} WHERE {partition} AND reading_id = {inserted[0]}",
    )
    files = hdfs(stack)
    before = {entry["name"] for entry in data_files(files, path)}
    query(
        stack,
        f"INSERT INTO {VITAL_READINGS.full_name} PARTITION (event_date = '{hour:%Y-%m-%d}', event_hour = {hour.hour}) "
        f"SELECT {columns} FROM {VITAL_READINGS.full_name} WHERE {partition} AND reading_id = {inserted[0]}",
    )
    try:
        result = landed()
        assert (result.missing_ids, result.unexpected_ids, result.duplicate_ids) == ([], [], [inserted[0]])
    finally:
        for entry in data_files(files, path):
            if entry["name"] not in before:
                files.rm(entry["name"])


def test_rows_without_a_time_of_insertion_are_known(stack: Settings, devices: Connection[Any]) -> None:
    table = f"health.untimed_{random.randrange(10**9)}"
    source = stack.source.model_copy(update={"table": table})
    with devices.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (id BIGINT PRIMARY KEY, inserted_at TIMESTAMP(3) NULL)")
        try:
            cursor.execute(f"INSERT INTO {table} VALUES (1, NULL), (2, NOW(3)), (3, NULL)")
            assert of_no_time(stack.model_copy(update={"source": source}), [1, 2, 4]) == {1}
        finally:
            cursor.execute(f"DROP TABLE {table}")


def test_an_hour_whose_late_commits_may_still_come_is_not_audited(stack: Settings) -> None:
    now = datetime.now(UTC)
    with pytest.raises(NotYetLandedError, match="may be committed until"):
        audit_hour(stack, now - timedelta(hours=1), now, 0)
