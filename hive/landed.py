"""Whether everything that MySQL took in during some hour has reached Hive."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_fixed

from clinical.tables import VITAL_READINGS
from clinical.topics import VITAL_INFO
from infra.checkpoints import Offsets, read_checkpoint
from infra.clients import hdfs, kafka_config
from infra.errors import UnavailableError, WardError
from infra.kafka_io import committed_messages
from infra.lag import TIMEOUT_SECONDS, Extent, Extents, topic_ends, waiting
from infra.settings import Settings

POLL_SECONDS = 2.0
CHECKPOINT = ("checkpoints", "land-vitals", VITAL_READINGS.name)
NEWEST_CURSORS = 2000
"""How many offsets from its end the cursor topic is read first; only the last cursor of our table counts."""


class NotYetLandedError(WardError):
    """Rows of that time may still be on their way; asking again later may succeed."""


class ProducerPosition(NamedTuple):
    """The producer has read every id up to `cursor`, except those in `gaps` (first and last id), which it waits for."""

    cursor: int
    gaps: list[tuple[int, int]]


def wait_until_landed(settings: Settings, end: datetime, ids: tuple[int, int] | None, wait_seconds: float) -> None:
    """Return once every row inserted before `end` with an id in `ids` (lowest, highest; None: no row) has landed.

    That is: the window for late commits has passed, the producer has read these ids and waits for none of them, and
    landing has committed what Kafka held at that moment. Raises NotYetLandedError when that is not so within
    `wait_seconds`; UnavailableError when Kafka or HDFS is away.
    """
    wait_for = _waiting(wait_seconds)
    wait_for(lambda: _require_window_passed(settings, end))
    if ids is not None:
        lowest, highest = ids
        wait_for(lambda: _require_read(read_producer_position(settings), lowest, highest))
    with topic_ends(settings) as ends:
        extents = ends.extents([VITAL_INFO])
    wait_for(lambda: _require_passed(settings, CHECKPOINT, extents, "land-vitals"))


def wait_until_passed(
    settings: Settings, checkpoint: Sequence[str], topics: Sequence[str], stream: str, wait_seconds: float
) -> None:
    """Return once the query of that checkpoint (below `hadoop.warehouse`) has committed what the topics hold now.

    Raises NotYetLandedError, naming `stream`, when it has not within `wait_seconds`; UnavailableError when Kafka or
    HDFS is away.
    """
    with topic_ends(settings) as ends:
        extents = ends.extents(topics)
    _waiting(wait_seconds)(lambda: _require_passed(settings, checkpoint, extents, stream))


def _waiting(seconds: float) -> Callable[[Callable[[], None]], None]:
    """Runs checks again while they raise NotYetLandedError, all of them for `seconds` in all."""
    give_up_at = time.monotonic() + seconds

    def wait_for(check: Callable[[], None]) -> None:
        def stop(_state: RetryCallState) -> bool:
            return time.monotonic() >= give_up_at

        Retrying(
            retry=retry_if_exception_type(NotYetLandedError), stop=stop, wait=wait_fixed(POLL_SECONDS), reraise=True
        )(check)

    return wait_for


def read_producer_position(settings: Settings) -> ProducerPosition:
    """How far the producer of `source.table` has read. Raises NotYetLandedError when it never has, UnavailableError."""
    topic = settings.producer.cursor_topic
    with topic_ends(settings) as ends:
        extents = ends.extents([topic])[topic]
    newest = {p: Extent(max(extent.first, extent.end - NEWEST_CURSORS), extent.end) for p, extent in extents.items()}
    key = settings.source.table.encode()
    for part in (newest, extents):
        for number, extent in part.items():
            raw = _last_value(settings, number, extent, key)
            if raw is not None:
                message = orjson.loads(raw)
                return ProducerPosition(message["cursor"], [(first, last) for first, last, *_ in message["gaps"]])
    raise NotYetLandedError(f"The producer has not read {settings.source.table} yet. Is vitals-producer running?")


def _require_window_passed(settings: Settings, end: datetime) -> None:
    closes = end + timedelta(seconds=settings.producer.late_commit_window_seconds)
    if datetime.now(UTC) < closes:
        raise NotYetLandedError(
            f"Rows inserted before {end:%Y-%m-%d %H:%M:%S} UTC may be committed until {closes:%Y-%m-%d %H:%M:%S} UTC: "
            "audit them after that."
        )


def _require_read(position: ProducerPosition, lowest: int, highest: int) -> None:
    if position.cursor < highest:
        raise NotYetLandedError(
            f"The producer has read up to id {position.cursor}; the interval goes up to id {highest}. "
            "Is vitals-producer running? See `./ward status`."
        )
    for first, last in position.gaps:
        if first <= highest and last >= lowest:
            raise NotYetLandedError(f"The producer still waits for the ids {first} to {last}, which it skipped.")


def _require_passed(settings: Settings, path: Sequence[str], extents: Extents, stream: str) -> None:
    checkpoint = read_checkpoint(hdfs(settings), settings.hdfs_path(*path))
    offsets = checkpoint.offsets if checkpoint else {}
    left = waiting(extents, offsets)
    if left and _holds_records(settings, extents, offsets):
        raise NotYetLandedError(
            f"{left} messages of {', '.join(extents)} are not worked off yet. Is {stream} running? See `./ward status`."
        )


def _holds_records(settings: Settings, extents: Extents, offsets: Offsets) -> bool:
    """Whether what is left are records: the end of a transaction takes an offset, too, which real-time mode never
    passes."""
    return any(
        (message.offset() or 0) < extents[message.topic() or ""][message.partition() or 0].end
        for message in committed_messages(settings, extents, offsets=offsets)
    )


def _last_value(settings: Settings, partition: int, extent: Extent, key: bytes) -> bytes | None:
    """The last committed value of a key in a part of the cursor topic."""
    config = {"group.id": "wardwatch-lag", "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 0}
    topic = settings.producer.cursor_topic
    consumer = Consumer(kafka_config(settings, **config))
    try:
        consumer.assign([TopicPartition(topic, partition, extent.first)])
        last: bytes | None = None
        while True:
            message = consumer.poll(TIMEOUT_SECONDS)
            if message is None:
                raise UnavailableError("Kafka", settings.bootstrap_servers, f"no answer while reading {topic}")
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return last
                raise KafkaException(error)
            if message.key() == key:
                last = message.value()
    except KafkaException as error:
        raise UnavailableError("Kafka", settings.bootstrap_servers, error) from error
    finally:
        consumer.close()
