"""How far a reader of Kafka is behind the end of its topics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.checkpoints import Offsets
from infra.clients import kafka_config
from infra.errors import UnavailableError
from infra.settings import Settings

TIMEOUT_SECONDS = 10.0


class TopicEnds:
    """Asks for the ends of topics over one connection. Offsets count transaction markers too, as Spark's do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = Consumer(kafka_config(settings, **{"group.id": "wardwatch-lag", "enable.auto.commit": False}))

    def beginnings_and_ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """Partition -> (first offset that Kafka still has, offset after the last one that a committed reader sees).

        Raises UnavailableError when Kafka does not answer or has no such topic.
        """
        try:
            found = self._consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
            return {
                partition: self._consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT_SECONDS)
                for partition in found.partitions
            }
        except KafkaException as error:
            raise UnavailableError("Kafka", self._settings.bootstrap_servers, error) from error

    def waiting(self, topics: Iterable[str], offsets: Offsets) -> int:
        """Records of `topics` at and after the next offsets to read; all of a partition that is not among them."""
        waiting = 0
        for topic in topics:
            read = offsets.get(topic, {})
            for partition, (beginning, end) in self.beginnings_and_ends(topic).items():
                waiting += max(0, end - read.get(partition, beginning))
        return waiting

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def topic_ends(settings: Settings) -> Iterator[TopicEnds]:
    """A TopicEnds, closed at the end."""
    ends = TopicEnds(settings)
    try:
        yield ends
    finally:
        ends.close()
