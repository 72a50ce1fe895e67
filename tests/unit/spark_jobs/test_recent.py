"""What goes from Kafka's messages into the store of recent readings."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pyspark.sql import SparkSession

from alerts.watchdog import watchdog_reading
from clinical.messages import WATCHDOG_PATIENT
from clinical.topics import DERIVED_VITALS
from hbase.recent_rows import DerivedValue, Reading
from infra.errors import ConfigurationError
from infra.settings import Readings
from spark_jobs.transforms.recent import derived_in, readings_in, recent_messages
from tests.unit.spark_jobs.frames import kafka_frame

AT = 1_763_838_000_000
SCORE = {
    "derived_id": "P1|news2|1|3|6",
    "patient_id": "P1",
    "attribute": "news2",
    "value": 3,
    "computed_for": AT,
    "inputs_used": 6,
    "inputs_expected": 7,
}


def message(number: int, **changes: Any) -> dict[str, Any]:
    return {"reading_id": number, "patient_id": "P1", "recorded_at": AT, "inserted_at": AT, **changes}


def test_a_reading_comes_with_all_that_it_holds(spark: SparkSession) -> None:
    vitals = {"heart_rate": 72, "temperature": 36.65, "signal_quality": 12, "battery_percent": 80}
    told = message(1, device_id="Gerät 7", on_oxygen=True, consciousness="V", **vitals)
    table = recent_messages(kafka_frame(spark, [told, message(2)]), Readings(), DERIVED_VITALS).toArrow()
    assert list(readings_in(table)) == [Reading("P1", 1, AT, vitals, "Gerät 7", True, "V"), Reading("P1", 2, AT)]
    assert list(derived_in(table)) == []


def test_what_landing_rejects_does_not_come(spark: SparkSession) -> None:
    messages = [
        message(1, heart_rate=900, spo2=97),
        message(2, patient_id=None),
        message(3, recorded_at=AT + 86_400_000),
        b"\xff not JSON",
        None,
    ]
    table = recent_messages(kafka_frame(spark, messages), Readings(), DERIVED_VITALS).toArrow()
    assert list(readings_in(table)) == [Reading("P1", 1, AT, {"spo2": 97})]


def test_the_watchdog_is_no_patient(spark: SparkSession) -> None:
    frame = kafka_frame(spark, [watchdog_reading(AT)], key=WATCHDOG_PATIENT)
    assert recent_messages(frame, Readings(), DERIVED_VITALS).toArrow().num_rows == 0


def test_computed_values_come_from_their_topic_alone(spark: SparkSession) -> None:
    messages = [SCORE, message(1, heart_rate=72), b"\xff", b"[]", None]
    of_both = kafka_frame(spark, messages).union(kafka_frame(spark, messages, topic=DERIVED_VITALS))
    table = recent_messages(of_both, Readings(), DERIVED_VITALS).toArrow()
    assert list(derived_in(table)) == [DerivedValue("P1", "news2", AT, 3.0, 6, 7)]
    assert list(readings_in(table)) == [Reading("P1", 1, AT, {"heart_rate": 72})]


def test_messages_stay_in_their_order(spark: SparkSession) -> None:
    scores = [orjson.dumps({**SCORE, "value": number}) for number in range(5000)]
    frame = kafka_frame(spark, scores, topic=DERIVED_VITALS).coalesce(1)
    table = recent_messages(frame, Readings(), DERIVED_VITALS).toArrow()
    assert [derived.value for derived in derived_in(table)] == list(range(5000))


def test_columns_that_are_missing_are_named(spark: SparkSession) -> None:
    with pytest.raises(ConfigurationError, match="offset"):
        recent_messages(kafka_frame(spark, []).drop("offset"), Readings(), DERIVED_VITALS)
