"""One Kafka consumer for all open pages: readings and scores, as they are committed.

It belongs to no group and commits nothing: each start looks back in time far enough to know what the page showed
before. Whatever is read again changes nothing.
"""

from __future__ import annotations

import threading
import time

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from alerts.bedside import Seen, read_derived, read_reading
from clinical.topics import DERIVED_VITALS, VITAL_INFO
from dashboard.live.patient import KEPT_MS
from dashboard.live.state import LiveState
from infra.clients import kafka_config
from infra.errors import UnavailableError
from infra.log import get_logger
from infra.settings import Settings

TOPICS = (VITAL_INFO, DERIVED_VITALS)
POLL_SECONDS = 0.2
BATCH = 1000
KAFKA_SECONDS = 5.0
AGAIN_SECONDS = 2.0
LOOK_BACK_MS = KEPT_MS + 60_000
CATCH_UP_SECONDS = 60.0
"""A partition that has not been read to its end by then, as one without a leader, holds the page up no more."""

AWAY = "Kafka cannot be read at the moment: the values here are the last that came."

log = get_logger("ward-page")


def follow(settings: Settings, live: LiveState, stop: threading.Event) -> None:
    """Fill `live` until `stop` is set; while the broker is away it goes on asking, and after the clock was set back it
    begins again."""
    set_back = 0.0
    while not stop.is_set():
        consumer = _consumer(settings)
        try:
            reader = _Reader(settings, live, consumer, set_back)
            while not stop.is_set():
                if set_back := reader.read():
                    log.warning("the clock was set back: the live feed begins again", seconds=round(set_back))
                    break
        except (UnavailableError, KafkaException) as error:
            live.set_problem("kafka", AWAY)
            set_back += live.take(())  # the clock may be set back now as well
            live.caught_up()  # nothing more is to be had now: beds and alarms are shown all the same
            log.warning("the live feed begins again", reason=str(error))
            stop.wait(AGAIN_SECONDS)
        finally:
            consumer.close()


class _Reader:
    """One consumer's life. Raises UnavailableError or KafkaException when another must begin.

    `set_back`: by how many seconds the clock was just now. What was sent before has times of the clock as it was, and
    no more of it is read than otherwise.
    """

    def __init__(self, settings: Settings, live: LiveState, consumer: Consumer, set_back: float) -> None:
        self._settings = settings
        self._live = live
        self._consumer = consumer
        self._until = time.monotonic() + CATCH_UP_SECONDS
        starts = self._starts(round((live.clock() + set_back) * 1000) - LOOK_BACK_MS)
        self._behind = {(start.topic, start.partition) for start in starts}
        consumer.assign(starts)

    def read(self) -> float:
        """Take what has come; waits shortly for something. Not 0: another must begin, see `LiveState.take`."""
        seen: list[Seen] = []
        for message in self._consumer.consume(BATCH, POLL_SECONDS):
            error = message.error()
            if error is not None:
                self._told(message, error)
            elif (one := read(message, self._settings)) is not None:
                seen.append(one)
        if seen:
            self._live.set_problem("kafka", None)
        if set_back := self._live.take(seen):
            return set_back
        if self._behind and time.monotonic() > self._until:
            self._behind.clear()
        if not self._behind:
            self._live.caught_up()
        return 0.0

    def _starts(self, since: int) -> list[TopicPartition]:
        asked = []
        for topic in TOPICS:
            metadata = self._consumer.list_topics(topic, KAFKA_SECONDS).topics[topic]
            if metadata.error or not metadata.partitions:
                raise UnavailableError("Kafka", self._settings.bootstrap_servers, f"there is no topic {topic}")
            asked += [TopicPartition(topic, partition, since) for partition in metadata.partitions]
        found = self._consumer.offsets_for_times(asked, KAFKA_SECONDS)
        return [
            TopicPartition(one.topic, one.partition, one.offset if one.offset >= 0 else OFFSET_END) for one in found
        ]

    def _told(self, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._live.set_problem("kafka", None)
            self._behind.discard((str(message.topic()), int(message.partition() or 0)))
        elif error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise UnavailableError("Kafka", self._settings.bootstrap_servers, error.str())
        else:
            self._live.set_problem("kafka", AWAY)
            log.warning("Kafka reports", reason=error.str())


def read(message: Message, settings: Settings) -> Seen | None:
    """What a message says; None: nothing that can be shown."""
    timestamp = message.timestamp()[1]
    if message.topic() == DERIVED_VITALS:
        return read_derived(message.value(), timestamp)
    return read_reading(message.value(), timestamp, settings.readings)


def _consumer(settings: Settings) -> Consumer:
    return Consumer(
        kafka_config(
            settings,
            **{
                "group.id": "ward-page",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "latest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            },
        )
    )
