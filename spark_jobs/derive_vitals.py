"""Stream `derive-vitals`: NEWS2 and rolling means of the readings in Kafka, back to Kafka as `derived-vitals`.

One driver, one query for each kind of derived vital, a batch every `derivation.interval_seconds`. What a query must
remember of a patient is in Spark's state store (RocksDB, its changes kept with the checkpoint on HDFS). Each batch of
scores looks which snapshot of the contacts is in force. A value is published at least once: a batch that was cut off is
run again with the same readings and gives the same `derived_id`s. After a pause, a batch holds all that has come in
meanwhile and gives one score a patient, the newest: what was in between is judged by its single vitals only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from clinical.rolling import MEANS, RollingMean
from clinical.tables import PATIENTS
from clinical.topics import DERIVED_VITALS, VITAL_INFO
from infra.checkpoints import CommittedOffsets
from infra.clients import hdfs, with_retries
from infra.errors import UnavailableError, WardError
from infra.lag import TopicEnds, topic_ends, waiting
from infra.locks import KeptLock
from infra.log import get_logger
from infra.metrics import CONTACTS_VERSION, StreamMetrics
from infra.priority import give_way
from infra.settings import Settings
from infra.stream import run_stream
from spark_jobs.alarms import Alarms
from spark_jobs.checkpoint import SET_ASIDE, check_checkpoint
from spark_jobs.clock import BatchClock
from spark_jobs.ended import ended_by_itself
from spark_jobs.first_batch import has_begun
from spark_jobs.kafka import kafka_source, since, write_to_kafka
from spark_jobs.landing.readiness import require_servers
from spark_jobs.patients import LostContactsError, Patients, find_patients, load_patients
from spark_jobs.session import spark_session, stop_session
from spark_jobs.transforms.derived import (
    NEWS2,
    PATIENT_SCHEMA,
    inputs_of_readings,
    latest_inputs,
    mean_messages,
    mean_windows,
    news2_messages,
)

NAME = "derive-vitals"
POLL_SECONDS = 2.0
LOCK_SECONDS = 30.0
"""How long a restarted job waits for MySQL to notice that its predecessor died."""

WARM_UP_SECONDS = 900
"""A query without a checkpoint begins with the readings of the last quarter of an hour: enough for every input that is
measured often, and no alarm about last week."""

STATE = {
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    # In update mode the watermark only says what may be forgotten, which the next batch with readings does as well.
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
}

CHECKPOINTS = {NEWS2: f"{NEWS2}-3"}
"""Directories of checkpoints that are not called as their query is: the state in the directory before had another form,
which Spark refuses. The query then begins as without a checkpoint."""

SUPERSEDED = {NEWS2: (NEWS2, f"{NEWS2}-2")}
"""The directories before: they hold vitals, and are removed, also those that were set aside."""

log = get_logger(NAME)


@dataclass(frozen=True)
class Place:
    """Topics, the Hive table of contacts and the name of the checkpoints' directory below `checkpoints` on HDFS."""

    readings: str = VITAL_INFO
    derived: str = DERIVED_VITALS
    patients: str = PATIENTS.full_name
    checkpoint: str = NAME

    def checkpoint_of(self, query: str) -> str:
        """The directory of a query's checkpoint below `checkpoints` on HDFS."""
        return f"{self.checkpoint}/{CHECKPOINTS.get(query, query)}"


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Derive until `stop` is set or a query fails.

    Raises UnavailableError when a server is not there, SingleInstanceError when another copy runs.
    """
    place = Place()
    with_retries(settings, lambda: require_servers(settings, [place.readings, place.derived]))
    with KeptLock(settings, f"wardwatch:stream:{NAME}", LOCK_SECONDS, stop), topic_ends(settings) as ends:
        DerivingJob(settings, metrics, ends, place, give_way).run(stop)


class DerivingJob:
    """The queries of one driver, on one snapshot of the contacts at a time. `when_begun` is called once, when the first
    batch of each is over."""

    def __init__(
        self,
        settings: Settings,
        metrics: StreamMetrics,
        ends: TopicEnds,
        place: Place = Place(),
        when_begun: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._ends = ends
        self._place = place
        self._when_begun = when_begun
        self._contacts: Contacts
        self._failures: list[WardError] = []
        self._counted: dict[str, tuple[int, int]] = {}
        self._committed = [
            CommittedOffsets(settings.hdfs_path("checkpoints", place.checkpoint_of(name)))
            for name in (NEWS2, *(mean.attribute for mean in MEANS))
        ]

    def run(self, stop: threading.Event) -> None:
        """Start the queries and watch them until `stop` is set. Raises what a batch raised."""
        spark = spark_session(self._settings, NAME, "local[2]")
        for key, value in STATE.items():
            spark.conf.set(key, value)
        spark.conf.set("spark.sql.shuffle.partitions", str(self._settings.derivation.partitions))
        try:
            self._watch(self._start_all(spark), stop)
        except (Py4JError, PySparkException, WardError, OSError) as error:
            # A supervisor tells the whole process group to stop, and the JVM may be gone before this thread is.
            if not stop.is_set():
                raise
            log.info("a batch was cut off", reason=type(error).__name__)
        finally:
            stop_session(spark)

    def _start_all(self, spark: SparkSession) -> list[StreamingQuery]:
        self._contacts = Contacts(spark, self._settings, self._place.patients)
        with_retries(self._settings, self._contacts.current)
        self._metrics.alive(self._lag())
        return [self._start(spark, NEWS2, self._latest, self._scores)] + [
            self._start(spark, mean.attribute, self._windows(mean), _means(mean)) for mean in MEANS
        ]

    def _start(
        self,
        spark: SparkSession,
        name: str,
        remember: Callable[[DataFrame], DataFrame],
        derive: Callable[[DataFrame], DataFrame],
    ) -> StreamingQuery:
        """A query that remembers of readings what `remember` says and publishes what `derive` makes of its changes."""
        self._remove_superseded(name)
        checkpoint = self._place.checkpoint_of(name)
        alarms = Alarms(self._settings, f"{NAME}-{name}")
        check_checkpoint(self._settings, self._ends, alarms, [self._place.readings], checkpoint, NAME)
        inputs = inputs_of_readings(self._source(spark), self._settings.readings)
        return (
            remember(inputs)
            .writeStream.queryName(f"{self._place.checkpoint}-{name}")
            .outputMode("update")
            .option("checkpointLocation", self._settings.hdfs_uri("checkpoints", checkpoint))
            .trigger(processingTime=f"{self._settings.derivation.interval_seconds} seconds")
            .foreachBatch(self._publish(derive))
            .start()
        )

    def _source(self, spark: SparkSession) -> DataFrame:
        most = self._settings.spark.landing_max_offsets
        return kafka_source(spark, self._settings, self._place.readings, most, since(WARM_UP_SECONDS))

    def _remove_superseded(self, name: str) -> None:
        files, mine = hdfs(self._settings), self._settings.hdfs_path("checkpoints", self._place.checkpoint)
        for path in files.ls(mine, detail=False) if files.exists(mine) else ():
            if path.removeprefix(f"{mine}/").partition(SET_ASIDE)[0] in SUPERSEDED.get(name, ()):
                files.rm(path, recursive=True)
                log.info("removed a checkpoint of an older version", path=path)

    def _latest(self, inputs: DataFrame) -> DataFrame:
        return latest_inputs(inputs, self._settings.derivation.remember_seconds)

    def _scores(self, latest: DataFrame) -> DataFrame:
        contacts = self._contacts.current()
        self._metrics.in_force(**{CONTACTS_VERSION: contacts.version or ""})
        patients = F.broadcast(contacts.frame) if contacts.is_small else contacts.frame
        return news2_messages(latest, patients, self._settings.derivation)

    def _windows(self, mean: RollingMean) -> Callable[[DataFrame], DataFrame]:
        return lambda inputs: mean_windows(inputs, mean, self._settings.derivation.late_seconds)

    def _publish(self, derive: Callable[[DataFrame], DataFrame]) -> Callable[[DataFrame, int], None]:
        def publish(changes: DataFrame, _batch_id: int) -> None:
            try:
                write_to_kafka(self._settings, derive(changes), self._place.derived)
            except WardError as error:
                self._failures.append(error)
                raise

        return publish

    def _watch(self, queries: list[StreamingQuery], stop: threading.Event) -> None:
        beginning, clock = True, BatchClock()
        while not stop.is_set():
            clock.require_not_set_back()
            for query in queries:
                self._check(query)
                self._count(query)
            if beginning and all(has_begun(query) for query in queries):
                beginning = False
                self._when_begun()
            self._metrics.alive(self._lag())
            stop.wait(POLL_SECONDS)
        for query in queries:
            query.stop()

    def _check(self, query: StreamingQuery) -> None:
        if query.isActive:
            return
        if self._failures:
            raise self._failures[0]
        raise ended_by_itself(query, f"The query {query.name}")

    def _count(self, query: StreamingQuery) -> None:
        """Add the readings of a batch that has ended since the last look. A query that finds nothing to read says so
        under the number of the batch that comes next."""
        progress = query.lastProgress
        if progress is not None and self._counted.get(query.name) != (progress.batchId, progress.numInputRows):
            self._counted[query.name] = (progress.batchId, progress.numInputRows)
            self._metrics.records.inc(max(0, progress.numInputRows))

    def _lag(self) -> int:
        """Readings that wait for the query that is the furthest behind."""
        extents, files = self._ends.extents([self._place.readings]), hdfs(self._settings)
        return max(waiting(extents, committed.read(files)) for committed in self._committed)


class Contacts:
    """The snapshot of the contacts that is in force, read again when there is another."""

    def __init__(self, spark: SparkSession, settings: Settings, table: str) -> None:
        self._spark = spark
        self._settings = settings
        self._table = table
        self._alarms = Alarms(settings, NAME)
        self._location: str | None = None
        self._patients: Patients | None = None

    def current(self) -> Patients:
        """The contacts; while newer ones cannot be read, ops are told and those at hand stay.

        Raises UnavailableError when the metastore or HDFS is away and there are none at hand.
        """
        at_hand = self._patients
        try:
            location = find_patients(self._spark, self._settings, self._table, at_hand)
            if self._patients is None or location != self._location:
                self._patients = load_patients(self._spark, self._settings, location, PATIENT_SCHEMA)
                self._location = location
                log.info("contacts", version=self._patients.version)
        except (UnavailableError, LostContactsError) as error:
            if self._patients is None:
                raise
            self._alarms.set("contacts_unreadable", f"{error} Scores are made with the contacts as they were.")
        else:
            if at_hand is not None:  # what a start finds may be of a table that is missing, which the next look tells
                self._alarms.set("contacts_unreadable", None)
        return self._patients


def _means(mean: RollingMean) -> Callable[[DataFrame], DataFrame]:
    return lambda windows: mean_messages(windows, mean)


if __name__ == "__main__":
    run_stream(NAME, body)
