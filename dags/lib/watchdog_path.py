"""Sending a watchdog through the alarm path, and looking for it at the end: the part that touches servers.

The end, a queue of SQS, is read by the watch alone and depends on nothing of the path but SNS; what was seen is kept in
an Airflow variable.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import pymysql
from airflow.sdk import Variable

from alerts.database import now_ms
from alerts.watchdog import (
    ATTRIBUTE,
    watchdog_alarm_id,
    watchdog_breach_id,
    watchdog_reading,
)
from alerts.watchdog_queue import WatchdogQueue
from clinical.messages import WATCHDOG_PATIENT
from clinical.topics import DOCTORS_QUEUE, VITAL_INFO
from dags.lib.watchdog import NEWEST_KEPT, Memory, after
from infra.clients import alerts_connection
from infra.errors import UnavailableError, WardError
from infra.kafka_io import committed_messages, publish
from infra.settings import Settings

log = logging.getLogger(__name__)

STREAMS = ("detect-breaches", "alert-engine")
"""The streams that a watchdog passes."""

MEMORY = "streams_watchdog"
"""Airflow variable with what is known of the watchdogs (JSON, see `Memory`)."""

SEND_SECONDS = 5.0
ARRIVE_SECONDS = 3.0
"""How long a look waits for the watchdog that it sent: on a quiet machine the way takes a second."""

SEARCH_SECONDS = 15.0


@dataclass
class Walk:
    """A watchdog on its way, sent at `sent` (epoch ms). `kafka`, `sqs`: why that server would have nothing of it."""

    sent: int
    queue: WatchdogQueue
    kafka: str = ""
    sqs: str = ""


def send(settings: Settings) -> Walk:
    """Send a watchdog on its way, its end made ready first. What does not work is noted and not raised."""
    walk = Walk(now_ms(), WatchdogQueue(settings))
    try:
        walk.queue.prepare()
    except UnavailableError as error:
        walk.sqs = str(error)
    try:
        publish(settings, VITAL_INFO, WATCHDOG_PATIENT, watchdog_reading(walk.sent), SEND_SECONDS)
    except UnavailableError as error:
        walk.kafka = str(error)
    return walk


def absence(settings: Settings, walk: Walk, impaired: bool) -> str:
    """Look for watchdogs at the end of the path; a sentence when none has come for too long, else nothing.

    `impaired`: that something on the path is down is known and told, so none is expected.
    """
    arrivals = _arrivals(walk, 0.0 if impaired else ARRIVE_SECONDS)
    now = now_ms()
    memory = after(_recall(), walk.sent, arrivals, now, impaired)
    _keep(memory)
    if arrivals:
        log.info("the watchdog comes through: %s", _last(memory))
    seconds = memory.absent_seconds(now)
    if seconds <= settings.streams.max_watchdog_seconds:
        return ""
    return (
        f"The alarm path lets nothing through: no watchdog of the last {seconds:.0f} s has come "
        f"({_last(memory)}). {whereabouts(settings, walk, memory.waiting)}"
    )


def whereabouts(settings: Settings, walk: Walk, waiting: Sequence[int]) -> str:
    """How far any of the watchdogs that wait (when they were sent) has come, in a sentence for an operator."""
    if walk.sqs:
        return f"Whether one has come cannot be seen: {walk.sqs}"
    newest = waiting[-NEWEST_KEPT:]
    try:
        return (
            _in_outbox(settings, newest)
            or _in_queue(settings, newest)
            or (f"Kafka does not take them: {walk.kafka}" if walk.kafka else "")
            or (
                f"They are in {VITAL_INFO} and not in {DOCTORS_QUEUE}: detect-breaches does not judge them, or the "
                f"threshold table no longer calls a {ATTRIBUTE} of 0 a breach."
            )
        )
    except (WardError, pymysql.err.Error) as error:
        return f"How far they came cannot be seen: {error}"


def _in_outbox(settings: Settings, waiting: Sequence[int]) -> str:
    """What the outbox says of them, when it has one."""
    alarms = [watchdog_alarm_id(watchdog_breach_id(sent)) for sent in waiting]
    marks = ", ".join(["%s"] * len(alarms))
    with closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT sent_at, attempts, last_error, (SELECT COUNT(*) FROM notifications WHERE sent_at IS NULL)"
            f" FROM notifications WHERE alarm_id IN ({marks}) ORDER BY sent_at IS NULL, seq DESC LIMIT 1",
            alarms,
        )
        row = cursor.fetchone()
    if row is None:
        return ""
    sent_at, attempts, last_error, unsent = row
    name = settings.alerts.watchdog_topic
    if sent_at is not None:
        return f"SNS took one at {_utc(sent_at)} and did not bring it to the queue {name}: look at the topic {name}."
    tried = f"tried {attempts} times, last: {last_error}" if attempts else "not tried yet"
    return (
        f"One waits in the outbox of the alert engine (table notifications, {unsent} not sent, {tried}): "
        "SNS refuses, or mails wait for the pace."
    )


def _in_queue(settings: Settings, waiting: Iterable[int]) -> str:
    """That the breach of one of them is in the doctors' queue, when it is."""
    breaches = {watchdog_breach_id(sent).encode() for sent in waiting}
    deadline = time.monotonic() + SEARCH_SECONDS
    for message in committed_messages(settings, [DOCTORS_QUEUE], since_ms=min(waiting)):
        if message.key() == WATCHDOG_PATIENT.encode():
            value = message.value() or b""
            if any(breach in value for breach in breaches):
                return f"One is in {DOCTORS_QUEUE} and not in the outbox: alert-engine does not take it up."
        if time.monotonic() > deadline:
            return f"Whether {DOCTORS_QUEUE} has one cannot be seen within {SEARCH_SECONDS:.0f} s: it holds too much."
    return ""


def _arrivals(walk: Walk, seconds: float) -> dict[int, int]:
    if walk.sqs:
        return {}
    try:
        return walk.queue.arrivals(walk.sent, seconds)
    except UnavailableError as error:
        walk.sqs = str(error)
        return {}


def _last(memory: Memory) -> str:
    if memory.came is None or memory.took is None:
        return "none has ever come"
    return f"the last that came was sent at {_utc(memory.came)} and took {memory.took / 1000:.1f} s"


def _utc(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _recall() -> Memory:
    return Memory.of(Variable.get(MEMORY, default={}, deserialize_json=True))


def _keep(memory: Memory) -> None:
    what = "The watchdogs sent through the alarm path, and the last that came through"
    Variable.set(MEMORY, memory.as_dict(), description=what, serialize_json=True)
