"""Single messages out, whole topics in: for what is rare, such as technical alarms and dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from infra.checkpoints import Offsets
from infra.clients import kafka_config
from infra.errors import UnavailableError
from infra.settings import Settings


def publish(settings: Settings, topic: str, key: str, value: Mapping[str, Any], timeout_seconds: float = 10) -> None:
    """Publish one JSON message and wait until the broker has it; at least once.

    Raises UnavailableError when the broker does not take it within `timeout_seconds`.
    """
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    config = kafka_config(settings, **{"enable.idempotence": True, "message.timeout.ms": int(timeout_seconds * 1000)})
    producer = Producer(config)
    producer.produce(topic, key=key.encode(), value=orjson.dumps(value), on_delivery=delivered)
    waiting = producer.flush(timeout_seconds + 1)
    if waiting or failures:
        raise UnavailableError("Kafka", settings.bootstrap_servers, failures[0] if failures else "no answer")


def committed_messages(
    settings: Settings,
    topics: Iterable[str],
    since_ms: int | None = None,
    offsets: Offsets | None = None,
    timeout_seconds: float = 10,
) -> Iterator[Message]:
    """Every committed message that the topics hold now, each partition in order.

    From epoch ms `since_ms` on, if given; where `offsets` names one for a partition, from that on. Raises
    UnavailableError when there is no such topic or the broker says nothing for `timeout_seconds`.
    """
    config = {
        "group.id": "wardwatch-reader",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        # An offset that Kafka no longer has: what it still has counts, not nothing.
        "auto.offset.reset": "earliest",
        "log_level": 0,
    }
    with closing(Consumer(kafka_config(settings, **config))) as consumer:
        try:
            starts = list(_starts(consumer, topics, since_ms, timeout_seconds))
            for start in starts:
                start.offset = (offsets or {}).get(start.topic, {}).get(start.partition, start.offset)
            consumer.assign(starts)
            yield from _until_the_end(settings, consumer, len(starts), timeout_seconds)
        except KafkaException as error:
            raise UnavailableError("Kafka", settings.bootstrap_servers, error.args[0]) from error


def committed_keys(settings: Settings, topic: str) -> set[str]:
    """The keys of every committed message that the topic holds now. Raises UnavailableError."""
    return {key.decode() for message in committed_messages(settings, [topic]) if (key := message.key())}


def _starts(
    consumer: Any, topics: Iterable[str], since_ms: int | None, timeout_seconds: float
) -> Iterator[TopicPartition]:
    for topic in topics:
        found = consumer.list_topics(topic, timeout=timeout_seconds).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        numbers = sorted(found.partitions)
        if since_ms is None:
            yield from (TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers)
        else:
            times = [TopicPartition(topic, number, since_ms) for number in numbers]
            yield from consumer.offsets_for_times(times, timeout=timeout_seconds)


def _until_the_end(settings: Settings, consumer: Any, partitions: int, timeout_seconds: float) -> Iterator[Message]:
    ended: set[tuple[str | None, int | None]] = set()
    deadline = time.monotonic() + timeout_seconds
    while len(ended) < partitions:
        messages = consumer.consume(num_messages=1000, timeout=1)
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add((message.topic(), message.partition()))
            else:
                raise KafkaException(error)
        if messages:
            deadline = time.monotonic() + timeout_seconds
        elif time.monotonic() > deadline:
            raise UnavailableError("Kafka", settings.bootstrap_servers, f"no answer within {timeout_seconds:.0f} s")
