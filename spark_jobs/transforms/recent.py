"""What a batch of messages becomes in the store of recent readings. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from clinical.vitals import MEASURED
from hbase.recent_rows import DerivedValue, Reading, derived_of_message
from infra.settings import Readings
from spark_jobs.transforms.readings import typed_readings, without_watchdog
from spark_jobs.transforms.sql import text

ROWS_AT_ONCE = 2000
DERIVED = "derived"
_OF_READING = ("patient_id", "reading_id", "recorded_at", "device_id", "on_oxygen", "consciousness")


def recent_messages(df: DataFrame, readings: Readings, derived_topic: str) -> DataFrame:
    """The readings that landing stores (as `typed_readings` accepts them), and what came on `derived_topic` as it is.

    In: Kafka's source columns, of both topics: one pass is cheaper than one for each. Out: a reading's columns, its
    time in epoch ms and its values as DOUBLE, and `derived` BINARY, which is NULL but for a message of that topic. The
    messages of a partition stay in their order. Raises ConfigurationError naming the Kafka columns that `df` lacks.
    """
    is_derived = f"topic = {text(derived_topic)}"
    told = typed_readings(without_watchdog(df), readings).where(f"accepted OR ({is_derived} AND raw IS NOT NULL)")
    return told.selectExpr(
        "patient_id",
        "reading_id",
        "unix_millis(recorded_at) AS recorded_at",
        "device_id",
        "on_oxygen",
        "consciousness",
        *(f"CAST({name} AS DOUBLE) AS {name}" for name in MEASURED),
        # As bytes: it may be anything, and need not be text.
        f"CASE WHEN {is_derived} THEN CAST(raw AS BINARY) END AS {DERIVED}",
    )


def readings_in(table: pa.Table) -> Iterator[Reading]:
    """The readings among the rows of `recent_messages`, in their order."""
    of_readings = table.filter(table[DERIVED].is_null())
    for start in range(0, of_readings.num_rows, ROWS_AT_ONCE):
        part = of_readings.slice(start, ROWS_AT_ONCE)
        told = zip(*(part[name].to_pylist() for name in _OF_READING), strict=True)
        measured = zip(*(part[name].to_pylist() for name in MEASURED), strict=True)
        for (patient_id, reading_id, recorded_at, *others), row in zip(told, measured, strict=True):
            values = {name: value for name, value in zip(MEASURED, row, strict=True) if value is not None}
            yield Reading(patient_id, reading_id, recorded_at, values, *others)


def derived_in(table: pa.Table) -> Iterator[DerivedValue]:
    """The computed values among the rows of `recent_messages`, in their order; what is none is left out."""
    for raw in table[DERIVED].drop_null().to_pylist():
        derived = derived_of_message(raw)
        if derived is not None:
            yield derived
