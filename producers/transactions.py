"""Readings and cursor in one Kafka transaction: the log that the producer appends to and restarts from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from infra.clients import kafka_config
from infra.errors import ConfigurationError, SingleInstanceError, UnavailableError, WardError
from infra.settings import Settings
from producers.bootstrap import MAX_CURSOR_BYTES
from producers.encoding import Message

CALL_TIMEOUT_SECONDS = 10.0
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED)

log = structlog.get_logger(part="vitals-producer")


class TransactionAborted(Exception):
    """The transaction was given up; a read_committed consumer sees nothing of it. Load the cursor and go on."""


class ReadingLog:
    """The two topics, written by transactions under one transactional id.

    `open` fences every older producer with the same id and ends the transaction that it left. A crash at any point
    leaves either the whole of a transaction or nothing of it. Messages of one key keep their order within a
    partition; keys are spread as Java clients and Spark do.
    """

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._settings = settings
        self._readings_topic = settings.producer.readings_topic
        self._cursor_topic = settings.producer.cursor_topic
        self._source_key = settings.source.table.encode()
        self._stop = stop
        self._producer: Producer | None = None

    def open(self) -> None:
        """Begin to be the one producer. May be called again, for a fresh start after a fatal error.

        Raises UnavailableError when the broker does not answer, ConfigurationError when a topic is missing.
        """
        self.close()
        producer = Producer(self._config())
        try:
            existing = producer.list_topics(timeout=CALL_TIMEOUT_SECONDS).topics
            for topic in (self._readings_topic, self._cursor_topic):
                if topic not in existing:
                    raise ConfigurationError(
                        f"Kafka at {self._settings.bootstrap_servers} has no topic {topic}: `./ward up` creates it."
                    )
            producer.init_transactions(CALL_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from error
        self._producer = producer

    def close(self) -> None:
        """Let go of the producer; messages of an open transaction are dropped, and the next `open` aborts it."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def load_cursor(self) -> bytes | None:
        """The last committed cursor of this source table, None when there is none.

        Raises UnavailableError when the broker does not answer, ConfigurationError when the topics hold the readings of
        another table: by their ids everything behind knows what it has seen, and this table may repeat them.
        """
        consumer = Consumer(
            kafka_config(
                self._settings,
                **{
                    "group.id": "wardwatch-vitals-producer",
                    "isolation.level": "read_committed",
                    "enable.partition.eof": True,
                    "enable.auto.commit": False,
                    "fetch.message.max.bytes": MAX_CURSOR_BYTES,
                    "log_level": 0,
                },
            )
        )
        try:
            metadata = consumer.list_topics(self._cursor_topic, timeout=CALL_TIMEOUT_SECONDS)
            waiting = set(metadata.topics[self._cursor_topic].partitions)
            consumer.assign([TopicPartition(self._cursor_topic, number, OFFSET_BEGINNING) for number in waiting])
            return self._last_cursor(consumer, waiting)
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from error
        finally:
            consumer.close()

    def _last_cursor(self, consumer: Any, waiting: set[int]) -> bytes | None:
        last: bytes | None = None
        other: bytes | None = None
        deadline = time.monotonic() + CALL_TIMEOUT_SECONDS
        while waiting:
            messages = consumer.consume(num_messages=1000, timeout=1)
            for message in messages:
                error = message.error()
                if error is None:
                    if message.key() == self._source_key:
                        last = message.value()
                    else:
                        other = message.key()
                elif error.code() == KafkaError._PARTITION_EOF:
                    waiting.discard(message.partition())
                else:
                    raise KafkaException(error)
            if messages:
                deadline = time.monotonic() + CALL_TIMEOUT_SECONDS
            elif time.monotonic() > deadline:
                raise self._unavailable(f"no answer while reading {self._cursor_topic}")
        if last is None and other is not None:
            raise ConfigurationError(
                f"{self._cursor_topic} belongs to {other.decode('utf-8', 'replace')}, whose ids "
                f"{self._settings.source.table} may repeat, and an id means one reading for good: begin with a state "
                "directory (state_dir) or Kafka, HDFS and alerts database of their own."
            )
        return last

    def write(self, messages: Sequence[Message], cursor: bytes) -> None:
        """Append `messages` and the cursor, all or nothing; waits for a broker that is away until `stop` is set.

        Raises TransactionAborted when nothing of it was written, or when `stop` was set meanwhile (its fate is then
        settled by the next `open`); SingleInstanceError when another producer has taken over.
        """
        self._call("begin", lambda producer: producer.begin_transaction())
        try:
            self._produce(messages, cursor)
            self._call("commit", lambda producer: producer.commit_transaction(CALL_TIMEOUT_SECONDS))
        except _AbortableError as error:
            log.warning("transaction aborted", reason=str(error))
            try:
                self._call("abort", lambda producer: producer.abort_transaction(CALL_TIMEOUT_SECONDS))
            except _AbortableError as second:
                self._reopen(second)
            raise TransactionAborted(str(error)) from error

    def _produce(self, messages: Sequence[Message], cursor: bytes) -> None:
        self._call("send", _sending(self._readings_topic, messages))
        self._call("send", _sending(self._cursor_topic, [(self._source_key, cursor)]))

    def _call(self, step: str, action: Callable[[Producer], Any]) -> None:
        """`action`, repeated while its failure may be retried; every other failure as one of our exceptions."""
        retried = False
        while True:
            if self._producer is None:
                raise TransactionAborted("not open")
            try:
                action(self._producer)
            except BufferError as error:
                self._producer.poll(0.1)
                self._give_up_when_stopped(error)
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if _is_fenced(reason):
                    raise self._fenced() from error
                if reason.fatal():
                    self._reopen(reason)
                    raise TransactionAborted(reason.str()) from error
                if not reason.retriable():
                    raise _AbortableError(reason.str()) from error
                if not retried:
                    log.warning("broker does not answer, trying on", step=step, reason=reason.str())
                    retried = True
                self._give_up_when_stopped(error)
            else:
                return

    def _give_up_when_stopped(self, error: Exception) -> None:
        if self._stop.is_set():
            raise TransactionAborted("stopped while the broker was away") from error

    def _reopen(self, reason: object) -> None:
        """Start afresh: a transaction that the broker ended because it stood open for too long is fatal to a client."""
        log.warning("starting the Kafka producer afresh", reason=str(reason))
        while not self._stop.is_set():
            try:
                self.open()
            except UnavailableError as error:
                log.warning("retrying", reason=str(error))
                self._stop.wait(1)
            else:
                return

    def _config(self) -> dict[str, Any]:
        return kafka_config(
            self._settings,
            **{
                "transactional.id": self._settings.producer.transactional_id,
                "compression.type": "lz4",
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "message.max.bytes": MAX_CURSOR_BYTES,
                "delivery.report.only.error": True,
                "log_level": 0,
            },
        )

    def _fenced(self) -> WardError:
        return SingleInstanceError(
            f"Another vitals-producer has taken over transactional id {self._settings.producer.transactional_id}, or "
            "the broker ended a transaction that stood open for too long: this one exits. Run only one a source."
        )

    def _unavailable(self, reason: object) -> UnavailableError:
        return UnavailableError("Kafka", self._settings.bootstrap_servers, reason)


def _is_fenced(reason: KafkaError) -> bool:
    """An old epoch alone is a reason to abort; only if that is refused, too, is there a newer producer."""
    return reason.code() in _FENCED or (reason.fatal() and reason.code() == KafkaError.INVALID_PRODUCER_EPOCH)


class _AbortableError(Exception):
    """The transaction must be aborted."""


def _sending(topic: str, messages: Sequence[Message]) -> Callable[[Producer], None]:
    """An action that sends `messages`. When it fails, the same action again goes on with the one it failed at."""
    sent = 0

    def send(producer: Producer) -> None:
        nonlocal sent
        produce = producer.produce
        for key, value in islice(messages, sent, None):
            produce(topic, value, key)
            sent += 1

    return send
