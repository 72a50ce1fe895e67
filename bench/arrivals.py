"""When rows become readable on a topic, for a consumer that reads committed messages only, and whether all did."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from infra.clients import kafka_config
from infra.errors import WardError
from infra.kafka_io import committed_messages
from infra.settings import Settings

METADATA_SECONDS = 10.0
POLL_SECONDS = 0.2


class Arrivals:
    """The ids that have arrived so far and when each first did, on the clock of `time.perf_counter`."""

    def __init__(self, consumer: Consumer, id_of: Callable[[bytes], int]) -> None:
        self._consumer = consumer
        self._id_of = id_of
        self._stop = threading.Event()
        self._error: KafkaException | None = None
        self._thread = threading.Thread(target=self._read, name="arrivals", daemon=True)
        self.at: dict[int, float] = {}

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no longer. Raises WardError when Kafka failed meanwhile."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()
        if self._error is not None:
            raise WardError(f"The topic could not be read: {self._error}") from self._error

    def _read(self) -> None:
        try:
            while not self._stop.is_set():
                # One at a time: a call for many waits until there are many.
                message = self._consumer.poll(POLL_SECONDS)
                if message is None:
                    continue
                if message.error() is not None:
                    raise KafkaException(message.error())
                now = time.perf_counter()
                self.at.setdefault(self._id_of(message.value() or b""), now)
        except KafkaException as error:
            self._error = error


@contextmanager
def arrivals(settings: Settings, topic: str, id_of: Callable[[bytes], int]) -> Iterator[Arrivals]:
    """Listens to all of the topic within the block."""
    config = {"group.id": topic, "isolation.level": "read_committed", "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(kafka_config(settings, **config))
    partitions = consumer.list_topics(topic, timeout=METADATA_SECONDS).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    listening = Arrivals(consumer, id_of)
    listening.start()
    try:
        yield listening
    finally:
        listening.stop()


def ids_on(settings: Settings, topic: str, id_of: Callable[[bytes], int]) -> Iterator[int]:
    """The ids of all committed messages that the topic holds. Raises UnavailableError."""
    return (id_of(message.value() or b"") for message in committed_messages(settings, [topic]))


def require_each_once(expected: Iterable[int], found: Iterable[int]) -> None:
    """Raises WardError, with how many and the first of them, unless each expected id was found exactly once."""
    wanted, counts = set(expected), Counter(found)
    wrong = {
        "did not arrive": wanted - counts.keys(),
        "arrived more than once": {one for one, times in counts.items() if times > 1},
        "arrived though nobody wrote them": counts.keys() - wanted,
    }
    said = [f"{len(ids)} rows {what}, the first with id {min(ids)}" for what, ids in wrong.items() if ids]
    if said:
        raise WardError(f"Of {len(wanted)} rows: {'; '.join(said)}.")
