"""The query that brings readings and computed values into HBase, in the driver that lands them.

It has a thread and a checkpoint of its own, and nothing waits for it: while HBase is away a batch is tried again and
again, each time after a longer pause, and whatever else ends the query has it started from its checkpoint. What is
written twice changes nothing, so a checkpoint that does not fit its topics is thrown away, and all that Kafka holds is
written again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from prometheus_client import Counter, Gauge
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from clinical.topics import DERIVED_VITALS, VITAL_INFO
from hbase.recent_vitals import RecentVitals
from infra.checkpoints import Offsets, clear_unbegun, read_checkpoint
from infra.clients import hdfs
from infra.errors import ConfigurationError, WardError
from infra.lag import TopicEnds, topic_ends, waiting
from infra.log import get_logger
from infra.metrics import StreamMetrics
from infra.settings import Settings
from spark_jobs.checkpoint import compare
from spark_jobs.kafka import kafka_source
from spark_jobs.transforms.recent import derived_in, readings_in, recent_messages

CHECKPOINT = "recent_vitals"
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
LOOK_SECONDS = 5.0
CLOSE_SECONDS = 6.0
"""A bit longer than HBase may take for one answer."""

T = TypeVar("T")
log = get_logger("recent-vitals")


@dataclass(frozen=True)
class RecentTopics:
    """Where readings and computed values come from."""

    readings: str = VITAL_INFO
    derived: str = DERIVED_VITALS

    @property
    def both(self) -> tuple[str, str]:
        return self.readings, self.derived


class RecentMetrics:
    """What the feed tells of itself beside the stream that it runs in."""

    def __init__(self, metrics: StreamMetrics) -> None:
        registry = metrics.registry
        self.lag = Gauge("wardwatch_recent_lag_records", "Records that wait to be written to HBase", registry=registry)
        self.failing = Gauge("wardwatch_recent_failing", "1 while they cannot be written", registry=registry)
        self.written = Counter("wardwatch_recent_written", "Readings and computed values written", registry=registry)


class ClosedError(Exception):
    """The feed is being closed: a batch that is cut off here is run again at the next start."""


class RecentFeed:
    """Feeds `RecentVitals` from `topics` between `begin` and `close`. `checkpoint`: its directory on HDFS.

    At least once; `RecentVitals.write` makes that exactly once. Faults are told by `RecentMetrics` and, once an outage,
    in the log, and are never raised.
    """

    def __init__(self, settings: Settings, metrics: RecentMetrics, topics: RecentTopics, checkpoint: str) -> None:
        self._settings = settings
        self._metrics = metrics
        self._topics = topics
        self._checkpoint = checkpoint
        self._store = RecentVitals(settings)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._is_failing = False

    def begin(self, spark: SparkSession) -> None:
        """Start, once; returns at once. A second call changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(spark,), name="recent-vitals", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop, within a bounded time; a batch that is under way is given up."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _run(self, spark: SparkSession) -> None:
        while not self._closing.is_set():
            try:
                with topic_ends(self._settings) as ends:
                    self._follow(self._start(spark, ends), ends)
            except Exception as error:
                # Whatever it is, landing goes on.
                self._wait_after(error)

    def _start(self, spark: SparkSession, ends: TopicEnds) -> tuple[StreamingQuery, Offsets]:
        """The query, and what it has already read."""
        reached = self._reached(ends)
        settings = self._settings
        most = settings.recent.max_per_second * settings.spark.landing_interval_seconds
        query = (
            kafka_source(spark, settings, ",".join(self._topics.both), most)
            .writeStream.queryName(f"{self._checkpoint.rpartition('/')[2]}-{self._topics.readings}")
            .option("checkpointLocation", settings.default_fs + self._checkpoint)
            .trigger(processingTime=f"{settings.spark.landing_interval_seconds} seconds")
            .foreachBatch(self._write)
            .start()
        )
        return query, reached

    def _reached(self, ends: TopicEnds) -> Offsets:
        files = hdfs(self._settings)
        clear_unbegun(files, self._checkpoint)
        try:
            begun = read_checkpoint(files, self._checkpoint)
            offsets = begun.offsets if begun else {}
            fits = not compare(ends.extents(self._topics.both), offsets).beyond
        except (ConfigurationError, ValueError, KeyError, FileNotFoundError):
            fits = False
        if fits:
            return offsets
        log.warning("the checkpoint does not fit the topics: everything in them is written again")
        files.rm(self._checkpoint, recursive=True)
        return {}

    def _follow(self, started: tuple[StreamingQuery, Offsets], ends: TopicEnds) -> None:
        """Watch the query until the feed is closed. Raises what ended it."""
        query, reached = started
        try:
            while query.isActive and not self._closing.is_set():
                reached = _offsets(query) or reached
                self._metrics.lag.set(waiting(ends.extents(self._topics.both), reached))
                self._closing.wait(LOOK_SECONDS)
            if not self._closing.is_set():
                error = query.exception()
                raise error if error else WardError("The query ended by itself.")
        finally:
            query.stop()

    def _write(self, df: DataFrame, batch_id: int) -> None:
        table = recent_messages(df, self._settings.readings, self._topics.derived).toArrow()
        while True:
            try:
                written = self._store.write(self._open(readings_in(table)), self._open(derived_in(table)))
                break
            except WardError as error:
                self._wait_after(error)
                if self._closing.is_set():
                    raise
        self._metrics.written.inc(written)
        self._metrics.failing.set(0)
        self._pause = FIRST_PAUSE_SECONDS
        if self._is_failing:
            self._is_failing = False
            log.info("recent readings are written again", batch=batch_id)
        log.debug("written", batch=batch_id, records=written)

    def _open(self, items: Iterator[T]) -> Iterator[T]:
        for item in items:
            if self._closing.is_set():
                raise ClosedError
            yield item

    def _wait_after(self, error: Exception) -> None:
        """Tell of the first error of an outage, and pause, the longer the more there were."""
        if self._closing.is_set():
            return
        if not self._is_failing:
            self._is_failing = True
            self._metrics.failing.set(1)
            log.error("recent readings are not written; it is tried again until they are", reason=str(error)[:500])
        self._closing.wait(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)


def _offsets(query: StreamingQuery) -> Offsets | None:
    """What the query's newest batch has read to; None before the first."""
    progress: Any = query.lastProgress
    if progress is None:
        return None
    told = progress["sources"][0]["endOffset"]
    offsets = orjson.loads(told) if isinstance(told, str | bytes) else told
    return {topic: {int(number): int(at) for number, at in partitions.items()} for topic, partitions in offsets.items()}
