"""Readings at a steady rate, from a process of its own: python -m bench.traffic TOPIC RATE FIRST END

It sends the readings FIRST to END (not included), RATE of them a second, each stamped when it is handed to the Kafka
client. What falls behind the clock is sent as soon as possible. At the end it prints, as JSON, how many these were, how
long it took, and how far it was behind the clock when it handed over the last; `held` reads it.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict

from confluent_kafka import KafkaError, Message, Producer

from bench.held import Held
from bench.messages import Messages
from infra.clients import kafka_config
from infra.errors import WardError
from infra.settings import Settings, load_settings

TICK_SECONDS = 0.002
FLUSH_SECONDS = 30.0


def own_producer(settings: Settings, **extra: object) -> Producer:
    """A client that spreads and compresses messages as the producer of readings does."""
    config = {"compression.type": "lz4", "partitioner": "murmur2_random", "enable.idempotence": True, "log_level": 0}
    return Producer(kafka_config(settings, **{**config, **extra}))


def send(settings: Settings, topic: str, rate: int, numbers: range) -> Held:
    """Send these readings, `rate` a second. Raises WardError when Kafka did not take all of them."""
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = own_producer(settings, **{"linger.ms": 1, "on_delivery": delivered})
    messages = Messages()
    sent, begun = 0, time.monotonic()
    while sent < len(numbers):
        passed = time.monotonic() - begun
        due = min(int(passed * rate), len(numbers))
        if due > sent:
            at = time.time_ns() // 1_000_000
            for number in numbers[sent:due]:
                key, value = messages.of(number, at)
                producer.produce(topic, value, key)
            sent = due
        producer.poll(0)
        time.sleep(TICK_SECONDS)
    seconds = time.monotonic() - begun
    if producer.flush(FLUSH_SECONDS) or failures:
        raise WardError(f"Kafka did not take all readings: {failures[0] if failures else 'no answer'}.")
    return Held(rate, sent, seconds, seconds - sent / rate)


def held(logged: str) -> Held:
    """What the process says at its end, given all that it logged."""
    return Held(**json.loads(logged.splitlines()[-1]))


def main(topic: str, rate: str, first: str, end: str) -> None:
    """Command line."""
    print(json.dumps(asdict(send(load_settings(), topic, int(rate), range(int(first), int(end))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
