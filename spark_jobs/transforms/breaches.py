"""Which values lie outside their normal band: the same judgement as `clinical.thresholds.judge`, as joins.

Only projections, generators, unions and broadcast joins with an equality, so that it runs in Spark's real-time mode.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clinical.ages import ADULT_YEARS
from clinical.messages import BREACH_FIELDS, DERIVED_FIELDS
from clinical.tables import VITAL_TYPE
from clinical.thresholds import JudgingBand
from clinical.vitals import DERIVED, JUDGED, VITALS
from infra.settings import Readings
from spark_jobs.transforms.readings import (
    KAFKA_COLUMNS,
    age_years,
    judged_readings,
    long_form,
    require_columns,
    text_fields,
    time_of,
    vital_of,
)

VALUE_COLUMNS = (
    "source_topic",
    "source_id",
    "patient_id",
    "device_id",
    "attribute",
    "value",
    "recorded_at",
    "recorded_at_is_receipt",
    "inserted_at",
)
"""A value to be judged, wherever it comes from."""

PATIENT_COLUMNS = ("patient_id", "name", "phone", "address", "admitted_ward", "date_of_birth")
PATIENT_SCHEMA = (
    "patient_id STRING, name STRING, phone STRING, address STRING, admitted_ward STRING, date_of_birth DATE"
)

BAND_SCHEMA = pa.schema(
    {
        "band_attribute": pa.string(),
        "from_age": pa.float64(),
        "below_age": pa.float64(),
        "from_value": pa.float64(),
        "to_value": pa.float64(),
        "direction": pa.string(),
        "severity": pa.string(),
        "low_value": pa.float64(),
        "high_value": pa.float64(),
        "normal_low": pa.float64(),
        "normal_high": pa.float64(),
        "clear_margin": pa.float64(),
        "delay_seconds": pa.int32(),
        "alert_message": pa.string(),
        "threshold_row": pa.string(),
        "threshold_source": pa.string(),
        "threshold_updated_by": pa.string(),
    }
)


def values_of_readings(df: DataFrame, readings: Readings) -> DataFrame:
    """The judged values of `vital-info` messages (Kafka's source columns), one row for each vital present.

    A reading whose clock is of no use is judged by the time of its insertion, which is then marked as a receipt.
    """
    clock_is_believed = F.col("judged_at") == F.col("recorded_at")
    wide = judged_readings(df, readings).select(
        F.col("topic").alias("source_topic"),
        F.col("reading_id").cast("string").alias("source_id"),
        "patient_id",
        "device_id",
        F.col("judged_at").alias("recorded_at"),
        (F.col("recorded_at_is_receipt") | ~F.coalesce(clock_is_believed, F.lit(False))).alias(
            "recorded_at_is_receipt"
        ),
        "inserted_at",
        *VITALS,
    )
    return long_form(wide).select(*VALUE_COLUMNS)


def values_of_derived(df: DataFrame) -> DataFrame:
    """The judged values of `derived-vitals` messages (Kafka's source columns); what cannot be read is left out.

    `inserted_at` is Kafka's timestamp.
    """
    require_columns(df, KAFKA_COLUMNS)
    message = F.explode(F.array(text_fields(F.col("value").cast("string"), DERIVED_FIELDS))).alias("m")
    fields = df.select("topic", "timestamp", message).where("m._corrupt IS NULL")
    value = F.coalesce(
        *(F.when(F.col("m.attribute") == name, vital_of(F.col("m.value"), vital)) for name, vital in DERIVED.items())
    )
    values = fields.select(
        F.col("topic").alias("source_topic"),
        F.col("m.derived_id").alias("source_id"),
        F.col("m.patient_id").alias("patient_id"),
        F.lit(None).cast("string").alias("device_id"),
        F.col("m.attribute").alias("attribute"),
        value.cast(VITAL_TYPE).alias("value"),
        time_of(F.col("m.computed_for")).alias("recorded_at"),
        F.lit(False).alias("recorded_at_is_receipt"),
        F.col("timestamp").alias("inserted_at"),
    )
    return values.dropna(subset=["source_id", "patient_id", "value", "recorded_at"])


def bands_frame(spark: SparkSession, bands: Iterable[JudgingBand]) -> DataFrame:
    """The alerting bands as a small static data frame. An open limit is an infinity where it is compared."""
    rows = [
        (
            band.row.attribute,
            float(band.low_age),
            _number(band.high_age, float("inf")),
            _number(band.row.low_value, float("-inf")),
            _number(band.row.high_value, float("inf")),
            band.row.direction,
            band.row.severity,
            _number(band.row.low_value),
            _number(band.row.high_value),
            _number(band.normal_low),
            _number(band.normal_high),
            float(band.row.clear_margin),
            band.row.delay_seconds,
            band.row.alert_message,
            band.row.row_key,
            band.row.source,
            band.row.updated_by,
        )
        for band in bands
    ]
    # Through Arrow: from rows, Spark would start a Python worker for it at each epoch.
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in BAND_SCHEMA]
    return spark.createDataFrame(pa.table(columns, schema=BAND_SCHEMA))


def find_breaches(
    values: DataFrame, bands: DataFrame, patients: DataFrame, threshold_version: str, patients_version: str | None
) -> DataFrame:
    """The breaches among `values` (VALUE_COLUMNS), as Kafka's `key` (patient) and `value` (JSON, BREACH_FIELDS).

    `bands` is of `bands_frame` and broadcast; `patients` has PATIENT_COLUMNS, each patient once, and is broadcast when
    the caller marks it so. A patient who is not there, or has no birth date, is judged by adult bands.
    """
    require_columns(values, VALUE_COLUMNS)
    require_columns(patients, PATIENT_COLUMNS)
    known = patients.select(*(F.col(name).alias(f"known_{name}") for name in PATIENT_COLUMNS))
    aged = values.join(known, F.col("patient_id") == F.col("known_patient_id"), "left").select(
        *VALUE_COLUMNS,
        *known.columns,
        _rounded().alias("rounded"),
        _not_negative(age_years(F.col("recorded_at"), F.col("known_date_of_birth"))).alias("age"),
    )
    judged_age = F.coalesce("age", F.lit(ADULT_YEARS))
    hit = (
        (F.col("attribute") == F.col("band_attribute"))
        & (judged_age >= F.col("from_age"))
        & (judged_age < F.col("below_age"))
        & F.col("rounded").between(F.col("from_value"), F.col("to_value"))
    )
    found = aged.join(F.broadcast(bands), hit, "inner")
    fields = _breach_columns(threshold_version, patients_version)
    message = F.struct(*(fields[name].alias(name) for name in BREACH_FIELDS))
    return found.select(
        F.col("patient_id").alias("key"), F.to_json(message, {"ignoreNullFields": "false"}).alias("value")
    )


def _breach_columns(threshold_version: str, patients_version: str | None) -> dict[str, Column]:
    computed = {
        "breach_id": F.sha2(F.concat_ws("|", "source_topic", "source_id", "attribute"), 256),
        "value": F.col("rounded"),
        "unit": _by_attribute({name: vital.unit for name, vital in JUDGED.items()}),
        "threshold_version": F.lit(threshold_version),
        "patients_version": F.lit(patients_version).cast("string"),
        "contact_missing": F.col("known_patient_id").isNull(),
        "name": F.col("known_name"),
        "phone": F.col("known_phone"),
        "address": F.col("known_address"),
        "ward": F.col("known_admitted_ward"),
        "age_years": F.col("age"),
        "recorded_at": F.unix_millis("recorded_at"),
        "inserted_at": F.unix_millis("inserted_at"),
        # current_timestamp() is the start of the epoch in real-time mode; this is asked for each row.
        "detected_at": F.reflect(F.lit("java.lang.System"), F.lit("currentTimeMillis")).cast("bigint"),
    }
    return {name: computed.get(name, F.col(name)) for name in BREACH_FIELDS}


def _rounded() -> Column:
    """The value rounded half-up to the resolution of its attribute, as DOUBLE.

    A decimal of at most 15 digits and the double nearest to it are in the same order, so doubles compare exactly here.
    """
    scales = sorted({vital.scale for vital in JUDGED.values()})
    rounded = {scale: F.round("value", scale).cast("double") for scale in scales}
    return F.coalesce(
        *(
            F.when(F.col("attribute").isin([name for name, vital in JUDGED.items() if vital.scale == scale]), column)
            for scale, column in rounded.items()
        )
    )


def _not_negative(age: Column) -> Column:
    return F.when(age < 0, F.lit(0.0)).otherwise(age)


def _by_attribute(texts: dict[str, str]) -> Column:
    pairs = [F.lit(part) for pair in texts.items() for part in pair]
    return F.create_map(*pairs)[F.col("attribute")]


def _number(value: Decimal | None, open_limit: float | None = None) -> float | None:
    return open_limit if value is None else float(value)
