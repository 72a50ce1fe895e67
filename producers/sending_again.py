"""Sending something once more: rows that an audit missed, dead letters after a fix. Each of them once.

What is sent and the note that it was sent (in the compacted topic `sent-again`) go out in one Kafka transaction. So a
crash leaves both or neither, and asking again sends nothing twice; a second sender at the same time is fenced. Notes
are kept for `retention.sent_again_days`, and as long as dead letters: what was sent by then has long been landed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from confluent_kafka import KafkaException, Producer

from clinical.topics import SENT_AGAIN
from infra.clients import kafka_config
from infra.errors import UnavailableError
from infra.kafka_io import committed_keys
from infra.settings import Settings

TIMEOUT_SECONDS = 30.0
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""More than a topic takes: what came out of Kafka must not be too large for its client on the way back."""

TRANSACTIONAL_ID = "wardwatch-sending-again"


@dataclass(frozen=True)
class Item:
    """A message to send. `name` says what it is for good: two items of one name are the same, and one is sent."""

    name: str
    topic: str
    key: bytes | None
    value: bytes | None


class Sent(NamedTuple):
    """Names of what was sent now, and of what had been sent before."""

    now: list[str]
    before: list[str]


def sent_before(settings: Settings) -> set[str]:
    """Names of everything that was sent again and is still noted. Raises UnavailableError."""
    return committed_keys(settings, SENT_AGAIN)


def send_again(settings: Settings, items: Sequence[Item]) -> Sent:
    """Send those items that were not sent again before, all or none of them.

    Messages of one key keep their order. Raises UnavailableError when Kafka did not take them, or when another sender
    took over meanwhile: all of it was sent then or nothing, and asking again is safe.
    """
    config = {
        "transactional.id": TRANSACTIONAL_ID,
        "compression.type": "lz4",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "partitioner": "murmur2_random",
        "log_level": 0,
    }
    producer = Producer(kafka_config(settings, **config))
    try:
        # This ends what another sender has under way, so that what is read afterwards is all there is.
        producer.init_transactions(TIMEOUT_SECONDS)
        known = sent_before(settings)
        fresh = {item.name: item for item in items if item.name not in known}
        if fresh:
            producer.begin_transaction()
            for item in fresh.values():
                _produce(producer, item.topic, item.key, item.value)
                note = orjson.dumps({"topic": item.topic, "at": time.time_ns() // 1_000_000})
                _produce(producer, SENT_AGAIN, item.name.encode(), note)
            producer.commit_transaction(TIMEOUT_SECONDS)
    except KafkaException as error:
        # Left open, the transaction would keep every reader of the topic waiting until it times out.
        with suppress(KafkaException):
            producer.abort_transaction(TIMEOUT_SECONDS)
        raise UnavailableError("Kafka", settings.bootstrap_servers, error.args[0].str()) from error
    finally:
        producer.purge()
    return Sent(list(fresh), [item.name for item in items if item.name in known])


def _produce(producer: Producer, topic: str, key: bytes | None, value: bytes | None) -> None:
    while True:
        try:
            producer.produce(topic, key=key, value=value)
            return
        except BufferError:
            producer.poll(0.1)
