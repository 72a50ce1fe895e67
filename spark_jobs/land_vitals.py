"""Stream `land-vitals`: readings and breaches from Kafka to Parquet under Hive, exactly once.

One driver, one query a topic, a batch every `spark.landing_interval_seconds`. Whatever goes wrong in a batch ends the
process; its supervisor starts it again and the batch is run again without adding anything twice. Beside them runs the
query that brings recent readings into HBase (`spark_jobs.recent.feed`); what goes wrong there ends nothing here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from py4j.protocol import Py4JError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from infra.checkpoints import CommittedOffsets, clear_unbegun, read_checkpoint
from infra.clients import hdfs, with_retries
from infra.errors import WardError
from infra.lag import TopicEnds, topic_ends, waiting
from infra.locks import KeptLock
from infra.log import get_logger
from infra.metrics import StreamMetrics
from infra.priority import give_way
from infra.settings import Settings
from infra.stream import run_stream
from spark_jobs.checkpoint import aside, read_or_refuse, remove_overdue
from spark_jobs.clock import BatchClock
from spark_jobs.ended import ended_by_itself
from spark_jobs.first_batch import has_begun
from spark_jobs.kafka import kafka_source
from spark_jobs.landing.batch import Batch, sweep_staging
from spark_jobs.landing.readiness import require_servers, require_tables
from spark_jobs.landing.retention import check_retention
from spark_jobs.landing.streams import NOTHING, STREAMS, Landed, LandingStream
from spark_jobs.recent.feed import CHECKPOINT as RECENT_CHECKPOINT
from spark_jobs.recent.feed import RecentFeed, RecentMetrics, RecentTopics
from spark_jobs.session import spark_session
from spark_jobs.transforms.readings import without_watchdog

NAME = "land-vitals"
POLL_SECONDS, START_POLL_SECONDS = 2.0, 0.2
AQE_EMPTY_RELATION = "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"
UNREADABLE = (
    "where landing stopped is not known. If HDFS misses a block for now (`hdfs fsck`), landing goes on when that is "
    "back. Once it is moved to {}, a start of {} lands all that Kafka has, so first drop the partitions of Hive that "
    "hold any of it, or its readings are there twice."
)
LOCK_SECONDS = 30.0
"""How long a restarted job waits for MySQL to notice that its predecessor died."""

log = get_logger(NAME)


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Land every topic until `stop` is set or a query fails.

    Raises UnavailableError when a server is not there, SingleInstanceError when another copy runs.
    """
    with_retries(settings, lambda: require_servers(settings, [stream.topic for stream in STREAMS]))
    with KeptLock(settings, f"wardwatch:stream:{NAME}", LOCK_SECONDS, stop):
        LandingJob(settings, metrics, STREAMS, when_begun=give_way, recent=RecentTopics()).run(stop)


class LandingJob:
    """The queries of `streams` in one driver. `name` tells its checkpoints from those of another job; `when_begun` is
    called once, when the first batch of each is over. Then the feed of recent readings begins, unless `recent` is None.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: StreamMetrics,
        streams: tuple[LandingStream, ...],
        name: str = NAME,
        when_begun: Callable[[], None] = lambda: None,
        recent: RecentTopics | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._streams = streams
        self._name = name
        self._when_begun = when_begun
        self._failures: list[WardError] = []
        self._feed: RecentFeed | None = None
        if recent is not None:
            checkpoint = settings.hdfs_path("checkpoints", name, RECENT_CHECKPOINT)
            self._feed = RecentFeed(settings, RecentMetrics(metrics), recent, checkpoint)
        self._committed = {stream.topic: CommittedOffsets(self.checkpoint(stream)) for stream in streams}

    def checkpoint(self, stream: LandingStream) -> str:
        """The directory of a query's checkpoint on HDFS."""
        return self._settings.hdfs_path("checkpoints", self._name, stream.checkpoint)

    def run(self, stop: threading.Event) -> None:
        """Start the queries and watch them until `stop` is set.

        Raises what a batch raised. At the end, however it comes, the session is stopped.
        """
        spark = spark_session(self._settings, self._name, "local[2]")
        # Times as INT64, which Parquet keeps statistics of; Hive reads them as the same UTC wall clock.
        spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        spark.conf.set("spark.sql.shuffle.partitions", "2")
        # In a batch of which nothing is stored, this rule throws the plan away with what is observed in it, and asking
        # for the metrics fails with an assertion.
        spark.conf.set("spark.sql.adaptive.optimizer.excludedRules", AQE_EMPTY_RELATION)
        try:
            with topic_ends(self._settings) as ends:
                self._run(spark, ends, stop)
        except Exception as error:
            if not stop.is_set():
                raise
            # A signal to the process group ends the JVM too, so a batch may fail on the way out; it is run again.
            log.info("a batch was cut off", reason=type(error).__name__)
        finally:
            if self._feed is not None:
                self._feed.close()
            with suppress(Py4JError, OSError):
                spark.stop()

    def _run(self, spark: SparkSession, ends: TopicEnds, stop: threading.Event) -> None:
        self._metrics.alive()
        require_tables(spark, [table for stream in self._streams for table in stream.tables])
        self._metrics.alive(self._lag(ends))
        to_start, queries, beginning = list(self._streams), list[StreamingQuery](), True
        clock = BatchClock()
        while not stop.is_set():
            clock.require_not_set_back()
            for query in queries:
                self._check(query)
            # Side by side, all first batches would take as long as the last: readings, the first of `STREAMS`, would
            # be seen later.
            if beginning and all(has_begun(query) for query in queries):
                if to_start:
                    queries.append(self._start(spark, to_start.pop(0), ends))
                else:
                    beginning = False
                    self._when_begun()
                    if self._feed is not None:
                        self._feed.begin(spark)
            self._metrics.alive(self._lag(ends))
            stop.wait(START_POLL_SECONDS if to_start else POLL_SECONDS)
        for query in queries:
            query.stop()

    def _start(self, spark: SparkSession, stream: LandingStream, ends: TopicEnds) -> StreamingQuery:
        checkpoint = self.checkpoint(stream)
        files = hdfs(self._settings)
        clear_unbegun(files, checkpoint)
        remove_overdue(self._settings, files, checkpoint)
        if begun := read_or_refuse(files, checkpoint, UNREADABLE.format(aside(checkpoint), NAME)):
            check_retention(self._settings, ends, stream.topic, begun, checkpoint)
        for table in stream.tables:
            sweep_staging(self._settings, table)
        messages = kafka_source(spark, self._settings, stream.topic, self._settings.spark.landing_max_offsets)
        return (
            messages.writeStream.queryName(f"{self._name}-{stream.topic}")
            .option("checkpointLocation", self._settings.default_fs + checkpoint)
            .trigger(processingTime=f"{self._settings.spark.landing_interval_seconds} seconds")
            .foreachBatch(self._batch_function(stream))
            .start()
        )

    def _batch_function(self, stream: LandingStream) -> Callable[[DataFrame, int], None]:
        def land(df: DataFrame, batch_id: int) -> None:
            try:
                checkpoint = read_checkpoint(hdfs(self._settings), self.checkpoint(stream))
                assert checkpoint is not None, "Spark writes the checkpoint before its first batch"
                landed = land_batch(stream, Batch(self._settings, checkpoint.query_id, batch_id), df)
            except WardError as error:
                self._failures.append(error)
                raise
            self._metrics.records.inc(landed.records)
            self._metrics.rejected.inc(landed.rejected)
            log.info("landed", topic=stream.topic, batch=batch_id, records=landed.records, rejected=landed.rejected)

        return land

    def _check(self, query: StreamingQuery) -> None:
        if query.isActive:
            return
        if self._failures:
            raise self._failures[0]
        raise ended_by_itself(query, f"The query {query.name}")

    def _lag(self, ends: TopicEnds) -> int:
        files = hdfs(self._settings)
        return sum(
            waiting(ends.extents([topic]), committed.read(files)) for topic, committed in self._committed.items()
        )


def land_batch(stream: LandingStream, batch: Batch, df: DataFrame) -> Landed:
    """What `stream` makes of one batch, the watchdog's messages left out: they are no business of analysts.

    The first batch of a new checkpoint is empty when the topic is. Spark then plans no scan, so there would be nothing
    that could be observed: its metrics fail with an assertion. A later one has a scan, whatever comes of it, and is not
    looked at first, which is a job of its own.
    """
    patients = without_watchdog(df)
    if batch.batch_id == 0 and patients.isEmpty():
        return NOTHING
    return stream.land(batch, patients)


if __name__ == "__main__":
    run_stream(NAME, body)
