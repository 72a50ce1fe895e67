"""A landing job of its own for a test: own topics, tables and checkpoints on the real servers."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from clinical.tables import BREACHES, REJECTED_READINGS, VITAL_READINGS, StoredTable
from hive import ddl
from hive.client import hive_session, query
from infra.checkpoints import Checkpoint, read_checkpoint
from infra.clients import hdfs, kafka_config
from infra.lag import topic_ends, waiting
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.waiting import wait_for
from spark_jobs.land_vitals import LandingJob
from spark_jobs.landing.files import remove
from spark_jobs.landing.streams import LandingStream, ReadingStream, RecordStream
from spark_jobs.recent.feed import RecentTopics

DEADLINE_SECONDS = 480.0
ID_BASE = 9_000_000_000


def await_that(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until `condition` holds; fail saying `what` did not come about."""
    assert wait_for(condition, seconds, 0.5), f"{what}, not within {seconds:.0f} s"


class LandingWorld:
    """Topics, tables and a job that share a random suffix, so that nothing else is touched."""

    def __init__(self, stack: Settings) -> None:
        suffix = uuid.uuid4().hex[:8]
        spark = stack.spark.model_copy(update={"landing_interval_seconds": 1})
        self.settings = stack.model_copy(update={"spark": spark})
        self.job_name = f"land-test-{suffix}"
        self.readings = replace(VITAL_READINGS, name=f"test_readings_{suffix}")
        self.rejected = replace(REJECTED_READINGS, name=f"test_rejected_{suffix}")
        self.breaches = replace(BREACHES, name=f"test_breaches_{suffix}")
        self.reading_stream = ReadingStream(
            f"test-readings-{suffix}", self.readings, f"test-readings-dlq-{suffix}", self.rejected
        )
        self.breach_stream = RecordStream(f"test-breaches-{suffix}", self.breaches, f"test-breaches-dlq-{suffix}")
        self.streams: tuple[LandingStream, ...] = (self.reading_stream, self.breach_stream)
        self.recent: RecentTopics | None = None
        self.metrics = StreamMetrics(self.job_name)

    @property
    def tables(self) -> tuple[StoredTable, ...]:
        return (self.readings, self.rejected, self.breaches)

    def create(self) -> None:
        admin = AdminClient(kafka_config(self.settings))
        topics = [NewTopic(name, 2, 1) for stream in self.streams for name in (stream.topic, stream.dead_letters)]
        for future in admin.create_topics(topics).values():
            future.result(30)
        with hive_session(self.settings) as session:
            for table in self.tables:
                location = self.settings.hdfs_uri("hive", table.name)
                session.run(ddl.create_table(table, location))

    def destroy(self) -> None:
        admin = AdminClient(kafka_config(self.settings))
        topics = [name for stream in self.streams for name in (stream.topic, stream.dead_letters)]
        for future in admin.delete_topics(topics).values():
            future.result(30)
        with hive_session(self.settings) as session:
            for table in self.tables:
                session.run(f"DROP TABLE IF EXISTS {table.full_name}")
        files, path = hdfs(self.settings), self.settings.hdfs_path
        for table in self.tables:
            for directory in (path("hive", table.name), path("hive", f"{table.name}_compacted")):
                remove(files, directory)
            remove(files, path("staging", table.name))
        remove(files, path("checkpoints", self.job_name))

    def produce(self, topic: str, values: Iterable[Mapping[str, Any] | bytes], key: bytes = b"P1") -> None:
        """Publish messages in one committed transaction, as the producer does, and wait until it can be read.

        A commit is answered before its mark is in every partition: until then the topic seems to hold nothing new.
        """
        before = self._end(topic)
        producer = Producer(kafka_config(self.settings, **{"transactional.id": f"{self.job_name}-{uuid.uuid4()}"}))
        producer.init_transactions(30)
        producer.begin_transaction()
        messages = list(values)
        for value in messages:
            raw = value if isinstance(value, bytes) else orjson.dumps(value)
            while True:
                try:
                    producer.produce(topic, raw, key)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.commit_transaction(60)
        await_that(lambda: self._end(topic) >= before + len(messages), f"what was committed to {topic} can be read")

    def _end(self, topic: str) -> int:
        """How far committed messages go, over all partitions."""
        with topic_ends(self.settings) as ends:
            return sum(extent.end for extent in ends.extents([topic])[topic].values())

    @contextmanager
    def running(self) -> Iterator[None]:
        """The job runs within the block; what it raised is raised at the end."""
        stop, failures = threading.Event(), list[BaseException]()
        job = LandingJob(self.settings, self.metrics, self.streams, self.job_name, recent=self.recent)

        def run() -> None:
            try:
                job.run(stop)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run, name=self.job_name)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

    def checkpoint_path(self, stream: LandingStream) -> str:
        return self.settings.hdfs_path("checkpoints", self.job_name, stream.checkpoint)

    def checkpoint(self, stream: LandingStream) -> Checkpoint | None:
        return read_checkpoint(hdfs(self.settings), self.checkpoint_path(stream))

    def land(self) -> None:
        """Wait until everything in the topics is landed and committed; the job must be running."""

        def done() -> bool:
            with topic_ends(self.settings) as ends:
                for stream in self.streams:
                    extents = ends.extents([stream.topic])
                    checkpoint = self.checkpoint(stream)
                    if waiting(extents, checkpoint.offsets if checkpoint else {}):
                        return False
            return True

        await_that(done, "all messages are landed")

    def roll_back(self, stream: LandingStream) -> int:
        """Take back the newest commit, as a crash before it would have left things; returns its batch."""
        checkpoint = self.checkpoint(stream)
        assert checkpoint is not None
        hdfs(self.settings).rm(f"{self.checkpoint_path(stream)}/commits/{checkpoint.last_batch}")
        return checkpoint.last_batch

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return query(self.settings, statement)

    def count(self, table: StoredTable) -> int:
        ((rows,),) = self.query(f"SELECT COUNT(*) FROM {table.full_name}")
        return int(rows)

    def ids(self, table: StoredTable) -> list[Any]:
        """Every id in a table, ascending, those without one first, repeats included."""
        rows = self.query(f"SELECT {table.id_column} FROM {table.full_name}")
        return sorted((row[0] for row in rows), key=lambda one: (one is not None, one))

    def dead_letters(self, stream: LandingStream) -> list[tuple[bytes | None, bytes | None, dict[str, str]]]:
        """Key, value and headers of every dead letter."""
        with topic_ends(self.settings) as ends:
            partitions = ends.extents([stream.dead_letters])[stream.dead_letters]
        config = {"group.id": self.job_name, "enable.partition.eof": True, "enable.auto.commit": False}
        consumer = Consumer(kafka_config(self.settings, **config))
        consumer.assign([TopicPartition(stream.dead_letters, number, 0) for number in partitions])
        letters, open_partitions = [], set(partitions)
        while open_partitions:
            message = consumer.poll(30)
            assert message is not None, "Kafka does not answer"
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                open_partitions.discard(message.partition())
                continue
            headers = {
                name: value.decode()
                for name, value in dict(message.headers() or []).items()
                if isinstance(value, bytes)
            }
            letters.append((message.key(), message.value(), headers))
        consumer.close()
        return letters


def reading(number: int, recorded_at: datetime, **changes: Any) -> dict[str, Any]:
    """A reading as the producer writes it."""
    at = int(recorded_at.timestamp() * 1000)
    return {
        "reading_id": ID_BASE + number,
        "patient_id": f"P{number % 7}",
        "device_id": "D1",
        "recorded_at": at,
        "inserted_at": at + 400,
        "recorded_at_is_receipt": False,
        "heart_rate": 60 + number % 40,
        "systolic_bp": 120,
        "diastolic_bp": 80,
        "spo2": 98,
        "temperature": 36.6,
        "respiratory_rate": 16,
        "glucose": 95.5,
        "on_oxygen": False,
        "consciousness": "A",
        **changes,
    }


def breach(name: str, recorded_at: datetime, **changes: Any) -> dict[str, Any]:
    """A breach as detection writes it."""
    at = int(recorded_at.timestamp() * 1000)
    known = {
        "breach_id": name,
        "source_topic": "vital-info",
        "source_id": "1",
        "patient_id": "P1",
        "attribute": "heart_rate",
        "value": 150.0,
        "unit": "/min",
        "direction": "high",
        "severity": "high",
        "low_value": 131.0,
        "clear_margin": 2.0,
        "delay_seconds": 10,
        "contact_missing": False,
        "name": "Zoë Ångström",
        "recorded_at": at,
        "recorded_at_is_receipt": False,
        "inserted_at": at + 100,
        "detected_at": int(datetime.now(UTC).timestamp() * 1000),
    }
    return {**dict.fromkeys(BREACHES.column_names), **known, **changes}
