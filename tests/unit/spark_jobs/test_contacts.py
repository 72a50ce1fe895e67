"""Contacts: types, merging, deletions."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.transforms import contacts
from spark_jobs.transforms.contacts import TYPES, Arrival, Changes

ARROW = {
    "STRING": pa.string(),
    "DATE": pa.date32(),
    "INT": pa.int32(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}


def frame(spark: SparkSession, rows: Iterable[dict[str, Any]], types: dict[str, str]) -> DataFrame:
    """Rows with these columns; by Arrow, which spares the start of a Python worker."""
    table = pa.Table.from_pylist(list(rows), pa.schema([(name, ARROW[kind]) for name, kind in types.items()]))
    return spark.createDataFrame(table)


def raw(spark: SparkSession, *rows: dict[str, str | None]) -> DataFrame:
    return frame(spark, rows, dict.fromkeys(TYPES, "STRING"))


def patients(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return frame(spark, rows, TYPES)


def keys(spark: SparkSession, **updated_at: datetime | None) -> DataFrame:
    rows = ({"patient_id": name, "updated_at": at} for name, at in updated_at.items())
    return frame(spark, rows, {"patient_id": "STRING", "updated_at": "TIMESTAMP"})


def ids(rows: DataFrame) -> list[str]:
    return sorted(row.patient_id for row in rows.collect())


def at(hour: int) -> datetime:
    return datetime(2026, 3, 1, hour)  # noqa: DTZ001 - Spark gives and takes times without a zone


def test_text_becomes_the_columns_of_the_table(spark: SparkSession):
    text = {
        "patient_id": "p1",
        "name": "Zoë, 'O\"Brien'\n😀",
        "phone": "",
        "date_of_birth": "1931-02-28",
        "spo2_scale": "2",
        "pregnant": "0",
        "updated_at": "2026-11-22 10:00:00.123",
        "discharged_at": "1969-12-31 23:00:00.5",
    }
    row = contacts.typed(raw(spark, text), {}).first()
    assert row is not None
    assert row.asDict() == {
        **dict.fromkeys(TYPES),
        "patient_id": "p1",
        "name": "Zoë, 'O\"Brien'\n😀",
        "phone": "",
        "date_of_birth": date(1931, 2, 28),
        "spo2_scale": 2,
        "pregnant": False,
        "updated_at": datetime(2026, 11, 22, 10, 0, 0, 123_000),  # noqa: DTZ001
        "discharged_at": datetime(1969, 12, 31, 23, 0, 0, 500_000),  # noqa: DTZ001
    }


def test_the_columns_are_those_of_the_hive_table(spark: SparkSession):
    assert contacts.typed(raw(spark), {}).dtypes == patients(spark).dtypes


def test_local_time_becomes_utc(spark: SparkSession):
    text = {"patient_id": "p1", "updated_at": "2026-07-01 14:00:00", "discharged_at": "2026-07-01 14:00:00"}
    row = contacts.typed(raw(spark, text), {"discharged_at": "Europe/Berlin"}).first()
    assert row is not None
    assert (row.updated_at.hour, row.discharged_at.hour) == (14, 12)


def test_a_value_that_cannot_be_read_becomes_null_and_is_counted(spark: SparkSession):
    text = raw(spark, {"patient_id": "p1", "date_of_birth": "0000-00-00"}, {"patient_id": "p2", "spo2_scale": None})
    assert [row.date_of_birth for row in contacts.typed(text, {}).collect()] == [None, None]
    assert contacts.arrival(text).unreadable == {"date_of_birth": 1}


def test_a_delta_replaces_and_adds_rows(spark: SparkSession):
    base = patients(spark, {"patient_id": "p1", "phone": "1"}, {"patient_id": "p2", "phone": "2"})
    delta = patients(spark, {"patient_id": "p2", "phone": "22"}, {"patient_id": "p3", "phone": "3"})
    merged = contacts.with_delta(base, delta)
    assert {row.patient_id: row.phone for row in merged.collect()} == {"p1": "1", "p2": "22", "p3": "3"}
    assert contacts.changes(base, merged) == Changes(rows=3, new=1, changed=1, deleted=0)


def test_what_is_not_among_the_keys_goes_but_not_what_came_after_they_were_read(spark: SparkSession):
    delta = patients(spark, {"patient_id": "just added"})
    base = patients(spark, {"patient_id": "stays"}, {"patient_id": "deleted"})
    merged = contacts.without_deleted(contacts.with_delta(base, delta), delta, keys(spark, stays=None))
    assert ids(merged) == ["just added", "stays"]
    assert contacts.changes(base, merged) == Changes(rows=2, new=1, changed=0, deleted=1)


def test_rows_that_came_with_too_old_a_time_are_stale(spark: SparkSession):
    merged = patients(
        spark,
        {"patient_id": "same", "updated_at": at(8)},
        {"patient_id": "changed", "updated_at": at(8)},
        {"patient_id": "newer", "updated_at": at(9)},
        {"patient_id": "had_no_time"},
        {"patient_id": "never_had_one"},
    )
    listed = keys(
        spark,
        same=at(8),
        changed=at(9),
        newer=at(8),
        had_no_time=at(8),
        never_had_one=None,
        missing=at(1),
        lacking=None,
    )
    assert ids(contacts.stale(merged, listed)) == ["changed", "had_no_time", "lacking", "missing"]


@pytest.mark.parametrize(
    "column", [("phone", "", None), ("pregnant", False, None), ("updated_at", at(8), at(9)), ("name", "Zoe", "Zoë")]
)
def test_any_difference_is_a_change_and_null_is_not_the_empty_text(spark: SparkSession, column: tuple[str, Any, Any]):
    name, old, new = column
    before, after = (patients(spark, {"patient_id": "p1", name: value}) for value in (old, new))
    assert contacts.changes(before, after) == Changes(rows=1, new=0, changed=1, deleted=0)
    assert not contacts.changes(before, before.select("*"))


def test_the_latest_time_of_change_is_one_that_can_be_read(spark: SparkSession):
    times = ["2026-03-01 10:00:00.000", "2026-03-01 11:00:00.500", "unknown", None]
    rows = raw(spark, *({"patient_id": f"p{n}", "updated_at": time} for n, time in enumerate(times)))
    assert contacts.arrival(rows) == Arrival(4, 4, "2026-03-01 11:00:00.500", {"updated_at": 1})


def test_ids_that_are_not_unique_are_found(spark: SparkSession):
    rows = raw(spark, {"patient_id": "p1"}, {"patient_id": "p2"}, {"patient_id": "p1"})
    assert contacts.arrival(rows) == Arrival(rows=3, ids=2, latest=None, unreadable={})
    assert ids(contacts.repeated_ids(rows)) == ["p1"]
