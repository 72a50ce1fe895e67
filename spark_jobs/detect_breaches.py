"""Stream `detect-breaches`: every value against its band, in real time, from Kafka to Kafka.

The query joins a threshold table and a snapshot of contacts that stand still while it runs. The driver looks at both
every second; when one changed, it stops the query and starts it again on the same checkpoint, in the same process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from clinical.topics import DOCTORS_QUEUE
from hbase.watcher import ThresholdWatcher
from infra.clients import with_retries
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.lag import TopicEnds, topic_ends
from infra.locks import named_lock
from infra.log import get_logger
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.stream import run_stream
from spark_jobs.detection.alarms import Alarms
from spark_jobs.detection.checkpoint import check_checkpoint
from spark_jobs.detection.lag import lag_records
from spark_jobs.detection.patients import Patients, load_patients, patients_location
from spark_jobs.detection.query import SOURCES, start_query
from spark_jobs.landing.readiness import require_servers
from spark_jobs.session import spark_session

NAME = "detect-breaches"
LOCK_SECONDS = 30.0
"""How long a restarted job waits for MySQL to notice that its predecessor died."""

LAG_SECONDS = 5.0
RETRY_SECONDS = 10.0
"""How long a metastore or HDFS that did not answer is left alone, so that thresholds are still looked at in time."""

STALL_SECONDS = 120.0
"""An epoch that ends this much too late has stalled: the stream no longer says that it is alive."""

_CHECKPOINT_HINT = (
    "If this comes back at each start, its checkpoint may be of another version: move {} on HDFS to another name and "
    "start detect-breaches again."
)

log = get_logger(NAME)


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Judge until `stop` is set or the query fails.

    Raises UnavailableError when a server is not there, SingleInstanceError when another copy runs, ConfigurationError
    when the checkpoint or the threshold table cannot be used.
    """
    with_retries(settings, lambda: require_servers(settings, [*SOURCES, DOCTORS_QUEUE]))
    with named_lock(settings, f"wardwatch:stream:{NAME}", LOCK_SECONDS):
        watcher = ThresholdWatcher(settings)
        with_retries(settings, watcher.start)
        with topic_ends(settings) as ends:
            partitions = sum(map(len, ends.extents(SOURCES).values()))
            spark = spark_session(settings, NAME, f"local[{partitions}]")
            try:
                _require_cores(spark, partitions)
                Detection(settings, metrics, spark, watcher, ends).run(stop)
            finally:
                spark.stop()


class Detection:
    """One query at a time, restarted whenever what it joins has changed."""

    def __init__(
        self,
        settings: Settings,
        metrics: StreamMetrics,
        spark: SparkSession,
        watcher: ThresholdWatcher,
        ends: TopicEnds,
        checkpoint: str = NAME,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._spark = spark
        self._watcher = watcher
        self._ends = ends
        self._alarms = Alarms(settings)
        self._checkpoint = settings.hdfs_path("checkpoints", checkpoint)
        self._location: str | None = None
        self._patients: Patients
        self._query: StreamingQuery
        self._counted_epoch = -1
        self._moved_at = 0.0
        self._lag_at = 0.0
        self._retry_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Judge until `stop` is set. Raises what the query failed with."""
        self._location = with_retries(self._settings, lambda: patients_location(self._spark, self._settings))
        self._patients = with_retries(self._settings, lambda: self._load(self._location))
        self._start()
        while not stop.wait(self._settings.thresholds.poll_seconds):
            fresh_thresholds = self._watcher.poll() is not None
            if self._fresh_patients() or fresh_thresholds:
                self._stop()
                self._start()
            self._check()
            self._measure()
        self._stop()

    def _load(self, location: str | None) -> Patients:
        return load_patients(self._spark, self._settings, location)

    def _fresh_patients(self) -> bool:
        """True when a new snapshot of contacts was loaded; while it cannot be, the one at hand stays."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            location = patients_location(self._spark, self._settings)
            if location == self._location:
                self._alarms.set("contacts_unreadable", None)
                return False
            self._patients = self._load(location)
        except UnavailableError as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            self._alarms.set("contacts_unreadable", f"{error} Breaches carry the contacts {self._patients.version}.")
            return False
        self._location = location
        self._alarms.set("contacts_unreadable", None)
        return True

    def _start(self) -> None:
        check_checkpoint(self._settings, self._ends, self._alarms, self._checkpoint)
        began = time.monotonic()
        self._query = _or_configuration_error(
            lambda: start_query(self._spark, self._settings, self._watcher.current, self._patients, self._checkpoint),
            self._checkpoint,
        )
        self._moved_at = time.monotonic()
        self._counted_epoch = -1
        log.info(
            "judging",
            thresholds=self._watcher.current.version,
            contacts=self._patients.version,
            real_time=self._patients.is_small,
            seconds_to_start=round(self._moved_at - began, 1),
        )

    def _stop(self) -> None:
        self._check()
        self._query.stop()

    def _check(self) -> None:
        """Raises when the query has ended by itself; the supervisor then starts the whole job again."""
        if self._query.isActive:
            return
        error = self._query.exception()
        reason = str(error).strip().splitlines()[0] if error else "it gave no reason"
        raise WardError(f"The detection query ended by itself: {reason} {_CHECKPOINT_HINT.format(self._checkpoint)}")

    def _measure(self) -> None:
        progress = self._query.lastProgress
        if progress is not None and progress.batchId != self._counted_epoch:
            self._counted_epoch = progress.batchId
            self._moved_at = time.monotonic()
            self._metrics.records.inc(max(0, progress.numInputRows))
        now = time.monotonic()
        if now - self._moved_at > self._settings.spark.realtime_epoch_seconds + STALL_SECONDS:
            return
        if now - self._lag_at >= LAG_SECONDS:
            self._lag_at = now
            self._metrics.alive(lag_records(self._spark, self._settings, self._ends, self._checkpoint))
        else:
            self._metrics.alive()


def _require_cores(spark: SparkSession, partitions: int) -> None:
    """Real-time mode needs a core for each partition: with fewer, some are never read, without an error."""
    cores = spark.sparkContext.defaultParallelism
    if cores < partitions:
        raise ConfigurationError(
            f"Detection reads {partitions} partitions of {' and '.join(SOURCES)} and has {cores} cores: it needs one "
            f"for each. Leave spark.master unset or set it to local[{partitions}] or more."
        )


def _or_configuration_error(start: Callable[[], StreamingQuery], checkpoint: str) -> StreamingQuery:
    try:
        return start()
    except (PySparkException, Py4JError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigurationError(
            f"The detection query does not start: {reason} {_CHECKPOINT_HINT.format(checkpoint)}"
        ) from error


if __name__ == "__main__":
    run_stream(NAME, body)
