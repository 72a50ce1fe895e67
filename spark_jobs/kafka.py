"""Kafka as Spark reads and writes it, the same in every job."""

from __future__ import annotations

import time
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from infra.settings import Settings

FROM_THE_BEGINNING = {"startingOffsets": "earliest"}


def since(seconds: float) -> dict[str, str]:
    """Options for a query that begins with what came in the last so many seconds."""
    return {
        "startingTimestamp": str(int((time.time() - seconds) * 1000)),
        "startingOffsetsByTimestampStrategy": "latest",
    }


def kafka_source(
    spark: SparkSession,
    settings: Settings,
    topic: str,
    max_offsets: int | None,
    start: Mapping[str, str] = FROM_THE_BEGINNING,
) -> DataFrame:
    """The committed messages of a topic (or of several, with commas between them) as a stream.

    `start` are the options of Spark that say where a new query begins. A batch has at most `max_offsets` messages;
    None: any number, as real-time mode takes no limit.
    It goes on past records that Kafka has deleted: to stop would leave all later ones aside as well.
    """
    options = {
        "kafka.bootstrap.servers": settings.bootstrap_servers,
        "kafka.isolation.level": "read_committed",
        "kafka.allow.auto.create.topics": "false",
        "subscribe": topic,
        "failOnDataLoss": "false",
        **start,
    }
    if max_offsets is not None:
        options["maxOffsetsPerTrigger"] = str(max_offsets)
    return spark.readStream.format("kafka").options(**options).load()


def write_to_kafka(settings: Settings, df: DataFrame, topic: str) -> None:
    """Publish `key`, `value`, `headers`; at least once."""
    df.write.format("kafka").option("kafka.bootstrap.servers", settings.bootstrap_servers).option("topic", topic).save()
