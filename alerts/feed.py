"""The engine's side of Kafka: messages of several topics, level with each other, and the dead-letter topic."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from alerts.batch import Offsets, Record
from alerts.level import Level
from alerts.store import CONSUMER
from clinical.topics import CUT, DEAD_LETTER_HEADERS, LETTER_KEY_BYTES, LETTER_VALUE_BYTES, dead_letter_topic
from infra.clients import kafka_config
from infra.errors import UnavailableError
from infra.log import get_logger
from infra.settings import Settings

KAFKA_TIMEOUT = 10.0
GATHER_SECONDS = 0.1
"""Once a message is there, wait this long for more of the same batch: far below what anyone reading mail can notice."""

MUTE_SECONDS = 10.0
"""A partition that is behind and gives nothing for so long, as one without a leader, holds nobody up any more."""

AHEAD_MAX = 20_000
"""Records of one partition that may wait for the other partitions; then it is not read on."""

FIRST_AWAY_MS, LONGEST_AWAY_MS = 60_000, 45 * 86_400_000

log = get_logger("feed")


class Feed:
    """Reads committed messages of `topics`, all partitions, without a consumer group's rebalancing.

    Raises UnavailableError when the broker does not answer or a topic does not exist.
    """

    def __init__(self, settings: Settings, topics: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._heard: dict[tuple[str, int], float] = {}
        self._told_mute: set[tuple[str, int]] = set()
        self._asked_at = clock()
        self._topics = topics
        self._dead_letters = dead_letter_topic(CONSUMER)
        self._producer: Producer | None = None
        self._starts: Offsets = {}
        self._at_end: set[tuple[str, int]] = set()
        self._ended: set[tuple[str, int]] = set()
        self._held_back: set[tuple[str, int]] = set()
        self._consumer = Consumer(
            kafka_config(
                settings,
                **{
                    "group.id": CONSUMER,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "error",
                    "isolation.level": "read_committed",
                    "enable.partition.eof": True,
                    "topic.metadata.refresh.interval.ms": 30_000,
                },
            )
        )
        try:
            self._partitions = self._find_partitions()
        except BaseException:
            self._consumer.close()
            raise
        self._level = Level(self._partitions)

    def partitions(self) -> list[tuple[str, int]]:
        """Every partition of the topics."""
        return self._partitions

    def extents(self) -> dict[tuple[str, int], tuple[int, int]]:
        """The first offset that each partition still has, and the next it will give. Raises UnavailableError."""
        with self._unavailable():
            return {
                partition: self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=KAFKA_TIMEOUT)
                for partition in self._partitions
            }

    def start_at(
        self, offsets: Offsets, back: Mapping[str, int] | None = None, most_back: int = 0, now: int = 0
    ) -> None:
        """Read from these offsets on; one that Kafka no longer has becomes the earliest that it has.

        Of the topics in `back`, what came in so many ms before the offset was reached is read once more, at most
        `most_back` records of each partition; `now`: epoch ms. Raises UnavailableError.
        """
        self._starts = dict(offsets)
        with self._unavailable():
            for key, first in self._before(offsets, back or {}, now).items():
                self._starts[key] = max(first, offsets[key] - most_back, 0)
        for key, (low, _) in self.extents().items():
            self._starts[key] = max(self._starts[key], low)
        self._level = Level(self._partitions)
        self._heard = dict.fromkeys(self._partitions, self._clock())
        self._consumer.assign([TopicPartition(*key, at or OFFSET_BEGINNING) for key, at in self._starts.items()])

    def _before(self, offsets: Offsets, back: Mapping[str, int], now: int) -> Offsets:
        """Where to begin, so that what came in that time before each offset is read: not later, and not much earlier.

        How long ago the offset was reached nobody has noted: it is asked for in steps that double.
        """
        starts = {key: 0 for key in offsets if key[0] in back}
        left, away = {key for key in starts if offsets[key]}, FIRST_AWAY_MS
        while left and away <= LONGEST_AWAY_MS:
            reached = {key for key, at in self._at(dict.fromkeys(left, now - away)).items() if 0 <= at < offsets[key]}
            starts |= self._at({key: now - away - back[key[0]] for key in reached})
            left -= reached
            away *= 2
        return starts

    def _at(self, times: Mapping[tuple[str, int], int]) -> Offsets:
        """The first offset of each partition at or after that time; below 0: there is none."""
        asked = [TopicPartition(*key, time_) for key, time_ in times.items()]
        answers = self._consumer.offsets_for_times(asked, timeout=KAFKA_TIMEOUT) if asked else []
        return {(found.topic, found.partition): found.offset for found in answers}

    def take(self, most: int, timeout: float) -> list[Record]:
        """Up to `most` messages that no other partition can bring older ones than, in the order of their timestamps.

        Waits up to `timeout` seconds for the first of them. Empty when there was none.
        """
        self._excuse_ourselves()
        first = self._consumer.consume(1, timeout)
        rest = self._consumer.consume(most - 1, GATHER_SECONDS) if first else []
        self._level.add(_record(message) for message in (*first, *rest) if self._usable(message))
        self._ended = {partition for partition, behind in self._behind().items() if not behind}
        mute = self._mute() - self._ended
        if mute - self._told_mute:
            log.error("partitions cannot be read; the others go on without them", partitions=sorted(mute))
        self._told_mute = mute
        self._ended |= mute
        released = self._level.release(self._ended, most)
        self._hold_back()
        return released

    def is_level(self) -> bool:
        """Whether everything that was published has been taken, as far as the last fetch told."""
        return self._level.is_empty and len(self._ended) == len(self._partitions)

    def set_aside(self, malformed: Iterable[tuple[Record, str]]) -> None:
        """Put messages with the reason into the dead-letter topic, and wait until Kafka has them.

        The original bytes are the value, the original key the key, cut where Kafka's client would refuse them; the
        headers are DEAD_LETTER_HEADERS and CUT. Raises UnavailableError when Kafka does not take them.
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
                key=record.key and record.key[:LETTER_KEY_BYTES],
                value=record.value and record.value[:LETTER_VALUE_BYTES],
                headers=dead_letter_headers(record, reason),
                on_delivery=lambda error, _message: failures.append(error) if error else None,
            )
        if self._producer.flush(KAFKA_TIMEOUT) or failures:
            raise UnavailableError("Kafka", self._settings.bootstrap_servers, failures[:1] or "no answer")
        log.warning("messages could not be read", count=len(letters), first_reason=letters[0][1])

    def lag(self) -> int:
        """Messages that wait, as far as the last fetch told."""
        waiting = sum(self._level.waiting(partition) for partition in self._partitions)
        return waiting + sum(self._behind().values())

    def close(self) -> None:
        """Leave Kafka; offsets are not written here."""
        self._consumer.close()

    def _behind(self) -> dict[tuple[str, int], int]:
        """How many messages of each partition have not been fetched, as far as the last fetch told.

        The end of a transaction is a message that is never delivered, so that 1 means none; where more of them or an
        aborted transaction stand last, only Kafka's word that the partition has ended tells.
        """
        found = dict.fromkeys(self._partitions, 0)
        for position in self._consumer.position([TopicPartition(*partition) for partition in self._partitions]):
            partition = (position.topic, position.partition)
            low, high = self._consumer.get_watermark_offsets(position, cached=True)
            reached = position.offset if position.offset >= 0 else max(self._starts.get(partition, 0), low)
            if partition in self._at_end:
                continue
            if high < 0:
                found[partition] = 1  # not fetched yet
            elif high - reached > 1:
                found[partition] = high - reached
        return found

    def _excuse_ourselves(self) -> None:
        """After a pause of our own no partition is mute: it was not asked."""
        now = self._clock()
        if now - self._asked_at > MUTE_SECONDS / 2:
            self._heard = dict.fromkeys(self._partitions, now)
        self._asked_at = now

    def _mute(self) -> set[tuple[str, int]]:
        """Partitions that should have more and give nothing: order matters less than the alarms of all others."""
        now = self._clock()
        return {
            partition
            for partition, heard in self._heard.items()
            if now - heard > MUTE_SECONDS and partition not in self._held_back and not self._level.waiting(partition)
        }

    def _hold_back(self) -> None:
        """Do not read on where too much waits for other partitions."""
        full = {partition for partition in self._partitions if self._level.waiting(partition) > AHEAD_MAX}
        if full - self._held_back:
            self._consumer.pause([TopicPartition(*partition) for partition in full - self._held_back])
        if self._held_back - full:
            self._consumer.resume([TopicPartition(*partition) for partition in self._held_back - full])
        self._held_back = full

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise UnavailableError("Kafka", self._settings.bootstrap_servers, error.args[0].str()) from error

    def _find_partitions(self) -> list[tuple[str, int]]:
        found = []
        for topic in self._topics:
            with self._unavailable():
                metadata = self._consumer.list_topics(topic, timeout=KAFKA_TIMEOUT).topics[topic]
            if metadata.error or not metadata.partitions:
                raise UnavailableError("Kafka", self._settings.bootstrap_servers, f"there is no topic {topic}")
            found += [(topic, partition) for partition in sorted(metadata.partitions)]
        return found

    def _usable(self, message: Message) -> bool:
        error = message.error()
        partition = (str(message.topic()), int(message.partition() or 0))
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            self._heard[partition] = self._clock()
        if error is None:
            self._at_end.discard(partition)
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            self._at_end.add(partition)
            return False
        # Kafka no longer has what comes next: `start_at` goes on, after a start that notices it.
        is_over = error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._AUTO_OFFSET_RESET)
        if error.fatal() or is_over:
            raise UnavailableError("Kafka", self._settings.bootstrap_servers, error.str())
        log.warning("Kafka reports", reason=error.str())
        return False


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(topic, partition, offset, message.timestamp()[1], message.key(), message.value())


def dead_letter_headers(record: Record, reason: str) -> list[tuple[str, str | bytes | None]]:
    """Headers that say why a message was set aside, where it came from, and whether it is cut."""
    values = (reason, record.topic, str(record.partition), str(record.offset))
    key, value = len(record.key or b""), len(record.value or b"")
    cut = str(key + value) if key > LETTER_KEY_BYTES or value > LETTER_VALUE_BYTES else ""
    return [*zip(DEAD_LETTER_HEADERS, values, strict=True), (CUT, cut)]
