"""A detection of its own for a test: own topics, threshold table, contacts and checkpoint on the real servers."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyspark.sql import SparkSession

from clinical.tables import PATIENTS
from hbase.bootstrap import bootstrap
from hbase.edits import make, plan_set
from hbase.patient_edits import plan_patient, plan_patient_removal
from hbase.table import connected, read_state, state_table
from hbase.watcher import ThresholdWatcher
from hive import ddl
from hive.client import hive_session
from infra.clients import hdfs, kafka_config
from infra.errors import UnavailableError
from infra.lag import TopicEnds, topic_ends
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.waiting import wait_for
from spark_jobs.detect_breaches import Detection
from spark_jobs.detection.place import Place

DEADLINE_SECONDS = 240.0
START_SECONDS = 600.0
"""A Spark driver starts in 10 s on a quiet machine; on one that starts a whole stack it takes minutes."""


class DetectionWorld:
    """Everything that one detection needs, under a random suffix; `running` runs it in a thread of the test.

    A process has one Spark driver: only one detection may run at a time.
    """

    def __init__(self, stack: Settings, **spark: Any) -> None:
        suffix = uuid.uuid4().hex[:8]
        self.settings = stack.model_copy(
            update={
                "thresholds": stack.thresholds.model_copy(update={"table": f"detection_test_{suffix}"}),
                "hadoop": stack.hadoop.model_copy(
                    update={"warehouse": f"/detection-test-{suffix}", "hbase_timeout_ms": 30_000}
                ),
                "spark": stack.spark.model_copy(update={"realtime_epoch_seconds": 5, **spark}),
            }
        )
        self.patients = replace(PATIENTS, name=f"test_patients_{suffix}")
        self.place = Place(
            readings=f"test-vital-info-{suffix}",
            derived=f"test-derived-vitals-{suffix}",
            breaches=f"test-doctors-queue-{suffix}",
            patients=self.patients.full_name,
        )
        self.metrics = StreamMetrics("detect-breaches")
        self._producer = Producer(kafka_config(self.settings, **{"linger.ms": 0}))
        self._next_id = 1

    def create(self) -> None:
        bootstrap(self.settings)
        self._create_topics()
        with hive_session(self.settings) as session:
            session.run(ddl.create_table(self.patients, self.settings.hdfs_uri("patients", "empty")))

    def _create_topics(self) -> None:
        admin = AdminClient(kafka_config(self.settings))
        for future in admin.create_topics([NewTopic(topic, 2, 1) for topic in self.place.topics]).values():
            future.result(30)
        with topic_ends(self.settings) as ends:
            await_that(lambda: answers(ends, self.place.topics), "the new topics have leaders")

    def _delete_topics(self) -> None:
        admin = AdminClient(kafka_config(self.settings))
        for future in admin.delete_topics(list(self.place.topics)).values():
            future.result(30)

    def make_topics_anew(self) -> None:
        """Delete the topics and create them again, empty."""
        self._delete_topics()
        admin = AdminClient(kafka_config(self.settings))
        await_that(
            lambda: not set(self.place.topics) & set(admin.list_topics(timeout=30).topics), "the topics are gone"
        )
        self._create_topics()

    def destroy(self) -> None:
        self._delete_topics()
        with hive_session(self.settings) as session:
            session.run(f"DROP TABLE {self.patients.full_name}")
        with connected(self.settings) as connection:
            for table in (self.settings.thresholds.table, state_table(self.settings)):
                connection.delete_table(table, disable=True)
        hdfs(self.settings).rm(self.settings.hdfs_path(), recursive=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Detection in a thread, from when its query runs until the end of the block. Fails when it failed."""
        stop, failures = threading.Event(), queue.SimpleQueue[BaseException]()

        def run() -> None:
            try:
                watcher = ThresholdWatcher(self.settings)
                watcher.start()
                with topic_ends(self.settings) as ends:
                    Detection(self.settings, self.metrics, watcher, ends, self.place).run(stop)
            except BaseException as error:
                failures.put(error)

        self.metrics = StreamMetrics("detect-breaches")
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            await_that(lambda: self.alive_at() > 0 or not thread.is_alive(), "detection runs", START_SECONDS)
            yield
        finally:
            stop.set()
            thread.join(DEADLINE_SECONDS)
        assert failures.empty(), failures.get()

    def alive_at(self) -> float:
        """When detection last said that it is alive (epoch seconds), 0: not yet."""
        return self.metrics.registry.get_sample_value("wardwatch_last_progress_timestamp_seconds") or 0.0

    def reading(self, patient: str, **fields: Any) -> dict[str, Any]:
        """A reading as the producer publishes it, with an id of its own, taken and inserted now."""
        now = time.time_ns() // 1_000_000
        self._next_id += 1
        return {
            "reading_id": self._next_id,
            "patient_id": patient,
            "device_id": "bed-1",
            "recorded_at": now,
            "inserted_at": now,
            "recorded_at_is_receipt": False,
            **fields,
        }

    def send(self, message: dict[str, Any] | bytes, topic: str | None = None) -> None:
        """Publish to the readings (or `topic`) and wait until Kafka has it."""
        self.enqueue(message, topic)
        assert self._producer.flush(30) == 0

    def enqueue(self, message: dict[str, Any] | bytes, topic: str | None = None) -> None:
        """Publish without waiting."""
        value = message if isinstance(message, bytes) else orjson.dumps(message)
        key = None if isinstance(message, bytes) else message["patient_id"]
        self._producer.produce(topic or self.place.readings, key=key, value=value)
        self._producer.poll(0)

    def set_threshold(self, *words: str) -> None:
        """An edit as `./ward thresholds set` makes it."""
        state = read_state(self.settings)
        make(self.settings, state, plan_set(state.cells, words))

    def set_limits(self, patient: str, attribute: str, normal: str, author: str, reason: str) -> None:
        """An edit as `./ward thresholds patient` makes it."""
        state = read_state(self.settings)
        make(self.settings, state, plan_patient(state.cells, patient, attribute, normal, author, reason))

    def remove_limits(self, patient: str, attribute: str) -> None:
        """An edit as `./ward thresholds patient --remove` makes it."""
        state = read_state(self.settings)
        make(self.settings, state, plan_patient_removal(state.cells, patient, attribute))

    def switch_contacts(self, version: str, people: list[tuple[str, str, str]]) -> None:
        """A new snapshot of (patient, name, phone), all born in 1950, and the table's location switched to it."""
        spark = SparkSession.builder.getOrCreate()
        rows = [
            (patient, name, "1 Quay St", phone, "Ward 9", date(1950, 1, 1), None, 1, False, None, None, None)
            for patient, name, phone in people
        ]
        schema = ", ".join(f"{column.name} {column.type}" for column in self.patients.columns)
        location = self.settings.hdfs_uri("patients", version)
        spark.createDataFrame(rows, schema).coalesce(1).write.parquet(location)
        with hive_session(self.settings) as session:
            session.run(f"ALTER TABLE {self.patients.full_name} SET LOCATION '{location}'")


class Breaches:
    """What was published since this was made; `received_at` (epoch ms) is when the consumer was given each."""

    def __init__(self, world: DetectionWorld) -> None:
        config = kafka_config(world.settings, **{"group.id": uuid.uuid4().hex, "enable.auto.commit": False})
        self._consumer = Consumer({**config, "isolation.level": "read_committed", "fetch.wait.max.ms": 10})
        partitions = [TopicPartition(world.place.breaches, partition) for partition in (0, 1)]
        for partition in partitions:
            partition.offset = self._consumer.get_watermark_offsets(partition, 30)[1]
        self._consumer.assign(partitions)
        self.seen: list[dict[str, Any]] = []

    def poll(self) -> list[dict[str, Any]]:
        """All seen so far, with what came within a moment."""
        message = self._consumer.poll(0.2)
        while message is not None:
            assert message.error() is None
            breach = orjson.loads(message.value() or b"")
            assert (message.key() or b"").decode() == breach["patient_id"]
            self.seen.append({**breach, "received_at": time.time_ns() // 1_000_000})
            message = self._consumer.poll(0)
        return self.seen

    def of(self, patient: str) -> list[dict[str, Any]]:
        return [breach for breach in self.poll() if breach["patient_id"] == patient]

    def wait_for(self, patient: str, count: int = 1, seconds: float = DEADLINE_SECONDS) -> list[dict[str, Any]]:
        """The breaches of a patient as soon as there are `count` different ones."""
        await_that(
            lambda: len({breach["breach_id"] for breach in self.of(patient)}) >= count,
            f"{count} breaches of {patient}",
            seconds,
        )
        return self.of(patient)

    def close(self) -> None:
        self._consumer.close()


def someone() -> str:
    """A patient's id that no other test uses."""
    return f"patient-{uuid.uuid4().hex[:8]}"


def answers(ends: TopicEnds, topics: tuple[str, ...]) -> bool:
    """Whether every partition says what it holds."""
    try:
        return len(ends.extents(topics)) == len(topics)
    except UnavailableError:
        return False


def await_that(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until `condition` holds; fail saying `what` did not come about."""
    assert wait_for(condition, seconds, 0.02), f"not within {seconds:.0f} s: {what}"
