"""What detection published in a benchmark, read back by the times at which the broker appended it."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from infra.clients import kafka_config
from infra.errors import WardError
from infra.settings import Settings

POLL_SECONDS = 0.2
KAFKA_SECONDS = 30.0


@dataclass(frozen=True)
class Seen:
    """A breach. `inserted_at`: when its reading was sent, `appended_at`: when Kafka had the breach (epoch ms)."""

    source_id: str
    attribute: str
    inserted_at: int
    appended_at: int
    threshold_row: str
    alert_message: str

    @property
    def key(self) -> tuple[str, str]:
        return self.source_id, self.attribute

    @property
    def delay_ms(self) -> int:
        return self.appended_at - self.inserted_at


class BreachLog:
    """Everything in a topic of breaches since its beginning, in the order of each partition."""

    def __init__(self, settings: Settings, topic: str) -> None:
        config = {"group.id": uuid.uuid4().hex, "enable.auto.commit": False, "isolation.level": "read_committed"}
        self._consumer = Consumer(kafka_config(settings, **config))
        partitions = self._consumer.list_topics(topic, timeout=KAFKA_SECONDS).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        self.seen: list[Seen] = []

    def wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Read on until `done`. Raises WardError, saying that `what` did not come, after so many seconds."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise WardError(f"Detection did not publish {what} within {seconds:.0f} s.")
            self.read()

    def read(self) -> None:
        """Take what is there, or comes within a moment."""
        for message in self._consumer.consume(10_000, POLL_SECONDS):
            if message.error() is not None:
                raise KafkaException(message.error())
            breach = orjson.loads(message.value() or b"")
            self.seen.append(
                Seen(
                    breach["source_id"],
                    breach["attribute"],
                    breach["inserted_at"],
                    message.timestamp()[1],
                    breach["threshold_row"],
                    breach["alert_message"],
                )
            )

    def close(self) -> None:
        self._consumer.close()


def breach_log(settings: Settings, topic: str) -> closing[BreachLog]:
    """A BreachLog, closed at the end of the block."""
    return closing(BreachLog(settings, topic))


def require_exactly(seen: list[Seen], expected: set[tuple[str, str]], repeats_allowed: bool) -> None:
    """Raises WardError unless the breaches are those expected, by source id and attribute, each of them once."""
    counted = Counter(one.key for one in seen)
    missing, further = expected - counted.keys(), counted.keys() - expected
    if missing or further:
        example = next(iter(missing or further))
        raise WardError(
            f"Of {len(expected)} breaches detection missed {len(missing)} and published {len(further)} that are none, "
            f"for example {example}."
        )
    repeats = counted.total() - len(counted)
    if repeats and not repeats_allowed:
        raise WardError(f"Detection published {repeats} of {len(expected)} breaches again, though nothing was stopped.")
