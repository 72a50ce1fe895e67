"""Messages as the data frames that Spark's Kafka source gives."""

import json
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

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
