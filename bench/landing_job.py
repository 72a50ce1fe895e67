"""Landing as a process of its own into a table of a benchmark: python -m bench.landing_job SUFFIX CONTENDER NUMBER

CONTENDER is `landing`, the product's own job, which compacts what it landed when it is told to stop; or `file-sink`,
Spark's own sink of Parquet files with the same source, parsing, columns, partitions and trigger.
"""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession

from clinical.tables import REJECTED_READINGS, VITAL_READINGS, StoredTable
from infra.errors import WardError
from infra.log import configure_logging
from infra.metrics import StreamMetrics
from infra.settings import Settings, load_settings
from spark_jobs.compact_readings import compact
from spark_jobs.kafka import kafka_source
from spark_jobs.land_vitals import LandingJob
from spark_jobs.landing.streams import ReadingStream
from spark_jobs.session import spark_session, stop_session
from spark_jobs.transforms.landing import stored_readings
from spark_jobs.transforms.readings import typed_readings, without_watchdog

LANDING, FILE_SINK = "landing", "file-sink"
POLL_SECONDS = 0.5
CLOSED = timedelta(hours=3)
"""Compaction looks this far back for hours that are over."""


@dataclass(frozen=True)
class LandingPlace:
    """The topic that is landed and the names that the `number`th contender of a benchmark works under."""

    suffix: str
    contender: str
    number: int

    @property
    def topic(self) -> str:
        return f"bench-backlog-{self.suffix}"

    @property
    def table(self) -> StoredTable:
        return replace(VITAL_READINGS, name=self._named("readings"))

    @property
    def rejected(self) -> StoredTable:
        return replace(REJECTED_READINGS, name=self._named("rejected"))

    @property
    def job(self) -> str:
        return f"land-{self.contender}-{self.number}"

    @property
    def stream(self) -> ReadingStream:
        return ReadingStream(self.topic, self.table, f"{self.topic}-dlq", self.rejected)

    @property
    def checkpoint(self) -> tuple[str, ...]:
        """Below the warehouse on HDFS."""
        return ("checkpoints", self.job, self.stream.checkpoint)

    def _named(self, what: str) -> str:
        return f"bench_{what}_{self.suffix}_{self.contender.replace('-', '_')}_{self.number}"


def land(settings: Settings, place: LandingPlace, stop: threading.Event) -> None:
    """The product's job until `stop`, then its compaction of the hours that are over."""
    LandingJob(settings, StreamMetrics(place.job), (place.stream,), place.job).run(stop)
    now = datetime.now(UTC)
    for _ in compact(settings, {place.table: settings.hdfs_path(*place.checkpoint)}, now - CLOSED, now):
        pass


def sink(settings: Settings, place: LandingPlace, stop: threading.Event) -> None:
    """Spark's own file sink until `stop`. Raises WardError when its query ends by itself."""
    spark = spark_session(settings, place.job, "local[2]")
    # As in landing.
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    try:
        _sink(settings, place, stop, spark)
    finally:
        stop_session(spark)


def _sink(settings: Settings, place: LandingPlace, stop: threading.Event, spark: SparkSession) -> None:
    readings = typed_readings(
        without_watchdog(kafka_source(spark, settings, place.topic, settings.spark.landing_max_offsets)),
        settings.readings,
    )
    query = (
        stored_readings(readings)
        .writeStream.format("parquet")
        .partitionBy(*(column.name for column in place.table.partitions))
        .option("path", settings.hdfs_uri("hive", place.table.name))
        .option("checkpointLocation", settings.hdfs_uri(*place.checkpoint))
        .trigger(processingTime=f"{settings.spark.landing_interval_seconds} seconds")
        .start()
    )
    while not stop.wait(POLL_SECONDS):
        if not query.isActive:
            raise WardError(f"The file sink ended by itself: {query.exception()}")
    query.stop()


CONTENDERS = {LANDING: land, FILE_SINK: sink}


def main(suffix: str, contender: str, number: str) -> None:
    """Land until SIGTERM."""
    configure_logging()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    CONTENDERS[contender](load_settings(), LandingPlace(suffix, contender, int(number)), stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
