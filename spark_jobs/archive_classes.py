"""Makes the archive of classes (JEP 350, class data sharing) with which the Spark drivers of this machine start.

python -m spark_jobs.archive_classes FILE

Without it a driver looks through three hundred jars for each of its fifteen thousand classes, parses and verifies it,
which is a third of the processor time of a start. The archive is written when the JVM of a rehearsal ends, in which a
few readings are parsed, judged, derived from and stored on the local disk: no server is needed. A JVM to which the
archive does not fit (other jars, another Java) leaves it aside and starts as slowly as without.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from clinical.rolling import GLUCOSE_MEAN
from infra.errors import WardError
from infra.settings import Settings, load_settings
from spark_jobs.derive_vitals import STATE
from spark_jobs.session import spark_properties
from spark_jobs.transforms import derived
from spark_jobs.transforms.breaches import PATIENT_SCHEMA, bands_frame, find_breaches, of_patients, readings_to_judge
from spark_jobs.transforms.derived import (
    inputs_of_readings,
    latest_inputs,
    mean_messages,
    mean_windows,
    news2_messages,
)
from spark_jobs.transforms.landing import stored_readings
from spark_jobs.transforms.readings import long_form, typed_readings
from spark_jobs.transforms.sql import text

READING = {"reading_id": 1, "patient_id": "P0001", "recorded_at": 1_763_838_000_000, "heart_rate": 72}
MESSAGE = {
    "key": "binary('P0001')",
    "value": f"binary({text(orjson.dumps(READING).decode())})",
    "topic": "'vital-info'",
    "partition": "0",
    "offset": "0L",
    "timestamp": "timestamp_millis(1763838000000)",
}


def archive_classes(settings: Settings, file: Path) -> None:
    """Write the archive to `file`. Raises WardError when the JVM wrote none."""
    properties = spark_properties(settings, "local[2]", flags=f"-XX:ArchiveClassesAtExit={file}")
    builder = SparkSession.builder.appName("archive-classes").master("local[2]")
    for key, value in {**properties, **STATE}.items():
        builder = builder.config(key, value)
    spark = builder.config("spark.hadoop.fs.defaultFS", "file:///").getOrCreate()
    gateway: Any = spark.sparkContext._gateway
    with tempfile.TemporaryDirectory() as scratch:
        _rehearse(spark, settings, scratch)
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()  # a driver ends when nobody can speak to it any more
    gateway.proc.wait()
    if not file.exists():
        raise WardError(f"Java wrote no archive of classes to {file}.")


def _rehearse(spark: SparkSession, settings: Settings, scratch: str) -> None:
    message = spark.range(1).selectExpr(*(f"{value} AS {name}" for name, value in MESSAGE.items()))
    message.write.parquet(f"{scratch}/messages")
    patients = spark.createDataFrame([], PATIENT_SCHEMA)

    def land(df: DataFrame, _batch_id: int) -> None:
        seen = Observation()
        stored = stored_readings(typed_readings(df, settings.readings).observe(seen, F.count("*").alias("records")))
        stored.repartition(2, "event_date").write.partitionBy("event_date").parquet(f"{scratch}/readings")
        values = long_form(of_patients(readings_to_judge(df, settings.readings), F.broadcast(patients)))
        find_breaches(values, bands_frame(spark, []), None, "none", None).collect()

    def derive(df: DataFrame, _batch_id: int) -> None:
        news2_messages(df, known, settings.derivation).collect()

    def average(df: DataFrame, _batch_id: int) -> None:
        mean_messages(df, GLUCOSE_MEAN).collect()

    known = F.broadcast(spark.createDataFrame([], derived.PATIENT_SCHEMA))
    messages = spark.readStream.schema(message.schema).parquet(f"{scratch}/messages")
    inputs = inputs_of_readings(messages, settings.readings)
    for name, stream, work in (
        ("land", messages, land),
        ("derive", latest_inputs(inputs, settings.derivation.remember_seconds), derive),
        ("average", mean_windows(inputs, GLUCOSE_MEAN, settings.derivation.late_seconds), average),
    ):
        writer = stream.writeStream.outputMode("update").foreachBatch(work)
        writer = writer.option("checkpointLocation", f"{scratch}/checkpoints/{name}")
        writer.trigger(availableNow=True).start().awaitTermination()


if __name__ == "__main__":
    archive_classes(load_settings(), Path(sys.argv[1]).resolve())
