"""How far a reader of Kafka is behind the end of its topics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.checkpoints import Offsets
from infra.clients import kafka_config
from infra.errors import UnavailableError
from infra.settings import Settings

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Extent:
    """What a partition holds: offsets `first` to `end`, `end` not included. Transaction markers take offsets too."""

    first: int
    end: int


Extents = Mapping[str, Mapping[int, Extent]]
"""Topic -> partition -> what it holds."""


def waiting(extents: Extents, offsets: Offsets) -> int:
    """Records at and after the next offsets to read; all of a partition that is not among them. Pure."""
    return sum(
        max(0, extent.end - offsets.get(topic, {}).get(partition, extent.first))
        for topic, partitions in extents.items()
        for partition, extent in partitions.items()
    )


class TopicEnds:
    """Asks for the extents of topics over one connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        config = kafka_config(settings, **{"group.id": "wardwatch-lag", "enable.auto.commit": False, "log_level": 0})
        self._consumer = Consumer(config)

    def extents(self, topics: Iterable[str]) -> Extents:
        """What each partition holds for a reader of committed messages now.

        Raises UnavailableError when Kafka does not answer or has no such topic.
        """
        try:
            return {topic: self._partitions(topic) for topic in topics}
        except KafkaException as error:
            raise UnavailableError("Kafka", self._settings.bootstrap_servers, error) from error

    def _partitions(self, topic: str) -> dict[int, Extent]:
        found = self._consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return {
            partition: Extent(*self._consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT_SECONDS))
            for partition in found.partitions
        }

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
