"""The DAGs in the real Airflow: parsed, run and backfilled through its API."""

from __future__ import annotations

import os
import random
import signal
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra import supervise
from infra.airflow_api import AirflowApi
from infra.clients import devices_connection, hive_connection
from infra.metrics import metrics_port
from infra.settings import Settings
from sqoop.snapshots import Snapshots
from tests.stack.alerting import MAIL_SECONDS
from tests.stack.backfills import HOUR, end_of, run_backfill
from tests.stack.watching import (
    FAILED,
    LIMITS,
    OVER,
    RunStreams,
    WatchMails,
    fails,
    inbox,
    paused_streams,
    running_streams,
)

pytestmark = pytest.mark.timeout(1500)
"""A busy machine runs the tasks of a backfill one after another for many minutes."""

Await = Callable[..., Any]
DAGS = ("streams", "contacts_import", "compact_readings", "audit", "alarms_history", "housekeeping")


@pytest.fixture
def api(stack: Settings) -> Iterator[AirflowApi]:
    with AirflowApi(stack, timeout_seconds=60) as client:
        yield client


def an_hour_of_days_ago(first: int, last: int) -> datetime:
    """The start of an hour that no other test is likely to use, some days ago."""
    hours = random.SystemRandom().randrange(first * 24, last * 24)
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - hours * HOUR


def last_log(api: AirflowApi, dag_id: str, run_id: str, task_id: str) -> str:
    """What the newest try of a task wrote."""
    found = next(task for task in api.task_instances(dag_id, run_id) if task["task_id"] == task_id)
    return api.task_log(dag_id, run_id, task_id, found["try_number"])


def insert_readings(settings: Settings, patient: str, moments: list[datetime], first_id: int | None = None) -> None:
    """One reading in range for each moment, recorded and inserted then."""
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        for number, moment in enumerate(moments):
            at = moment.replace(tzinfo=None)
            key = None if first_id is None else first_id + number
            cursor.execute(
                "INSERT INTO health.patients_vital_info (id, patient_id, recorded_at, inserted_at, heart_rate)"
                " VALUES (%s, %s, %s, %s, 72)",
                (key, patient, at, at),
            )


def delete_readings(settings: Settings, patient: str) -> None:
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM health.patients_vital_info WHERE patient_id = %s", (patient,))


def landed(settings: Settings, patient: str, first: datetime, last: datetime) -> list[tuple[str, int, int]]:
    """Date, hour and number of the patient's readings in Hive."""
    with hive_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_date, event_hour FROM health.vital_readings"
            f" WHERE event_date BETWEEN '{first:%Y-%m-%d}' AND '{last:%Y-%m-%d}' AND patient_id = '{patient}'"
        )
        readings = Counter((str(date), int(hour)) for date, hour in cursor.fetchall())
        return sorted((date, hour, count) for (date, hour), count in readings.items())


@pytest.mark.parametrize("dag_id", DAGS)
def test_airflow_knows_each_dag_without_an_import_error_and_it_is_on(api: AirflowApi, dag_id: str) -> None:
    dag = api.dag(dag_id)
    assert dag["is_paused"] is False
    assert dag["has_import_errors"] is False


@pytest.mark.parametrize("dag_id", ["streams", "contacts_import", "housekeeping"])
def test_a_run_for_now_succeeds(api: AirflowApi, dag_id: str, await_condition: Await) -> None:
    run_id = api.trigger(dag_id)
    assert end_of(api, dag_id, run_id, await_condition) == "success"
    assert {task["state"] for task in api.task_instances(dag_id, run_id)} == {"success"}


def test_the_history_of_alarms_of_a_past_hour_is_written_for_exactly_that_hour(
    api: AirflowApi, await_condition: Await
) -> None:
    hour = an_hour_of_days_ago(5, 300)
    run_id = api.trigger_for("alarms_history", hour + HOUR)
    assert end_of(api, "alarms_history", run_id, await_condition) == "success"
    run = api.run("alarms_history", run_id)
    assert datetime.fromisoformat(run["data_interval_start"]) == hour
    assert datetime.fromisoformat(run["data_interval_end"]) == hour + HOUR
    assert {task["state"] for task in api.task_instances("alarms_history", run_id)} == {"success"}
    assert "days_written" in last_log(api, "alarms_history", run_id, "write_hour")


def test_streams_for_a_past_minute_does_nothing_and_says_so(api: AirflowApi, await_condition: Await) -> None:
    run_id = api.trigger_for("streams", an_hour_of_days_ago(2, 300))
    assert end_of(api, "streams", run_id, await_condition) == "success"
    assert {task["state"] for task in api.task_instances("streams", run_id)} == {"skipped"}
    assert "Nothing was done" in last_log(api, "streams", run_id, "start")


def test_an_import_of_contacts_for_a_past_interval_is_one_of_now(
    stack: Settings, api: AirflowApi, await_condition: Await
) -> None:
    begun = datetime.now(UTC)
    run_id = api.trigger_for("contacts_import", an_hour_of_days_ago(2, 300))
    assert end_of(api, "contacts_import", run_id, await_condition) == "success"
    snapshots = Snapshots(stack, "health.patients")
    newest = snapshots.manifest(snapshots.versions()[-1])
    assert newest is not None
    assert datetime.fromisoformat(newest["started_at"]) > begun


def test_a_stopped_stream_is_started_by_the_next_run(stack: Settings, api: AirflowApi, await_condition: Await) -> None:
    supervise.stop(stack, "mailer")
    run_id = api.trigger("streams")
    assert end_of(api, "streams", run_id, await_condition) == "success"
    assert supervise.processes(stack)["mailer"].running


def test_a_backfill_of_three_hours_runs_exactly_those_and_changes_no_reading(
    stack: Settings, api: AirflowApi, await_condition: Await
) -> None:
    first = an_hour_of_days_ago(3, 25)
    hours = [first, first + HOUR, first + 2 * HOUR]
    patient = f"dags-{uuid.uuid4().hex[:8]}"
    insert_readings(stack, patient, [hour + timedelta(minutes=7 * n) for hour in hours for n in range(5)])
    expected = [(f"{hour:%Y-%m-%d}", hour.hour, 5) for hour in hours]
    await_condition(
        lambda: landed(stack, patient, hours[0], hours[-1]) == expected,
        180,
        f"the readings of {patient} did not land",
        3,
    )
    for dag_id in ("compact_readings", "audit"):
        runs = run_backfill(api, dag_id, hours[0], hours[-1], await_condition)
        assert sorted(datetime.fromisoformat(run["data_interval_start"]) for run in runs) == hours
        assert sorted(datetime.fromisoformat(run["data_interval_end"]) for run in runs) == [h + HOUR for h in hours]
        assert {run["state"] for run in runs} == {"success"}
        assert landed(stack, patient, hours[0], hours[-1]) == expected


def audited(api: AirflowApi, logical_date: datetime, await_condition: Await) -> tuple[str, str]:
    """How the audit of the last hour before that time ended at its first try, and what it wrote."""
    run_id = api.trigger_for("audit", logical_date)
    end_of(api, "audit", run_id, await_condition)
    found = next(task for task in api.task_instances("audit", run_id) if task["task_id"] == "audit_hour")
    assert found["try_number"] == 1
    return found["state"], last_log(api, "audit", run_id, "audit_hour")


def mail_of_the_audit(settings: Settings, what: str, reading: int, await_condition: Await) -> dict[str, Any]:
    """The one mail that names the reading and says that of the audit."""
    mails = await_condition(
        lambda: [
            mail
            for mail in inbox(settings, settings.alerts.ops_email)
            if mail["subject"] == f"[TECHNICAL] Airflow task audit.audit_hour {what}" and str(reading) in mail["text"]
        ],
        MAIL_SECONDS,
        "ops got no mail that names the id",
        1,
    )
    assert len(mails) == 1
    return dict(mails[0])


def test_an_audit_sends_a_missing_reading_again_and_fails_with_its_id_when_a_difference_remains(
    stack: Settings, api: AirflowApi, await_condition: Await
) -> None:
    """A row whose id lies below every id that the producer asks for, as a restored backup would add: never moved."""
    hour, patient = an_hour_of_days_ago(400, 2000), f"dags-{uuid.uuid4().hex[:8]}"
    reading = -random.SystemRandom().randrange(10**6, 10**9)
    minutes = iter(range(60))

    def audit() -> tuple[str, str]:
        return audited(api, hour + HOUR + timedelta(minutes=next(minutes)), await_condition)

    def mail_to_ops(what: str) -> dict[str, Any]:
        return mail_of_the_audit(stack, what, reading, await_condition)

    insert_readings(stack, patient, [hour + timedelta(minutes=30)], first_id=reading)
    state, said = audit()
    assert state == "success", said
    assert f"1 in MySQL and not in Hive (ids {reading})" in mail_to_ops("sent missing readings again")["text"]
    assert landed(stack, patient, hour, hour) == [(f"{hour:%Y-%m-%d}", hour.hour, 1)]
    delete_readings(stack, patient)
    state, said = audit()
    assert state == "failed"
    assert f"1 in Hive and not in MySQL (ids {reading})" in said
    assert f"{hour:%Y-%m-%d %H:%M} to {hour + HOUR:%Y-%m-%d %H:%M} UTC" in mail_to_ops("failed")["text"]
    insert_readings(stack, patient, [hour + timedelta(minutes=30)], first_id=reading)
    assert audit()[0] == "success"
    assert landed(stack, patient, hour, hour) == [(f"{hour:%Y-%m-%d}", hour.hour, 1)]


def test_a_row_whose_transaction_outlasts_the_audit_of_its_hour_is_found_and_sent_by_the_audit_of_the_next(
    stack: Settings, api: AirflowApi, await_condition: Await
) -> None:
    """Its id lies below every id that the producer asks for, as that of a gap that it no longer waits for."""
    hour, patient = an_hour_of_days_ago(400, 2000), f"dags-{uuid.uuid4().hex[:8]}"
    reading = -random.SystemRandom().randrange(10**6, 10**9)
    at = (hour + timedelta(minutes=59)).replace(tzinfo=None)
    with devices_connection(stack, autocommit=False) as transaction, transaction.cursor() as cursor:
        cursor.execute(
            "INSERT INTO health.patients_vital_info (id, patient_id, recorded_at, inserted_at, heart_rate)"
            " VALUES (%s, %s, %s, %s, 72)",
            (reading, patient, at, at),
        )
        state, said = audited(api, hour + HOUR, await_condition)
        assert state == "success", said
        assert landed(stack, patient, hour, hour) == []
        transaction.commit()
    for minute in range(2):
        state, said = audited(api, hour + 2 * HOUR + timedelta(minutes=minute), await_condition)
        assert state == "success", said
        assert landed(stack, patient, hour, hour) == [(f"{hour:%Y-%m-%d}", hour.hour, 1)]
        assert (str(reading) in said) is (minute == 0), "it is sent once"
    told = mail_of_the_audit(stack, "sent missing readings again", reading, await_condition)["text"]
    assert f"1 in MySQL and not in Hive (ids {reading})" in told
    assert f"from {hour.isoformat()} to {(hour + HOUR).isoformat()}" in told


@pytest.fixture(scope="module")
def run_streams(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStreams]:
    """Runs the DAG `streams` once, with short limits of patience; the states of the run and of its tasks."""
    with running_streams(stack, tmp_path_factory.mktemp("airflow"), LIMITS) as run:
        yield run


@pytest.fixture
def streams_paused(api: AirflowApi, await_condition: Await) -> Iterator[None]:
    """The running Airflow leaves the streams alone for the time of a test."""
    with paused_streams(api, await_condition):
        yield


@pytest.mark.usefixtures("streams_paused")
def test_ops_are_told_once_that_a_stream_stays_down_and_once_that_it_is_well_again(
    stack: Settings, run_streams: RunStreams, await_condition: Await
) -> None:
    """The alert engine cannot start, because its port is taken: the mail takes the way that does without it."""
    watch = WatchMails(stack)

    assert run_streams()["run"] == "success"
    supervise.stop(stack, "alert-engine")
    with socket.create_server(("127.0.0.1", metrics_port(stack, "alert-engine"))):
        await_condition(lambda: fails(run_streams), 300, "a stream that cannot start went unnoticed")
        await_condition(lambda: watch.subjects() == [FAILED], MAIL_SECONDS, "ops were not told", 1)
        assert fails(run_streams)
    await_condition(lambda: not fails(run_streams), 300, "the alert engine did not come back")
    await_condition(lambda: watch.subjects() == [OVER, FAILED], MAIL_SECONDS, "ops were not told once of each", 1)


@pytest.mark.stops_servers
@pytest.mark.usefixtures("streams_paused")
def test_ops_are_told_once_that_mysql_is_down_though_the_alarm_path_needs_it(
    stack: Settings, run_streams: RunStreams, await_condition: Await
) -> None:
    watch = WatchMails(stack)

    def told_of_mysql() -> int:
        return sum("mariadb is down" in mail["text"] for mail in watch.mails())

    assert run_streams()["run"] == "success"
    supervise.stop(stack, "mariadb")
    try:
        assert fails(run_streams)
        await_condition(told_of_mysql, MAIL_SECONDS, "ops were not told while MySQL was down", 1)
        assert fails(run_streams)
    finally:
        supervise.start(stack, "mariadb")
    await_condition(lambda: not fails(run_streams), 300, "not everything came back with MySQL")
    await_condition(lambda: OVER in watch.subjects(), MAIL_SECONDS, "ops were not told that it is over", 1)
    assert told_of_mysql() == 1


@pytest.mark.usefixtures("streams_paused")
def test_a_stream_that_hangs_is_restarted(stack: Settings, run_streams: RunStreams, await_condition: Await) -> None:
    assert run_streams()["run"] == "success"
    hung = supervise.processes(stack)["mailer"].pid
    os.kill(hung, signal.SIGSTOP)

    def replaced() -> bool:
        done = run_streams()["run"] == "success"
        process = supervise.processes(stack)["mailer"]
        return done and process.running and process.pid != hung

    await_condition(replaced, 400, "the mailer still hangs")
