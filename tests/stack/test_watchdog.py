"""The watchdog on the real stack: it comes through, its absence is told, and nobody else ever sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psutil
import pytest

from alerts.housekeeping import forget_watchdogs
from alerts.inbox import received_mails
from alerts.store import add_notifications
from alerts.unwatched import UNWATCHED
from alerts.watchdog import watchdog_notification, watchdog_reading
from alerts.watchdog_queue import WatchdogQueue
from clinical import tables
from clinical.messages import WATCHDOG_PATIENT
from clinical.topics import DERIVED_VITALS, DOCTORS_QUEUE, VITAL_INFO, dead_letter_topic
from hive.breach_audit import DERIVED_LANDING
from hive.breach_audit import LANDING as BREACHES_LANDING
from hive.client import query as hql
from hive.landed import CHECKPOINT as READINGS_LANDING
from hive.landed import wait_until_passed
from infra import supervise
from infra.airflow_api import AirflowApi
from infra.clients import alerts_connection
from infra.kafka_io import committed_messages, publish
from infra.settings import Settings
from spark_jobs.derive_vitals import CHECKPOINTS
from spark_jobs.transforms.derived import NEWS2
from tests.stack.alerting import MAIL_SECONDS, in_place_of_the_engine, now_ms, query, unique
from tests.stack.watching import FAILED, OVER, WatchMails, fails, paused_streams, running_streams
from tests.unit.alerts.breaches import breach

Await = Callable[..., Any]
LONG_AGO_MS = 1_000_000_000_000
ABSENT_SECONDS = 30


@pytest.fixture(autouse=True)
def streams_paused(stack: Settings, await_condition: Await) -> Iterator[None]:
    """The running Airflow does not take from the queue what a test looks for there."""
    with AirflowApi(stack, timeout_seconds=60) as api, paused_streams(api, await_condition):
        yield


def send_and_await(settings: Settings, await_condition: Await) -> float:
    """Send a watchdog and wait until it arrives; how many seconds that took."""
    queue = WatchdogQueue(settings)
    queue.prepare()
    sent = now_ms()
    publish(settings, VITAL_INFO, WATCHDOG_PATIENT, watchdog_reading(sent))
    arrived = await_condition(lambda: queue.arrivals(sent, 2).get(sent), 60, "no watchdog came through", 0)
    return float(arrived - sent) / 1000


@contextmanager
def suspended(settings: Settings, name: str) -> Iterator[None]:
    """A stream hangs meanwhile, with all its processes."""
    parent = psutil.Process(supervise.processes(settings)[name].pid)
    family = [parent, *parent.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def test_a_watchdog_comes_through_within_a_minute_and_no_person_hears_of_it(
    stack: Settings, await_condition: Await
) -> None:
    assert send_and_await(stack, await_condition) < 60
    assert not [mail for mail in received_mails(stack) if "WATCHDOG" in mail.subject]
    about = f"%{WATCHDOG_PATIENT}%"
    assert query(stack, "SELECT * FROM alarms WHERE patient_id LIKE %s OR technical_key LIKE %s", about, about) == []


def test_after_the_embedded_sns_has_forgotten_everything_the_next_one_comes_through(
    stack: Settings, await_condition: Await
) -> None:
    supervise.restart(stack, "sns")
    supervise.wait_ready(stack, "sns")
    assert send_and_await(stack, await_condition) < 60


def test_ops_are_told_once_that_none_comes_through_and_where_they_stay_though_every_stream_seems_well(
    stack: Settings, tmp_path_factory: pytest.TempPathFactory, await_condition: Await
) -> None:
    watch = WatchMails(stack)
    limits = {"MAX_WATCHDOG_SECONDS": str(ABSENT_SECONDS), "MAX_SILENCE_SECONDS": "600"}
    with running_streams(stack, tmp_path_factory.mktemp("airflow"), limits) as run_streams:
        assert run_streams()["run"] == "success"
        with suspended(stack, "detect-breaches"):
            await_condition(lambda: fails(run_streams), 300, "nobody noticed that nothing comes through", 5)
            assert fails(run_streams)
            await_condition(lambda: watch.subjects() == [FAILED], MAIL_SECONDS, "ops were not told", 1)
        await_condition(lambda: not fails(run_streams), 300, "it did not come through again", 5)
    await_condition(lambda: watch.subjects() == [OVER, FAILED], MAIL_SECONDS, "ops were not told that it is over", 1)
    [told] = [mail["text"] for mail in watch.mails() if mail["subject"] == FAILED]
    assert "The alarm path lets nothing through" in told
    assert f"in {VITAL_INFO} and not in {DOCTORS_QUEUE}" in told


def test_the_engine_tells_ops_once_that_nobody_watches_the_streams_and_once_that_somebody_does(
    stack: Settings, await_condition: Await
) -> None:
    impatient = stack.streams.model_copy(update={"max_unwatched_seconds": 2})
    told = "SELECT notice FROM notifications WHERE attribute = %s AND created_at >= %s ORDER BY seq"
    with in_place_of_the_engine(stack.model_copy(update={"streams": impatient})) as own:
        own.drain(await_condition)
        begun = own.now = now_ms()

        def told_after_a_step() -> list[str]:
            own.now = max(own.now, now_ms())
            own.engine.step(0.2)
            return [notice for (notice,) in query(stack, told, UNWATCHED, begun)]

        await_condition(told_after_a_step, 60, "nobody noticed that nobody watches", 0)
        own.now += 60_000
        assert told_after_a_step() == ["raised"]
        publish(stack, VITAL_INFO, WATCHDOG_PATIENT, watchdog_reading(now_ms()))
        await_condition(lambda: len(told_after_a_step()) > 1, 60, "the watchdog was not heard", 0)
        assert told_after_a_step() == ["raised", "cleared"]


def test_analysts_never_see_it(stack: Settings, await_condition: Await) -> None:
    send_and_await(stack, await_condition)
    for checkpoint, topic, stream in (
        (READINGS_LANDING, VITAL_INFO, "land-vitals"),
        (BREACHES_LANDING, DOCTORS_QUEUE, "land-vitals"),
        (("checkpoints", "derive-vitals", CHECKPOINTS[NEWS2]), VITAL_INFO, "derive-vitals"),
        (DERIVED_LANDING, DERIVED_VITALS, "land-vitals"),
    ):
        wait_until_passed(stack, checkpoint, [topic], stream, 240)
    for table in (tables.VITAL_READINGS, tables.REJECTED_READINGS, tables.BREACHES, tables.DERIVED_VITALS):
        statement = f"SELECT COUNT(*) FROM {table.full_name} WHERE patient_id = '{WATCHDOG_PATIENT}'"
        assert hql(stack, statement) == [(0,)], table.name
    dead_letters = map(dead_letter_topic, ("land-vitals", "land-breaches", "land-derived", "alert-engine"))
    keys = {message.key() for message in committed_messages(stack, dead_letters)}
    assert WATCHDOG_PATIENT.encode() not in keys


def test_old_ones_are_forgotten_whether_sent_or_not(stack: Settings) -> None:
    old = watchdog_notification(breach(patient_id=WATCHDOG_PATIENT, source_id="1"), unique("n"), LONG_AGO_MS)
    with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
        add_notifications(cursor, [old])
    assert forget_watchdogs(stack, LONG_AGO_MS + 1) == 1
    assert query(stack, "SELECT * FROM notifications WHERE notification_id = %s", old.notification_id) == []
