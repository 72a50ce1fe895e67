"""The streaming query of detection: Kafka to Kafka, for one threshold table and one snapshot of contacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from clinical.thresholds import judging_bands, own_limits
from hbase.snapshots import ThresholdSnapshot
from infra.settings import Settings
from spark_jobs.detection.place import Place
from spark_jobs.kafka import kafka_source, since
from spark_jobs.patients import Patients
from spark_jobs.transforms.breaches import (
    bands_frame,
    find_breaches,
    of_patients,
    own_frame,
    readings_to_judge,
    values_of_derived,
)
from spark_jobs.transforms.readings import long_form

BACK_SECONDS = 3600
"""Without a checkpoint the last hour is judged: more is not to be told anybody as news, and who is there now would have
to wait for it."""


@dataclass(frozen=True)
class Judged:
    """Streams of `readings_to_judge` and of `values_of_derived`."""

    readings: DataFrame
    derived: DataFrame


def start_query(
    spark: SparkSession,
    settings: Settings,
    thresholds: ThresholdSnapshot,
    patients: Patients,
    judged: Judged,
    place: Place,
    real_time: bool,
) -> StreamingQuery:
    """Start judging `judged`, from where the checkpoint stands; at first an hour back.

    In real-time mode each value is judged as it arrives and the checkpoint moves at the end of each epoch. A large
    snapshot of contacts is joined by shuffle, which needs micro-batch mode. Either way breaches are published at least
    once: what was judged after the last checkpoint is judged again after a stop or a crash, under the same `breach_id`.
    """
    writer = (
        _breaches(spark, thresholds, patients, judged)
        .writeStream.queryName(place.checkpoint)
        .format("kafka")
        .option("kafka.bootstrap.servers", settings.bootstrap_servers)
        .option("topic", place.breaches)
        .option("checkpointLocation", settings.hdfs_uri("checkpoints", place.checkpoint))
        .outputMode("update")
    )
    epoch = {"realTime": f"{settings.spark.realtime_epoch_seconds} seconds"}
    trigger: dict[str, Any] = epoch if real_time else {"processingTime": "0 seconds"}
    return writer.trigger(**trigger).start()


def judged(spark: SparkSession, settings: Settings, place: Place, real_time: bool) -> Judged:
    """What is judged, as streams for either mode. To plan them takes the JVM a while; queries share them."""
    most = None if real_time else settings.spark.landing_max_offsets
    start = since(BACK_SECONDS)
    readings, derived = (kafka_source(spark, settings, topic, most, start) for topic in place.sources)
    return Judged(readings_to_judge(readings, settings.readings), values_of_derived(derived))


def _breaches(spark: SparkSession, thresholds: ThresholdSnapshot, patients: Patients, judged: Judged) -> DataFrame:
    contacts = F.broadcast(patients.frame) if patients.is_small else patients.frame.hint("merge")
    values = long_form(of_patients(judged.readings, contacts)).unionByName(of_patients(judged.derived, contacts))
    bands = bands_frame(spark, judging_bands(thresholds.rows))
    own = own_frame(spark, own_limits(thresholds.rows))
    return find_breaches(values, bands, own, thresholds.version, patients.version)
