"""An analyst's query loops while its hour is compacted and backfilled and late readings come in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from hive.client import hive_session
from infra.airflow_api import AirflowApi
from infra.clients import devices_connection
from infra.settings import Settings
from tests.stack.backfills import run_backfill

Await = Callable[..., Any]
HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=40)
ROWS_AT_ONCE = 20
PAUSE_SECONDS = 0.5
FIRST_ROWS = 200
LANDED_SECONDS = 120


class LateReadings:
    """Readings of that hour, some every half second until the end."""

    def __init__(self, settings: Settings, patient: str) -> None:
        self._settings = settings
        self._patient = patient
        self.written = 0

    def write(self, ended: threading.Event) -> None:
        with closing(devices_connection(self._settings)) as connection, connection.cursor() as cursor:
            while not ended.wait(PAUSE_SECONDS):
                times = [HOUR + timedelta(seconds=(self.written + row) % 3600) for row in range(ROWS_AT_ONCE)]
                self.written += cursor.executemany(
                    "INSERT INTO health.patients_vital_info (patient_id, recorded_at, heart_rate) VALUES (%s, %s, 70)",
                    [(self._patient, at) for at in times],
                )


def looked(settings: Settings, patient: str, ended: threading.Event, seen: list[tuple[int, int]]) -> None:
    """Count all readings of the hour and the different ones, again and again; any error is raised."""
    statement = (
        "SELECT COUNT(*), COUNT(DISTINCT reading_id) FROM health.vital_readings WHERE patient_id = "
        f"'{patient}' AND event_date = '{HOUR:%Y-%m-%d}' AND event_hour = {HOUR.hour}"
    )
    with hive_session(settings) as session:
        while not ended.is_set():
            [(rows, different)] = session.rows(statement)
            seen.append((rows, different))


def test_no_query_fails_and_none_counts_a_reading_twice_or_not_at_all(
    stack: Settings, seed: int, await_condition: Await
) -> None:
    patient, ended, seen = f"analyst-{seed}-{int(time.time())}", threading.Event(), list[tuple[int, int]]()
    late = LateReadings(stack, patient)
    with AirflowApi(stack) as api, ThreadPoolExecutor(2) as pool:
        writer = pool.submit(late.write, writing_ended := threading.Event())
        looking = pool.submit(looked, stack, patient, ended, seen)
        try:
            await_condition(
                lambda: looking.done() or (seen and seen[-1][0] > FIRST_ROWS), LANDED_SECONDS, "nothing lands", 1
            )
            before = len(seen)
            runs = [
                run
                for dag_id in ("compact_readings", "audit", "compact_readings")
                for run in run_backfill(api, dag_id, HOUR, HOUR, await_condition)
            ]
            writing_ended.set()
            writer.result()
            await_condition(
                lambda: looking.done() or seen[-1][0] == late.written, LANDED_SECONDS, "not every reading lands", 1
            )
        finally:
            writing_ended.set()
            ended.set()
        looking.result()
    assert [run["state"] for run in runs] == ["success"] * len(runs)
    assert len(seen) > before + len(runs)
    assert [rows for rows, _ in seen] == sorted(rows for rows, _ in seen)
    assert all(rows == different for rows, different in seen)
    assert seen[-1] == (late.written, late.written)
