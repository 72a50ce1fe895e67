"""Stream `detect-breaches`: every value against its band, in real time, from Kafka to Kafka.

The query joins a threshold table and a snapshot of contacts that stand still while it runs. The driver looks at the one
every second, at the other every three; when one changed, it stops the query and starts it again on the same checkpoint,
in the same process.

Each restart judges again what came since the checkpoint last moved, which an epoch does at its end. So that imports
which come faster than epochs end do not make that ever more, fresh contacts wait for the end of the epoch that runs
when none has ended for as long as one lasts. Fresh thresholds wait for nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from hbase.watcher import ThresholdWatcher
from infra.clients import with_retries
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.lag import TopicEnds, topic_ends
from infra.locks import KeptLock
from infra.log import get_logger
from infra.metrics import CONTACTS_VERSION, StreamMetrics
from infra.settings import Settings
from infra.stream import run_stream
from spark_jobs.alarms import Alarms
from spark_jobs.checkpoint import aside, check_checkpoint
from spark_jobs.detection.lag import lag_records
from spark_jobs.detection.place import Place
from spark_jobs.detection.query import Judged, judged, start_query
from spark_jobs.ended import ended_by_itself
from spark_jobs.first_batch import has_begun
from spark_jobs.landing.readiness import require_servers
from spark_jobs.patients import LostContactsError, Patients, find_patients, load_patients
from spark_jobs.session import spark_session, stop_session

NAME = "detect-breaches"
LOCK_SECONDS = 30.0
"""How long a restarted job waits for MySQL to notice that its predecessor died."""

MEASURE_SECONDS = 5.0
"""How often the driver is asked for its progress and its lag: some hundred calls to the JVM each time."""

CONTACTS_SECONDS = 3.0
"""How often the metastore is asked for fresh contacts; each time costs the driver some milliseconds of a core."""

RETRY_SECONDS = 10.0
"""How long contacts that could not be had are left alone, so that thresholds are still looked at in time."""

STALL_SECONDS = 120.0
"""An epoch that ends this much too late has stalled: the stream no longer says that it is alive."""

log = get_logger(NAME)


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Judge until `stop` is set or the query fails.

    Raises UnavailableError when a server is not there, SingleInstanceError when another copy runs, ConfigurationError
    when the checkpoint or the threshold table cannot be used.
    """
    with_retries(settings, lambda: require_servers(settings, Place().topics))
    with KeptLock(settings, f"wardwatch:stream:{NAME}", LOCK_SECONDS, stop):
        watcher = ThresholdWatcher(settings)
        with_retries(settings, watcher.start)
        with topic_ends(settings) as ends:
            Detection(settings, metrics, watcher, ends).run(stop)


class Detection:
    """One query at a time, restarted whenever what it joins has changed."""

    def __init__(
        self,
        settings: Settings,
        metrics: StreamMetrics,
        watcher: ThresholdWatcher,
        ends: TopicEnds,
        place: Place = Place(),  # noqa: B008 (frozen)
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._watcher = watcher
        self._ends = ends
        self._alarms = Alarms(settings, NAME)
        self._place = place
        self._spark: SparkSession
        self._location: str | None = None
        self._patients: Patients
        self._judged: dict[bool, Judged] = {}
        self._query: StreamingQuery
        self._counted_epoch = -1
        self._moved_at = 0.0
        self._kept_at = time.monotonic()
        self._has_fresh_patients = False
        self._measure_at = 0.0
        self._look_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Judge in a Spark driver of its own until `stop` is set. Raises WardError when the query fails."""
        partitions = sum(map(len, self._ends.extents(self._place.sources).values()))
        # The query holds a core for each partition as long as an epoch lasts; one more loads fresh contacts meanwhile.
        self._spark = spark_session(self._settings, NAME, f"local[{partitions + 1}]")
        try:
            _require_cores(self._spark, partitions)
            self._judge(stop)
        except (Py4JError, PySparkException, WardError, OSError) as error:
            # A supervisor tells the whole process group to stop, and the JVM may be gone before this thread is.
            if not stop.is_set():
                raise
            log.info("the driver stopped first", reason=type(error).__name__)
        finally:
            stop_session(self._spark)

    def _judge(self, stop: threading.Event) -> None:
        self._load_first()
        self._start()
        while not stop.wait(self._settings.thresholds.poll_seconds):
            fresh_thresholds = self._watcher.poll() is not None
            self._has_fresh_patients |= self._fresh_patients()
            if fresh_thresholds or (self._has_fresh_patients and self._may_restart()):
                self._stop()
                self._start()
            self._check()
            self._measure()
        self._stop()

    def _may_restart(self) -> bool:
        """Whether little would be judged again, by the time since the checkpoint moved."""
        return time.monotonic() - self._kept_at < self._settings.spark.realtime_epoch_seconds or has_begun(self._query)

    def _load_first(self) -> None:
        self._location = with_retries(self._settings, self._find)
        self._patients = with_retries(self._settings, lambda: self._load(self._location))

    def _find(self, at_hand: Patients | None = None) -> str | None:
        return find_patients(self._spark, self._settings, self._place.patients, at_hand)

    def _load(self, location: str | None) -> Patients:
        return load_patients(self._spark, self._settings, location)

    def _fresh_patients(self) -> bool:
        """True when a new snapshot of contacts was loaded; while it cannot be, the one at hand stays."""
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + CONTACTS_SECONDS
        try:
            location = self._find(self._patients)
            if location == self._location:
                self._alarms.set("contacts_unreadable", None)
                return False
            self._patients = self._load(location)
        except (UnavailableError, LostContactsError) as error:
            self._look_at = time.monotonic() + RETRY_SECONDS
            self._alarms.set("contacts_unreadable", f"{error} Breaches carry the contacts {self._patients.version}.")
            return False
        self._location = location
        self._alarms.set("contacts_unreadable", None)
        return True

    def is_real_time(self, patients: Patients) -> bool:
        """Whether values are judged one by one as they arrive, or in batches."""
        return patients.is_small

    def _streams(self, real_time: bool) -> Judged:
        if real_time not in self._judged:
            self._judged[real_time] = judged(self._spark, self._settings, self._place, real_time)
        return self._judged[real_time]

    def _start(self) -> None:
        check_checkpoint(self._settings, self._ends, self._alarms, self._place.sources, self._place.checkpoint, NAME)
        began = time.monotonic()
        real_time = self.is_real_time(self._patients)
        streams = self._streams(real_time)
        self._query = _or_configuration_error(
            lambda: start_query(
                self._spark, self._settings, self._watcher.current, self._patients, streams, self._place, real_time
            ),
            self._hint(),
        )
        self._moved_at = time.monotonic()
        self._counted_epoch = -1
        self._has_fresh_patients = False
        self._metrics.in_force(
            thresholds=self._watcher.current.version, **{CONTACTS_VERSION: self._patients.version or ""}
        )
        log.info(
            "judging",
            thresholds=self._watcher.current.version,
            contacts=self._patients.version,
            real_time=real_time,
            seconds_to_start=round(self._moved_at - began, 1),
        )

    def _stop(self) -> None:
        self._check()
        self._count(time.monotonic())
        self._query.stop()

    def _check(self) -> None:
        """Raises when the query has ended by itself; the supervisor then starts the whole job again."""
        if self._query.isActive:
            return
        raise ended_by_itself(self._query, "The detection query", self._hint())

    def _hint(self) -> str:
        checkpoint = self._settings.hdfs_path("checkpoints", self._place.checkpoint)
        return (
            f"If this comes back at each start, the checkpoint may be of another version: move {checkpoint} on HDFS to "
            f"{aside(checkpoint)} and start {NAME} again. What came more than an hour before is then not judged."
        )

    def _measure(self) -> None:
        now = time.monotonic()
        due = now >= self._measure_at
        if due:
            self._measure_at = now + MEASURE_SECONDS
            self._count(now)
        if now - self._moved_at > self._settings.spark.realtime_epoch_seconds + STALL_SECONDS:
            return
        self._metrics.alive(lag_records(self._spark, self._settings, self._ends, self._place) if due else None)

    def _count(self, now: float) -> None:
        """Add the records of an epoch that has ended since the last look."""
        progress = self._query.lastProgress
        if progress is not None and progress.batchId != self._counted_epoch:
            self._counted_epoch = progress.batchId
            self._moved_at = self._kept_at = now
            self._metrics.records.inc(max(0, progress.numInputRows))


def _require_cores(spark: SparkSession, partitions: int) -> None:
    """Real-time mode needs a core for each partition: with fewer, some are never read, without an error."""
    cores = spark.sparkContext.defaultParallelism
    if cores < partitions:
        raise ConfigurationError(
            f"Detection reads {partitions} partitions and has {cores} cores: it needs one for each. "
            f"Leave spark.master unset or set it to local[{partitions + 1}] (the one more loads fresh contacts)."
        )


def _or_configuration_error(start: Callable[[], StreamingQuery], hint: str) -> StreamingQuery:
    try:
        return start()
    except (PySparkException, Py4JError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigurationError(f"The detection query does not start: {reason} {hint}") from error


if __name__ == "__main__":
    run_stream(NAME, body)
