"""Which values lie outside their normal band: the same judgement as `clinical.thresholds.judge`, as joins.

Only projections, generators, unions and broadcast joins with an equality, so that it runs in Spark's real-time mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clinical.ages import ADULT_YEARS
from clinical.messages import BREACH_FIELDS, DERIVED_FIELDS
from clinical.thresholds import JudgingBand
from clinical.vitals import DERIVED, JUDGED, VITALS
from infra.settings import Readings
from spark_jobs.transforms.readings import KAFKA_COLUMNS, age_years, judged_readings, vital_of
from spark_jobs.transforms.sql import computed_once, require_columns, struct, text, text_fields, text_list, time_of

VALUE_COLUMNS = (
    "source_topic",
    "source_id",
    "patient_id",
    "device_id",
    "attribute",
    "value",
    "inputs_used",
    "inputs_expected",
    "recorded_at",
    "recorded_at_is_receipt",
    "inserted_at",
)
"""A value to be judged, wherever it comes from."""

READING_OWN = tuple(name for name in VALUE_COLUMNS if name not in ("attribute", "value"))
"""What all values of a reading have in common."""

PATIENT_COLUMNS = ("patient_id", "name", "phone", "address", "admitted_ward", "date_of_birth")
PATIENT_SCHEMA = (
    "patient_id STRING, name STRING, phone STRING, address STRING, admitted_ward STRING, date_of_birth DATE"
)

KNOWN_COLUMNS = (*(f"known_{name}" for name in PATIENT_COLUMNS if name != "date_of_birth"), "age")
"""What is known of the patient of a value."""

GENERAL = ""
"""Whose the general limits are: nobody's; a patient's id is never blank."""

OWN_SCHEMA = pa.schema({"own_patient": pa.string(), "own_attribute": pa.string()})

BAND_SCHEMA = pa.schema(
    {
        "band_of": pa.string(),
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


def readings_to_judge(df: DataFrame, readings: Readings) -> DataFrame:
    """The judged readings of `vital-info` messages (Kafka's source columns): READING_OWN and the vitals.

    A reading whose clock is of no use is judged by the time of its insertion, which is then marked as a receipt.
    """
    return judged_readings(df, readings).selectExpr(
        "topic AS source_topic",
        "CAST(reading_id AS STRING) AS source_id",
        "patient_id",
        "device_id",
        "CAST(NULL AS INT) AS inputs_used",
        "CAST(NULL AS INT) AS inputs_expected",
        "judged_at AS recorded_at",
        "recorded_at_is_receipt OR NOT coalesce(judged_at = recorded_at, false) AS recorded_at_is_receipt",
        "inserted_at",
        *VITALS,
    )


def values_of_derived(df: DataFrame) -> DataFrame:
    """The judged values of `derived-vitals` messages (Kafka's source columns); what cannot be read is left out.

    `inserted_at` is Kafka's timestamp.
    """
    require_columns(df, KAFKA_COLUMNS)
    message = computed_once(text_fields("CAST(value AS STRING)", DERIVED_FIELDS))
    fields = df.selectExpr("topic", "timestamp", f"{message} AS m").where("m._corrupt IS NULL")
    value = " ".join(f"WHEN {text(name)} THEN {vital_of('m.value', vital)}" for name, vital in DERIVED.items())
    values = fields.selectExpr(
        "topic AS source_topic",
        "m.derived_id AS source_id",
        "m.patient_id AS patient_id",
        "CAST(NULL AS STRING) AS device_id",
        "m.attribute AS attribute",
        f"CASE m.attribute {value} END AS value",
        "try_cast(m.inputs_used AS INT) AS inputs_used",
        "try_cast(m.inputs_expected AS INT) AS inputs_expected",
        f"{time_of('m.computed_for')} AS recorded_at",
        "false AS recorded_at_is_receipt",
        "timestamp AS inserted_at",
    )
    required = ("source_id", "patient_id", "value", "recorded_at")
    return values.where(" AND ".join(f"{name} IS NOT NULL" for name in required))


def bands_frame(spark: SparkSession, bands: Iterable[JudgingBand]) -> DataFrame:
    """The alerting bands as a small static data frame. An open limit is an infinity where it is compared."""
    rows = [
        (
            band.row.patient_id or GENERAL,
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
            band.row.origin,
            band.row.updated_by,
        )
        for band in bands
    ]
    return _static_frame(spark, rows, BAND_SCHEMA)


def own_frame(spark: SparkSession, own: Iterable[tuple[str, str]]) -> DataFrame | None:
    """Who has limits of their own for what (`own_limits`), as a small static data frame; None when nobody has."""
    rows = sorted(own)
    return _static_frame(spark, rows, OWN_SCHEMA) if rows else None


def _static_frame(spark: SparkSession, rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> DataFrame:
    # Through Arrow: from rows, Spark would start a Python worker for it at each epoch.
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema]
    return spark.createDataFrame(pa.table(columns, schema=schema))


def of_patients(df: DataFrame, patients: DataFrame) -> DataFrame:
    """Readings or values (READING_OWN) with whose they are: KNOWN_COLUMNS, and `age` in years at that time.

    `patients` has PATIENT_COLUMNS, each patient once, and is broadcast when the caller marks it so. Of a patient who is
    not there everything is NULL. A reading is joined before it is taken apart into its values: age takes calendars.
    """
    require_columns(df, READING_OWN)
    require_columns(patients, PATIENT_COLUMNS)
    known = patients.selectExpr(*(f"{name} AS known_{name}" for name in PATIENT_COLUMNS))
    age = age_years("recorded_at", "known_date_of_birth")
    joined = df.join(known, F.expr("patient_id = known_patient_id"), "left").selectExpr("*", f"{age} AS exact_age")
    return joined.selectExpr(
        *df.columns, *KNOWN_COLUMNS[:-1], "CASE WHEN exact_age < 0 THEN 0.0D ELSE exact_age END AS age"
    )


def find_breaches(
    values: DataFrame,
    bands: DataFrame,
    own: DataFrame | None,
    threshold_version: str,
    patients_version: str | None,
) -> DataFrame:
    """The breaches among `values` (VALUE_COLUMNS and, of `of_patients`, KNOWN_COLUMNS), as Kafka's `key` (patient) and
    `value` (JSON, BREACH_FIELDS).

    `bands` is of `bands_frame`, `own` of `own_frame`; both are broadcast, and without `own` there is a join less. A
    patient who is not known, or has no birth date, is judged by adult bands.
    """
    require_columns(values, (*VALUE_COLUMNS, *KNOWN_COLUMNS))
    rounded = values.selectExpr(*VALUE_COLUMNS, *KNOWN_COLUMNS, f"{_rounded()} AS rounded")
    whose = rounded.withColumn("limits_of", F.lit(GENERAL)) if own is None else _with_owner(rounded, own)
    judged_age = f"coalesce(age, {float(ADULT_YEARS)}D)"
    hit = (
        f"attribute = band_attribute AND limits_of = band_of AND {judged_age} >= from_age AND {judged_age} < below_age"
        " AND rounded BETWEEN from_value AND to_value"
    )
    found = whose.join(F.broadcast(bands), F.expr(hit), "inner")
    fields = _breach_columns(threshold_version, patients_version)
    message = struct(**{name: fields.get(name, name) for name in BREACH_FIELDS})
    return found.selectExpr("patient_id AS key", f"to_json({message}, map('ignoreNullFields', 'false')) AS value")


def _with_owner(values: DataFrame, own: DataFrame) -> DataFrame:
    """With `limits_of`: the patient whose own limits take the place of the general ones for this value."""
    is_own = "patient_id = own_patient AND attribute = own_attribute"
    return values.join(F.broadcast(own), F.expr(is_own), "left").selectExpr(
        *values.columns, f"coalesce(own_patient, {text(GENERAL)}) AS limits_of"
    )


def _breach_columns(threshold_version: str, patients_version: str | None) -> dict[str, str]:
    """The fields of a breach that are not columns of that name."""
    units = ", ".join(f"{text(name)}, {text(vital.unit)}" for name, vital in JUDGED.items())
    return {
        "breach_id": "sha2(concat_ws('|', source_topic, source_id, attribute), 256)",
        "value": "rounded",
        "unit": f"map({units})[attribute]",
        "threshold_version": text(threshold_version),
        "patients_version": "CAST(NULL AS STRING)" if patients_version is None else text(patients_version),
        "contact_missing": "known_patient_id IS NULL",
        "name": "known_name",
        "phone": "known_phone",
        "address": "known_address",
        "ward": "known_admitted_ward",
        "age_years": "age",
        "recorded_at": "unix_millis(recorded_at)",
        "inserted_at": "unix_millis(inserted_at)",
        # current_timestamp() is the start of the epoch in real-time mode; this is asked for each row.
        "detected_at": "CAST(reflect('java.lang.System', 'currentTimeMillis') AS BIGINT)",
    }


def _rounded() -> str:
    """The value rounded half-up to the resolution of its attribute, as DOUBLE.

    A decimal of at most 15 digits and the double nearest to it are in the same order, so doubles compare exactly here.
    """
    scales = sorted({vital.scale for vital in JUDGED.values()})
    names = {scale: text_list(name for name, vital in JUDGED.items() if vital.scale == scale) for scale in scales}
    cases = " ".join(
        f"WHEN attribute IN ({names[scale]}) THEN CAST(round(value, {scale}) AS DOUBLE)" for scale in scales
    )
    return f"CASE {cases} END"


def _number(value: Decimal | None, open_limit: float | None = None) -> float | None:
    return open_limit if value is None else float(value)
