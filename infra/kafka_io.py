"""Publishing a single message, for what is rare: technical alarms, replays from a command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from confluent_kafka import KafkaError, Message, Producer

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
