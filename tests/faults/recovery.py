"""How long it takes from a fault until fresh data flows again, at every stage."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pymysql
import requests
from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from clinical.topics import DERIVED_VITALS, DOCTORS_QUEUE, VITAL_INFO
from hive.landed import CHECKPOINT
from infra import supervise
from infra.checkpoints import read_checkpoint
from infra.clients import alerts_connection, hdfs, kafka_config
from infra.errors import WardError
from infra.lag import Extents, topic_ends, waiting
from infra.servers import find
from infra.settings import Settings
from infra.waiting import wait_for
from tests.faults.load import ward_of

TIMES = {
    VITAL_INFO: re.compile(rb'"inserted_at":(\d+)'),
    DOCTORS_QUEUE: re.compile(rb'"inserted_at":(\d+)'),
    DERIVED_VITALS: re.compile(rb'"computed_for":(\d+)'),
}
"""When what a message of the topic tells of came in, epoch ms."""

POLL_SECONDS = 0.5
LIMIT_SECONDS = 300.0
NOT_YET = (WardError, KafkaException, pymysql.err.MySQLError, requests.RequestException, OSError, RuntimeError)


class Tail(threading.Thread):
    """Follows a topic and knows the newest time of insertion among the campaign's messages that have come out."""

    def __init__(self, settings: Settings, topic: str, prefix: str) -> None:
        super().__init__(name=f"tail-{topic}", daemon=True)
        self._settings = settings
        self._topic = topic
        self._prefix = prefix.encode()
        self._ended = threading.Event()
        self.newest_ms = 0

    def run(self) -> None:
        config = {"group.id": "wardwatch-faults", "enable.auto.commit": False, "log_level": 0}
        with closing(Consumer(kafka_config(self._settings, **config))) as consumer:
            partitions = consumer.list_topics(self._topic, timeout=30).topics[self._topic].partitions
            consumer.assign([TopicPartition(self._topic, number, OFFSET_END) for number in partitions])
            while not self._ended.is_set():
                for message in consumer.consume(1000, 0.2):
                    if message.error() is None and (message.key() or b"").startswith(self._prefix):
                        found = TIMES[self._topic].search(message.value() or b"")
                        self.newest_ms = max(self.newest_ms, int(found[1]) if found else 0)

    def finish(self) -> None:
        self._ended.set()
        self.join(30)


class Watch:
    """The stages after a fault at `since` (epoch seconds): each is asked until it shows something newer than that."""

    def __init__(self, settings: Settings, campaign: str) -> None:
        self._settings = settings
        self._campaign = campaign
        self._tails = {topic: Tail(settings, topic, f"{campaign}-") for topic in TIMES}

    @contextmanager
    def following(self) -> Iterator[Watch]:
        """Follow the topics meanwhile."""
        for tail in self._tails.values():
            tail.start()
        try:
            yield self
        finally:
            for tail in self._tails.values():
                tail.finish()

    def recovered(self, since: float, servers: tuple[str, ...]) -> dict[str, float]:
        """Seconds after `since` until each of `servers` worked and each stage was fresh. Fails after LIMIT_SECONDS."""
        waiting_for = {name: self._server_is_ready(name) for name in servers} | self._stages(since)
        took: dict[str, float] = {}
        pause = threading.Event()
        while waiting_for:
            for name, is_fresh in list(waiting_for.items()):
                if _holds(is_fresh):
                    took[name] = round(time.time() - since, 1)
                    del waiting_for[name]
            if time.time() - since > LIMIT_SECONDS:
                raise AssertionError(f"{', '.join(waiting_for)} did not recover within {LIMIT_SECONDS:.0f} s")
            pause.wait(POLL_SECONDS)
        return took

    def wait_for(self, topic: str, since: float) -> None:
        """Wait until something that was inserted after `since` (epoch seconds) has come out of the topic."""
        if not wait_for(lambda: self._tails[topic].newest_ms > since * 1000, LIMIT_SECONDS, POLL_SECONDS):
            raise AssertionError(f"nothing fresh came out of {topic} within {LIMIT_SECONDS:.0f} s")

    def _server_is_ready(self, name: str) -> Callable[[], bool]:
        def is_ready() -> bool:
            find(self._settings, name).ready(self._settings)
            process = supervise.processes(self._settings).get(name)
            return process is not None and process.running

        return is_ready

    def _stages(self, since: float) -> dict[str, Callable[[], bool]]:
        after = self._after
        since_ms = since * 1000
        return {
            "in vital-info": lambda: self._tails[VITAL_INFO].newest_ms > since_ms,
            "in doctors-queue": lambda: self._tails[DOCTORS_QUEUE].newest_ms > since_ms,
            "in derived-vitals": lambda: self._tails[DERIVED_VITALS].newest_ms > since_ms,
            "in Hive": after(VITAL_INFO, since_ms, self._landed),
            "judged as alarms": after(DOCTORS_QUEUE, since_ms, self._engine_offsets),
            "mailed": lambda: self._is_mailed(since_ms),
        }

    def _after(self, topic: str, since_ms: float, offsets: Callable[[], Any]) -> Callable[[], bool]:
        """Whether a reader has passed what the topic held when something fresh had come out of it."""
        held: list[Extents] = []

        def has_passed() -> bool:
            if self._tails[topic].newest_ms <= since_ms:
                return False
            if not held:
                with topic_ends(self._settings) as ends:
                    held.append(ends.extents([topic]))
            return waiting(held[0], offsets()) == 0

        return has_passed

    def _landed(self) -> Any:
        checkpoint = read_checkpoint(hdfs(self._settings), self._settings.hdfs_path(*CHECKPOINT))
        return checkpoint.offsets if checkpoint else {}

    def _engine_offsets(self) -> Any:
        with closing(alerts_connection(self._settings, connect_timeout=2)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT partition_id, next_offset FROM consumer_offsets WHERE topic = %s", (DOCTORS_QUEUE,))
            return {DOCTORS_QUEUE: dict(cursor.fetchall())}

    def _is_mailed(self, since_ms: float) -> bool:
        """Whether the mailer has given on what was to be told since then; of this load, that is every few seconds."""
        with closing(alerts_connection(self._settings, connect_timeout=2)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM mailed JOIN notifications n USING (notification_id)"
                " WHERE mailed_at > %s AND n.created_at > %s AND n.ward = %s LIMIT 1",
                (round(since_ms), round(since_ms), ward_of(self._campaign)),
            )
            return cursor.fetchone() is not None


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except NOT_YET:
        return False
