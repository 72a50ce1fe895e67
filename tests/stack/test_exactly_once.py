"""100,000 simulated readings: each exactly once in Hive, before and after the hour is audited and compacted again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.airflow_api import AirflowApi
from infra.clients import hive_connection, reader_connection
from infra.settings import Settings
from producers.simulator.writer import fill_ward
from tests.stack.backfills import run_backfill

Await = Callable[..., Any]
READINGS = 100_000
PATIENTS = 60


@pytest.fixture(scope="module")
def hour(stack: Settings) -> datetime:
    """An hour of yesterday into which a whole simulated ward was inserted."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
    fill_ward(stack, seed=100, patients=PATIENTS, count=READINGS, start=start, episode_every=None, backdate=True)
    return start


def hql(settings: Settings, query: str) -> tuple[Any, ...]:
    with hive_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def in_hive(settings: Settings, hour: datetime) -> tuple[Any, ...]:
    """Readings of the hour of insertion: rows, ids, sum of ids and a checksum over ids and values."""
    end = hour + timedelta(hours=1)
    return hql(
        settings,
        "SELECT COUNT(*), COUNT(DISTINCT reading_id), SUM(reading_id),"
        " SUM(CAST(HASH(reading_id, patient_id, heart_rate, spo2, temperature) AS BIGINT))"
        " FROM health.vital_readings"
        f" WHERE inserted_at >= '{hour:%Y-%m-%d %H:%M:%S}' AND inserted_at < '{end:%Y-%m-%d %H:%M:%S}'",
    )


def in_mysql(settings: Settings, hour: datetime) -> tuple[int, int]:
    with reader_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*), SUM(id) FROM health.patients_vital_info WHERE inserted_at >= %s AND inserted_at < %s",
            (hour.replace(tzinfo=None), (hour + timedelta(hours=1)).replace(tzinfo=None)),
        )
        rows, ids = cursor.fetchone()
    return int(rows), int(ids)


def backfill(api: AirflowApi, dag_id: str, hour: datetime, await_condition: Await) -> None:
    """Run the DAG for that hour and wait until it has succeeded."""
    runs = run_backfill(api, dag_id, hour, hour, await_condition)
    assert [run["state"] for run in runs] == ["success"]


def test_every_reading_is_in_hive_exactly_once(stack: Settings, hour: datetime, await_condition: Await) -> None:
    rows, ids = in_mysql(stack, hour)
    assert rows >= READINGS
    await_condition(lambda: in_hive(stack, hour)[0] >= rows, 900, "the readings did not land", interval=5)
    landed = in_hive(stack, hour)
    assert (landed[0], landed[1], landed[2]) == (rows, rows, ids)


def test_the_audit_agrees_and_a_backfill_of_that_hour_changes_nothing(
    stack: Settings, hour: datetime, await_condition: Await
) -> None:
    before = in_hive(stack, hour)
    with AirflowApi(stack, timeout_seconds=60) as api:
        for _ in range(2):
            backfill(api, "compact_readings", hour, await_condition)
            assert in_hive(stack, hour) == before
        backfill(api, "audit", hour, await_condition)
        assert in_hive(stack, hour) == before
