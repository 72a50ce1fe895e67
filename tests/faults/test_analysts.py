"""An analyst's query loops while its hour is compacted and backfilled and late readings come in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pymysql.cursors import Cursor

from hive.client import HiveSession, hive_session
from infra.airflow_api import AirflowApi
from infra.clients import devices_connection
from infra.settings import Settings
from tests.stack.backfills import run_backfill

Await = Callable[..., Any]
HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=40)
ROWS_AT_ONCE = 20
PAUSE_SECONDS = 0.5
FIRST_ROWS = 200
SETTLED_ROWS = 500
LANDED_SECONDS = 120


class Look(NamedTuple):
    """What a query saw of a patient: rows, different readings and the sum of their ids."""

    rows: int
    different: int
    ids: int


NOTHING = Look(0, 0, 0)


class LateReadings:
    """Readings of that hour, some every half second until the end."""

    def __init__(self, settings: Settings, patient: str) -> None:
        self._settings = settings
        self._patient = patient
        self.written = 0

    def write(self, ended: threading.Event) -> None:
        with closing(devices_connection(self._settings)) as connection, connection.cursor() as cursor:
            while not ended.wait(PAUSE_SECONDS):
                write_readings(cursor, self._patient, self.written, ROWS_AT_ONCE)
                self.written += ROWS_AT_ONCE


def write_readings(cursor: Cursor, patient: str, written: int, count: int) -> None:
    """Write readings of that hour, after so many that were `written`."""
    times = [HOUR + timedelta(seconds=(written + row) % 3600) for row in range(count)]
    cursor.executemany(
        "INSERT INTO health.patients_vital_info (patient_id, recorded_at, heart_rate) VALUES (%s, %s, 70)",
        [(patient, at) for at in times],
    )


def settled_readings(settings: Settings, patient: str) -> Look:
    """Write readings of that hour to which nothing comes; what every query must see of them once they have landed."""
    with closing(devices_connection(settings)) as connection, connection.cursor() as cursor:
        write_readings(cursor, patient, 0, SETTLED_ROWS)
        cursor.execute("SELECT SUM(id) FROM health.patients_vital_info WHERE patient_id = %s", (patient,))
        [(ids,)] = cursor.fetchall()
    return Look(SETTLED_ROWS, SETTLED_ROWS, int(ids))


def seen_of(session: HiveSession, patients: Sequence[str]) -> dict[str, Look]:
    """Count all readings of the hour and the different ones, and add up their ids, of each patient."""
    names = ", ".join(f"'{patient}'" for patient in patients)
    rows = session.rows(
        "SELECT patient_id, COUNT(*), COUNT(DISTINCT reading_id), SUM(reading_id) FROM health.vital_readings"
        f" WHERE patient_id IN ({names}) AND event_date = '{HOUR:%Y-%m-%d}' AND event_hour = {HOUR.hour}"
        " GROUP BY patient_id"
    )
    return {patient: Look(*counted) for patient, *counted in rows}


def look_again_and_again(
    settings: Settings, patients: Sequence[str], ended: threading.Event, looks: list[tuple[Look, ...]]
) -> None:
    """Look at each patient at once until the end; any error is raised."""
    with hive_session(settings) as session:
        while not ended.is_set():
            seen = seen_of(session, patients)
            looks.append(tuple(seen.get(patient, NOTHING) for patient in patients))


def test_no_query_fails_and_none_counts_a_reading_twice_or_not_at_all(
    stack: Settings, seed: int, await_condition: Await
) -> None:
    name, ended, looks = f"analyst-{seed}-{int(time.time())}", threading.Event(), list[tuple[Look, ...]]()
    patient, unchanged = f"{name}-late", f"{name}-settled"
    settled = settled_readings(stack, unchanged)
    with hive_session(stack) as session:
        await_condition(
            lambda: seen_of(session, [unchanged]).get(unchanged) == settled, LANDED_SECONDS, "nothing lands", 1
        )
    late = LateReadings(stack, patient)
    with AirflowApi(stack) as api, ThreadPoolExecutor(2) as pool:
        writer = pool.submit(late.write, writing_ended := threading.Event())
        looking = pool.submit(look_again_and_again, stack, [patient, unchanged], ended, looks)
        try:
            await_condition(
                lambda: looking.done() or (looks and looks[-1][0].rows > FIRST_ROWS),
                LANDED_SECONDS,
                "nothing lands",
                1,
            )
            before = len(looks)
            runs = [
                run
                for dag_id in ("compact_readings", "audit", "compact_readings")
                for run in run_backfill(api, dag_id, HOUR, HOUR, await_condition)
            ]
            writing_ended.set()
            writer.result()
            await_condition(
                lambda: looking.done() or looks[-1][0].rows == late.written,
                LANDED_SECONDS,
                "not every reading lands",
                1,
            )
        finally:
            writing_ended.set()
            ended.set()
        looking.result()
    assert [run["state"] for run in runs] == ["success"] * len(runs)
    assert len(looks) > before + len(runs)
    assert {of_unchanged for _, of_unchanged in looks} == {settled}
    seen = [of_patient for of_patient, _ in looks]
    assert [look.rows for look in seen] == sorted(look.rows for look in seen)
    assert all(look.rows == look.different for look in seen)
    assert seen[-1].rows == late.written
