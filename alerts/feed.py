"""The engine's side of Kafka: messages from offsets that MySQL keeps, and the dead-letter topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from alerts.batch import Offsets, Record
from alerts.store import CONSUMER
from clinical.topics import DEAD_LETTER_HEADERS, dead_letter_topic
from infra.clients import kafka_config
from infra.errors import UnavailableError
from infra.log import get_logger
from infra.settings import Settings

KAFKA_TIMEOUT = 10.0
GATHER_SECONDS = 0.02
"""Once a message is there, wait this long for more of the same batch: far below what anyone reading mail can notice."""

log = get_logger("feed")


class Feed:
    """Reads committed messages of `topics`, all partitions, without a consumer group's rebalancing.

    Raises UnavailableError when the broker does not answer or a topic does not exist.
    """

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._topics = topics
        self._dead_letters = dead_letter_topic(CONSUMER)
        self._producer: Producer | None = None
        self._consumer = Consumer(
            kafka_config(
                settings,
                **{
                    "group.id": CONSUMER,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "earliest",
                    "isolation.level": "read_committed",
                    "topic.metadata.refresh.interval.ms": 30_000,
                },
            )
        )
        try:
            self._partitions = self._find_partitions()
        except BaseException:
            self._consumer.close()
            raise

    def partitions(self) -> list[tuple[str, int]]:
        """Every partition of the topics."""
        return self._partitions

    def start_at(self, offsets: Offsets) -> None:
        """Read from these offsets on; one that Kafka no longer has becomes the earliest that it has."""
        self._consumer.assign(
            [
                TopicPartition(topic, partition, offset or OFFSET_BEGINNING)
                for (topic, partition), offset in offsets.items()
            ]
        )

    def take(self, most: int, timeout: float) -> list[Record]:
        """Up to `most` messages; waits up to `timeout` seconds for the first of them. Empty when there was none."""
        first = self._consumer.consume(1, timeout)
        rest = self._consumer.consume(most - 1, GATHER_SECONDS) if first else []
        return [_record(message) for message in (*first, *rest) if self._usable(message)]

    def set_aside(self, malformed: Iterable[tuple[Record, str]]) -> None:
        """Put messages with the reason into the dead-letter topic, and wait until Kafka has them.

        The original bytes are the value, the original key the key; the headers are DEAD_LETTER_HEADERS. Raises
        UnavailableError when Kafka does not take them.
        """
        letters = list(malformed)
        if not letters:
            return
        if self._producer is None:
            self._producer = Producer(kafka_config(self._settings, **{"enable.idempotence": True}))
        failures: list[KafkaError] = []
        for record, reason in letters:
            self._producer.produce(
                self._dead_letters,
                key=record.key,
                value=record.value,
                headers=dead_letter_headers(record, reason),
                on_delivery=lambda error, _message: failures.append(error) if error else None,
            )
        if self._producer.flush(KAFKA_TIMEOUT) or failures:
            raise UnavailableError("Kafka", self._settings.bootstrap_servers, failures[:1] or "no answer")
        log.warning("messages could not be read", count=len(letters), first_reason=letters[0][1])

    def lag(self) -> int:
        """Messages that wait, as far as the last fetch told."""
        waiting = 0
        for position in self._consumer.position([TopicPartition(*partition) for partition in self._partitions]):
            _low, high = self._consumer.get_watermark_offsets(position, cached=True)
            if position.offset >= 0 and high > 0:
                waiting += max(0, high - position.offset)
        return waiting

    def close(self) -> None:
        """Leave Kafka; offsets are not written here."""
        self._consumer.close()

    def _find_partitions(self) -> list[tuple[str, int]]:
        found = []
        for topic in self._topics:
            try:
                metadata = self._consumer.list_topics(topic, timeout=KAFKA_TIMEOUT).topics[topic]
            except KafkaException as error:
                raise UnavailableError("Kafka", self._settings.bootstrap_servers, error.args[0].str()) from error
            if metadata.error or not metadata.partitions:
                raise UnavailableError("Kafka", self._settings.bootstrap_servers, f"there is no topic {topic}")
            found += [(topic, partition) for partition in sorted(metadata.partitions)]
        return found

    def _usable(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise UnavailableError("Kafka", self._settings.bootstrap_servers, error.str())
        log.warning("Kafka reports", reason=error.str())
        return False


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(topic, partition, offset, message.key(), message.value())


def dead_letter_headers(record: Record, reason: str) -> list[tuple[str, str | bytes | None]]:
    """Headers that say why a message was set aside and where it came from."""
    values = (reason, record.topic, str(record.partition), str(record.offset))
    return list(zip(DEAD_LETTER_HEADERS, values, strict=True))
