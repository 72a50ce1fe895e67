"""What a batch of messages becomes in the tables and in the dead-letter topics."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from clinical.tables import BREACHES, DERIVED_VITALS, REJECTED_READINGS, VITAL_READINGS, StoredTable
from clinical.topics import LETTER_KEY_BYTES, LETTER_VALUE_BYTES
from infra.errors import ConfigurationError
from infra.settings import Readings
from spark_jobs.transforms.landing import (
    parse_records,
    reading_dead_letters,
    record_dead_letters,
    rejections,
    stored_readings,
    stored_records,
)
from spark_jobs.transforms.readings import parse_readings

INSERTED = 1_769_855_400_000
"""2026-01-31 10:30:00 UTC."""

READING: dict[str, Any] = {
    "reading_id": 7,
    "patient_id": "P1",
    "device_id": "D1",
    "recorded_at": INSERTED - 1500,
    "inserted_at": INSERTED,
    "recorded_at_is_receipt": False,
    "heart_rate": 72,
    "temperature": 36.6,
    "on_oxygen": True,
    "consciousness": "A",
}
BREACH: dict[str, Any] = {
    **dict.fromkeys(BREACHES.column_names),
    "breach_id": "b1",
    "patient_id": "P1",
    "attribute": "heart_rate",
    "value": 150.0,
    "delay_seconds": 10,
    "contact_missing": False,
    "name": "Zoë Ångström",
    "recorded_at": INSERTED,
    "detected_at": INSERTED + 40,
}


def messages(spark: SparkSession, *values: dict[str, Any] | bytes | None) -> DataFrame:
    rows = [
        (
            b"P1",
            bytearray(json.dumps(value).encode()) if isinstance(value, dict) else value,
            "topic",
            2,
            offset,
            datetime(2026, 1, 31, 11, tzinfo=UTC),
        )
        for offset, value in enumerate(values)
    ]
    schema = "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp"
    return spark.createDataFrame(rows, schema)


def readings(spark: SparkSession, *values: dict[str, Any] | bytes | None) -> DataFrame:
    return parse_readings(messages(spark, *values), Readings())


def moment(collected: datetime) -> datetime:
    """Spark hands out times without a zone, in that of the process."""
    return collected.astimezone(UTC)


def headers(row: Row) -> dict[str, str]:
    return {header["key"]: bytes(header["value"]).decode() for header in row["headers"]}


@pytest.mark.parametrize("table", [VITAL_READINGS, REJECTED_READINGS], ids=lambda table: table.name)
def test_rows_have_the_columns_and_types_of_the_table_and_of_its_partitions(
    spark: SparkSession, table: StoredTable
) -> None:
    df = stored_readings(readings(spark, READING)) if table is VITAL_READINGS else rejections(readings(spark, READING))
    expected = [(column.name, column.type.lower()) for column in (*table.columns, *table.partitions)]
    assert [(field.name, field.dataType.simpleString()) for field in df.schema] == expected


def test_a_reading_is_stored_in_the_hour_of_its_recording(spark: SparkSession) -> None:
    (row,) = stored_readings(readings(spark, READING)).collect()
    assert (row.reading_id, row.patient_id, row.heart_rate) == (7, "P1", Decimal("72.000"))
    assert row.temperature == Decimal("36.600")
    assert row.spo2 is None
    assert moment(row.recorded_at) == datetime(2026, 1, 31, 10, 29, 58, 500_000, UTC)
    assert (row.event_date, row.event_hour) == ("2026-01-31", 10)
    assert (row.kafka_partition, row.kafka_offset) == (2, 0)


def test_a_reading_with_a_bad_attribute_is_stored_without_it_and_the_attribute_is_rejected(spark: SparkSession) -> None:
    parsed = readings(spark, READING | {"heart_rate": 900, "glucose": "abc"})
    (stored,) = stored_readings(parsed).collect()
    assert stored.heart_rate is None
    assert stored.temperature == Decimal("36.600")
    rejected = {row.attribute: row for row in rejections(parsed).collect()}
    assert set(rejected) == {"heart_rate", "glucose"}
    assert rejected["heart_rate"].raw == "900"
    assert "900" in rejected["heart_rate"].reason
    assert rejected["glucose"].reading_id == 7
    assert (rejected["glucose"].source_topic, rejected["glucose"].source_partition) == ("topic", 2)


def test_a_whole_reading_that_is_rejected_has_exactly_one_row_of_its_own_with_all_reasons(spark: SparkSession) -> None:
    parsed = readings(spark, READING | {"patient_id": None, "recorded_at": INSERTED + 86_400_000, "spo2": 101})
    assert stored_readings(parsed).collect() == []
    rows = rejections(parsed).collect()
    (whole,) = [row for row in rows if row.attribute is None]
    assert "patient_id" in whole.reason
    assert "after the insertion" in whole.reason
    assert {row.attribute for row in rows} == {None, "spo2"}


def test_a_rejected_reading_is_filed_under_the_day_of_its_insertion(spark: SparkSession) -> None:
    (row,) = rejections(readings(spark, READING | {"patient_id": ""})).collect()
    assert row.event_date == "2026-01-31"
    assert moment(row.inserted_at) == datetime(2026, 1, 31, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize("value", [b"not json", b"[1]", b'{"heartbeat": 1}', None, b"\xff\xfe\x00"])
def test_a_message_of_another_shape_is_one_rejection_under_the_day_of_the_message(
    spark: SparkSession, value: bytes | None
) -> None:
    parsed = readings(spark, value)
    assert stored_readings(parsed).collect() == []
    (row,) = rejections(parsed).collect()
    assert (row.reading_id, row.attribute, row.event_date) == (None, None, "2026-01-31")
    assert row.reason


@pytest.mark.parametrize("value", [b"not json", b"\xff\xfe\x00", b'{"reading_id": "\xc3\x28"}'])
def test_a_dead_letter_keeps_the_key_and_every_byte(spark: SparkSession, value: bytes) -> None:
    (letter,) = reading_dead_letters(readings(spark, value)).collect()
    assert bytes(letter["value"]) == value
    assert bytes(letter["key"]) == b"P1"
    assert headers(letter)["topic"] == "topic"
    assert headers(letter)["partition"] == "2"
    assert headers(letter)["offset"] == "0"
    assert headers(letter)["error"]


def test_a_dead_letter_that_kafka_would_refuse_holds_the_beginning_and_says_so(spark: SparkSession) -> None:
    df = messages(spark, b"x" * 2_000_000, b"y" * LETTER_VALUE_BYTES)
    large, whole = reading_dead_letters(parse_readings(df, Readings())).orderBy("value").collect()
    assert bytes(large["value"]) == b"x" * LETTER_VALUE_BYTES
    assert headers(large)["cut"] == "2000002"
    assert bytes(whole["value"]) == b"y" * LETTER_VALUE_BYTES
    assert headers(whole)["cut"] == ""
    long_key = parse_readings(df.limit(1).withColumn("key", F.repeat(F.lit("k"), 5000).cast("binary")), Readings())
    (letter,) = reading_dead_letters(long_key).collect()
    assert bytes(letter["key"]) == b"k" * LETTER_KEY_BYTES


def test_a_dead_letter_says_whether_the_rest_of_the_reading_was_stored(spark: SparkSession) -> None:
    partly = READING | {"spo2": "n/a", "glucose": 1e9}
    (letter,) = reading_dead_letters(readings(spark, partly)).collect()
    assert headers(letter)["partly-read"].split(",") == ["spo2", "glucose"]
    (letter,) = reading_dead_letters(readings(spark, partly | {"recorded_at": None})).collect()
    assert headers(letter)["partly-read"] == ""


def test_a_good_reading_is_no_dead_letter(spark: SparkSession) -> None:
    assert reading_dead_letters(readings(spark, READING)).collect() == []
    assert rejections(readings(spark, READING)).collect() == []


def test_a_breach_keeps_all_its_fields(spark: SparkSession) -> None:
    (row,) = stored_records(parse_records(messages(spark, BREACH), BREACHES), BREACHES).collect()
    assert (row.breach_id, row.value, row.delay_seconds, row.contact_missing) == ("b1", 150.0, 10, False)
    assert row["name"] == "Zoë Ångström"
    assert moment(row.detected_at) == datetime(2026, 1, 31, 10, 30, 0, 40_000, UTC)
    assert row.low_value is None
    assert row.event_date == "2026-01-31"


def test_a_breach_that_repeats_within_a_batch_is_stored_once(spark: SparkSession) -> None:
    parsed = parse_records(messages(spark, BREACH, BREACH, BREACH | {"breach_id": "b2"}), BREACHES)
    assert sorted(row.breach_id for row in stored_records(parsed, BREACHES).collect()) == ["b1", "b2"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"not json", "not a JSON object"),
        (None, "not a JSON object"),
        (BREACH | {"breach_id": None}, "lacks breach_id or recorded_at"),
        (BREACH | {"recorded_at": None}, "lacks breach_id or recorded_at"),
        (BREACH | {"recorded_at": "yesterday"}, "another type: recorded_at"),
        (BREACH | {"value": "high", "delay_seconds": "x"}, "another type: value, delay_seconds"),
    ],
)
def test_a_breach_that_cannot_be_stored_is_a_dead_letter_with_the_reason(
    spark: SparkSession, value: dict[str, Any] | bytes | None, words: str
) -> None:
    parsed = parse_records(messages(spark, value), BREACHES)
    assert stored_records(parsed, BREACHES).collect() == []
    (letter,) = record_dead_letters(parsed).collect()
    assert words in headers(letter)["error"]


def test_a_derived_vital_is_parsed_by_the_columns_of_its_own_table(spark: SparkSession) -> None:
    value = {"derived_id": "d", "patient_id": "P1", "attribute": "news2", "value": 5, "computed_for": INSERTED}
    (row,) = stored_records(parse_records(messages(spark, value), DERIVED_VITALS), DERIVED_VITALS).collect()
    assert row.value == Decimal("5.000")
    assert moment(row.computed_for) == datetime(2026, 1, 31, 10, 30, tzinfo=UTC)


def test_missing_kafka_columns_are_named(spark: SparkSession) -> None:
    with pytest.raises(ConfigurationError, match="offset"):
        parse_records(messages(spark, BREACH).drop("offset"), BREACHES)
