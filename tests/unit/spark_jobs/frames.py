"""Messages as the data frames that Spark's Kafka source gives, and a stream of them batch by batch."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from infra.settings import Readings
from spark_jobs.transforms.derived import inputs_of_readings

KAFKA_SCHEMA = "key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT, timestamp TIMESTAMP"


def kafka_frame(
    spark: SparkSession,
    messages: list[Any],
    topic: str = "vital-info",
    timestamp_ms: int = 1_763_838_001_000,
    key: str | None = None,
) -> DataFrame:
    """Kafka's source columns with these messages as values: bytes and None as they are, anything else as JSON."""
    at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    values = [m if m is None or isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
    rows = [
        (
            bytearray(key.encode()) if key else None,
            bytearray(value) if value is not None else None,
            topic,
            0,
            offset,
            at,
        )
        for offset, value in enumerate(values)
    ]
    return spark.createDataFrame(rows, KAFKA_SCHEMA)


def run_batch(
    frame: DataFrame, directory: Path, aggregate: Callable[[DataFrame], DataFrame], take: Callable[[DataFrame], object]
) -> StreamingQuery:
    """Run a stream, in update mode, until it has read these messages too; its query. What it has read before is in the
    directory. `take` is given what has changed."""
    frame.coalesce(1).write.mode("append").parquet(str(directory / "messages"))

    def each(changes: DataFrame, _batch_id: int) -> None:
        take(changes)

    messages_so_far = frame.sparkSession.readStream.schema(frame.schema).parquet(str(directory / "messages"))
    query = (
        aggregate(inputs_of_readings(messages_so_far, Readings()))
        .writeStream.outputMode("update")
        .foreachBatch(each)
        .option("checkpointLocation", str(directory / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    return query
