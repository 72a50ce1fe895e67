"""Detection judges as `clinical.thresholds.judge` does, and tells everything that a consumer needs."""

import csv
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import hbase
from alerts.bedside import read_reading
from alerts.watchdog import is_watchdog, watchdog_breach_id, watchdog_reading
from clinical.ages import age_years
from clinical.messages import BREACH_FIELDS, WATCHDOG_PATIENT, Breach, breach_id
from clinical.thresholds import ThresholdRow, check_table, judge, judging_bands, own_limits, parse_rows
from clinical.vitals import JUDGED
from infra.settings import Readings
from spark_jobs.transforms.breaches import (
    PATIENT_SCHEMA,
    VALUE_COLUMNS,
    bands_frame,
    find_breaches,
    of_patients,
    own_frame,
    readings_to_judge,
    values_of_derived,
)
from spark_jobs.transforms.readings import long_form
from tests.unit.spark_jobs.frames import kafka_frame

NOW = datetime(2025, 11, 22, 19, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
VALUES_SCHEMA = (
    "source_topic STRING, source_id STRING, patient_id STRING, device_id STRING, attribute STRING, "
    "value DECIMAL(10,3), inputs_used INT, inputs_expected INT, "
    "recorded_at TIMESTAMP, recorded_at_is_receipt BOOLEAN, inserted_at TIMESTAMP"
)


@pytest.fixture(scope="module")
def table() -> list[ThresholdRow]:
    """The default threshold table."""
    path = Path(hbase.__path__[0]) / "defaults" / "threshold_reference.csv"
    with path.open(newline="", encoding="utf-8") as file:
        cells = {f"{line['attribute']}#{number:03d}": line for number, line in enumerate(csv.DictReader(file), 1)}
    rows, problems = parse_rows(cells)
    assert not problems
    return rows


def breaches_of(
    spark: SparkSession,
    table: list[ThresholdRow],
    values: list[tuple[Any, ...]] | None,
    patients: list[tuple[Any, ...]],
    frame: Any = None,
) -> list[dict[str, Any]]:
    """The breaches among rows of VALUE_COLUMNS (or of a frame of them) as dictionaries."""
    frame = spark.createDataFrame(values or [], VALUES_SCHEMA) if frame is None else frame
    assert tuple(frame.columns) == VALUE_COLUMNS
    found = judged(spark, table, frame, spark.createDataFrame(patients, PATIENT_SCHEMA))
    assert found.columns == ["key", "value"]
    rows = [(row.key, json.loads(row.value)) for row in found.collect()]
    assert all(key == breach["patient_id"] for key, breach in rows)
    return [breach for _, breach in rows]


def judged(spark: SparkSession, table: list[ThresholdRow], values: DataFrame, patients: DataFrame) -> DataFrame:
    bands, own = bands_frame(spark, judging_bands(table)), own_frame(spark, own_limits(table))
    return find_breaches(of_patients(values, patients), bands, own, "T1", "P1")


def values_of_readings(df: DataFrame, readings: Readings) -> DataFrame:
    """Every judged value of these messages, in a row of VALUE_COLUMNS."""
    return long_form(readings_to_judge(df, readings)).select(*VALUE_COLUMNS)


def value(attribute: str, number: Decimal | str, patient: str = "P-1", source_id: str = "1") -> tuple[Any, ...]:
    return ("vital-info", source_id, patient, "D-1", attribute, Decimal(number), None, None, NOW, False, NOW)


def birth_at_age(years: Decimal) -> date:
    """The latest birth date that makes the age `years` (a whole number of months) on the day of NOW."""
    months = int(years * 12)
    index = NOW.year * 12 + NOW.month - 1 - months
    return date(index // 12, index % 12 + 1, NOW.day)


def edge_births(table: list[ThresholdRow]) -> Iterator[date | None]:
    """Birth dates on and on either side of each age limit, one in the future, and an unknown one."""
    for years in sorted({row.low_age for row in table} | {row.high_age for row in table if row.high_age is not None}):
        on_limit = birth_at_age(years)
        yield from (on_limit - timedelta(days=1), on_limit, on_limit + timedelta(days=1))
    yield None


def edge_values(table: list[ThresholdRow], attribute: str) -> set[Decimal]:
    """Values on, just off and half a step off each limit of the attribute, inside the plausible range."""
    vital = JUDGED[attribute]
    step = Decimal(1).scaleb(-vital.scale)
    limits = {limit for row in table if row.attribute == attribute for limit in (row.low_value, row.high_value)}
    around = (Decimal(0), step, -step, step / 2, -step / 2, step * Decimal("0.49"), -step * Decimal("0.49"))
    near = {limit + offset for limit in limits if limit is not None for offset in around}
    return {number for number in near | {vital.low, vital.high} if vital.low <= number <= vital.high}


def test_spark_and_python_judge_alike_at_every_limit_of_value_and_age(
    spark: SparkSession, table: list[ThresholdRow]
) -> None:
    births = {f"P-{number}": birth for number, birth in enumerate(edge_births(table))}
    expected: dict[tuple[str, str, str], ThresholdRow] = {}
    values = []
    for attribute in JUDGED:
        for number in sorted(edge_values(table, attribute)):
            for patient, birth in births.items():
                values.append(value(attribute, number, patient, source_id=str(number)))
                row = judge(table, attribute, number, age_years(NOW.date(), birth) if birth else None)
                if row is not None and row.alert_flag:
                    expected[attribute, str(number), patient] = row
    patients = [(patient, "Name", None, None, "W", birth) for patient, birth in births.items()]
    found = breaches_of(spark, table, values, patients)
    keys = [(breach["attribute"], breach["source_id"], breach["patient_id"]) for breach in found]
    assert len(keys) == len(set(keys)), "a value met two bands"
    assert {key: breach["threshold_row"] for key, breach in zip(keys, found, strict=True)} == {
        key: row.row_key for key, row in expected.items()
    }
    assert len(expected) > 1000
    assert {row.row_key for row in expected.values()} == {row.row_key for row in table if row.alert_flag}


def with_own_limits(table: list[ThresholdRow]) -> list[ThresholdRow]:
    """The table with, for oxygen saturation, a patient whose adult bands lie eight lower at any age and one who is
    never alerted."""
    adult = [row for row in table if row.attribute == "spo2" and row.high_age is None]
    own: dict[str, Any] = {"low_age": Decimal(0), "updated_by": "Dr Jane"}
    lower = [
        replace(
            row,
            **own,
            row_key=f"spo2#{number:03d}",
            patient_id="P-LOW",
            reason="COPD",
            low_value=row.low_value and row.low_value - 8,
            high_value=row.high_value and row.high_value - 8,
        )
        for number, row in enumerate(adult, 101)
    ]
    silent = replace(adult[-1], **own, row_key="spo2#201", patient_id="P-SILENT", reason="Comfort care", low_value=None)
    wider = [*table, *lower, silent]
    assert check_table(wider) == []
    return wider


def test_spark_and_python_judge_a_patient_alike_by_limits_of_their_own(
    spark: SparkSession, table: list[ThresholdRow]
) -> None:
    wider = with_own_limits(table)
    patients = ("P-LOW", "P-SILENT", "P-OTHER", "p-low", "")
    values = [
        value(attribute, number, patient, source_id=f"{number}")
        for attribute in ("spo2", "heart_rate")
        for number in sorted(edge_values(wider, attribute))
        for patient in patients
    ]
    expected = {}
    for _, number, patient, _, attribute, *_ in values:
        row = judge(wider, attribute, number, 40.0, patient)
        if row is not None and row.alert_flag:
            expected[attribute, number, patient] = row.row_key
    births = [(patient, "Name", None, None, "W", birth_at_age(Decimal(40))) for patient in patients]
    found = breaches_of(spark, wider, values, births)
    told = {(breach["attribute"], breach["source_id"], breach["patient_id"]): breach for breach in found}
    assert len(told) == len(found), "a value met two bands"
    assert {case: breach["threshold_row"] for case, breach in told.items()} == expected
    limits = {patient: {b["normal_low"] for b in found if b["patient_id"] == patient} for patient in patients}
    assert limits["P-LOW"] == {88.0, 51.0}
    assert limits["P-SILENT"] == {51.0}, "of the heart rate alone"
    assert limits["P-OTHER"] == limits["p-low"] == limits[""] == {96.0, 51.0}
    own = next(breach for breach in found if breach["threshold_row"] == "spo2#101")
    assert own["threshold_updated_by"] == "Dr Jane"
    assert own["threshold_source"] == "limits of this patient alone: COPD; NEWS2 (RCP 2017); delay: Gorges 2009"


def test_every_join_is_a_broadcast_one_and_limits_of_single_patients_cost_one_more_only_where_there_are_some(
    spark: SparkSession, table: list[ThresholdRow]
) -> None:
    """Real-time mode knows no other join and no shuffle."""
    values = spark.createDataFrame([value("spo2", "90")], VALUES_SCHEMA)
    patients = F.broadcast(spark.createDataFrame([], PATIENT_SCHEMA))
    plans = [
        judged(spark, limits, values, patients)._jdf.queryExecution().sparkPlan().toString()
        for limits in (table, with_own_limits(table))
    ]
    assert [plan.count("BroadcastHashJoin") for plan in plans] == [2, 3]
    assert not any(other in plan for plan in plans for other in ("SortMerge", "NestedLoop", "Cartesian", "Shuffle"))


def test_a_breach_carries_everything_that_its_consumers_need(spark: SparkSession, table: list[ThresholdRow]) -> None:
    patient = ("P-1", "Zoë “Z” O'Neill, Dr.", "+44 20 7946 0000", "1 High St\nLondon", "W-3", date(1950, 1, 1))
    before = int(time.time() * 1000)
    (breach,) = breaches_of(spark, table, [value("temperature", "39.149")], [patient])
    row = judge(table, "temperature", 39.1, 75)
    assert row is not None
    normal = next(
        r
        for r in table
        if r.attribute == "temperature" and r.direction == "normal" and r.low_age <= 75 and r.high_age is None
    )
    detected_at = breach.pop("detected_at")
    assert before <= detected_at <= time.time() * 1000
    assert breach == {
        "breach_id": breach_id("vital-info", "1", "temperature"),
        "source_topic": "vital-info",
        "source_id": "1",
        "patient_id": "P-1",
        "device_id": "D-1",
        "attribute": "temperature",
        "value": 39.1,
        "unit": "°C",
        "inputs_used": None,
        "inputs_expected": None,
        "direction": row.direction,
        "severity": row.severity,
        "low_value": row.low_value and float(row.low_value),
        "high_value": row.high_value and float(row.high_value),
        "normal_low": normal.low_value and float(normal.low_value),
        "normal_high": normal.high_value and float(normal.high_value),
        "clear_margin": float(row.clear_margin),
        "delay_seconds": row.delay_seconds,
        "alert_message": row.alert_message,
        "threshold_row": row.row_key,
        "threshold_source": row.source,
        "threshold_updated_by": row.updated_by,
        "threshold_version": "T1",
        "patients_version": "P1",
        "contact_missing": False,
        "name": patient[1],
        "phone": patient[2],
        "address": patient[3],
        "ward": "W-3",
        "age_years": age_years(NOW.date(), date(1950, 1, 1)),
        "recorded_at": NOW_MS,
        "recorded_at_is_receipt": False,
        "inserted_at": NOW_MS,
    }
    assert set(breach) | {"detected_at"} == set(BREACH_FIELDS)


def test_an_unknown_patient_is_judged_by_adult_bands_and_the_breach_says_so(
    spark: SparkSession, table: list[ThresholdRow]
) -> None:
    (breach,) = breaches_of(spark, table, [value("heart_rate", "140")], [])
    assert (breach["contact_missing"], breach["age_years"], breach["name"]) == (True, None, None)
    row = judge(table, "heart_rate", 140, None)
    assert row is not None
    assert breach["threshold_row"] == row.row_key


def test_a_known_patient_without_a_birth_date_is_not_missing(spark: SparkSession, table: list[ThresholdRow]) -> None:
    (breach,) = breaches_of(spark, table, [value("heart_rate", "140")], [("P-1", "N", "1", "A", "W", None)])
    assert (breach["contact_missing"], breach["age_years"], breach["name"]) == (False, None, "N")


def test_a_table_without_rows_finds_nothing(spark: SparkSession) -> None:
    assert breaches_of(spark, [], [value("heart_rate", "300")], []) == []


def test_readings_become_breaches_of_each_vital_outside_its_band(
    spark: SparkSession, table: list[ThresholdRow]
) -> None:
    message = {
        "reading_id": 9, "patient_id": "P-1", "device_id": None, "recorded_at": NOW_MS, "inserted_at": NOW_MS + 3,
        "recorded_at_is_receipt": False, "heart_rate": 180, "spo2": 80, "temperature": 37.0, "glucose": "high",
    }  # fmt: skip
    frame = values_of_readings(kafka_frame(spark, [message, b"{", {"heart_rate": 10}]), Readings())
    found = breaches_of(spark, table, None, [], frame)
    assert {b["attribute"]: b["breach_id"] for b in found} == {
        name: breach_id("vital-info", "9", name) for name in ("heart_rate", "spo2")
    }


@pytest.mark.parametrize(("quality", "found"), [(None, 2), (20, 2), ("19.9", 1), (0, 1), (150, 2), ("none", 2)])
def test_what_electrodes_without_contact_give_is_no_breach(
    spark: SparkSession, table: list[ThresholdRow], quality: object, found: int
) -> None:
    message = {
        "reading_id": 9, "patient_id": "P-1", "recorded_at": NOW_MS, "inserted_at": NOW_MS,
        "heart_rate": 0, "systolic_bp": 60, "signal_quality": quality,
    }  # fmt: skip
    values = values_of_readings(kafka_frame(spark, [message]), Readings())
    assert len(breaches_of(spark, table, None, [], values)) == found
    seen = read_reading(json.dumps(message).encode(), NOW_MS, Readings())
    assert seen is not None
    assert len(seen.values) == found
    everything = values_of_readings(kafka_frame(spark, [message]), Readings(least_signal_quality=0))
    assert len(breaches_of(spark, table, None, [], everything)) == 2


def test_a_breach_with_a_clock_in_the_future_is_judged_by_its_insertion(
    spark: SparkSession, table: list[ThresholdRow]
) -> None:
    message = {
        "reading_id": 9, "patient_id": "P-1", "recorded_at": NOW_MS + 86_400_000, "inserted_at": NOW_MS,
        "recorded_at_is_receipt": False, "heart_rate": 180,
    }  # fmt: skip
    (breach,) = breaches_of(spark, table, None, [], values_of_readings(kafka_frame(spark, [message]), Readings()))
    assert (breach["recorded_at"], breach["recorded_at_is_receipt"]) == (NOW_MS, True)


def test_a_derived_value_is_just_another_vital(spark: SparkSession, table: list[ThresholdRow]) -> None:
    good: dict[str, Any] = {
        "derived_id": "P-1|news2|1", "patient_id": "P-1", "attribute": "news2", "value": 8,
        "computed_for": NOW_MS, "inputs_used": 5, "inputs_expected": 7,
    }  # fmt: skip
    bad: list[Any] = [
        {**good, "attribute": "heart_rate"}, {**good, "value": "many"}, {**good, "value": 9999},
        {**good, "computed_for": None}, {**good, "patient_id": None}, b"{", None, {},
    ]  # fmt: skip
    frame = values_of_derived(kafka_frame(spark, [good, *bad], topic="derived-vitals"))
    (breach,) = breaches_of(spark, table, None, [], frame)
    assert (breach["attribute"], breach["value"], breach["source_topic"]) == (
        "news2",
        8.0,
        "derived-vitals",
    )
    assert (breach["inputs_used"], breach["inputs_expected"]) == (5, 7)
    assert breach["breach_id"] == breach_id("derived-vitals", good["derived_id"], "news2")


def test_the_watchdog_is_one_breach_by_the_default_table_and_known_by_its_identity(
    spark: SparkSession, table: list[ThresholdRow]
) -> None:
    frame = values_of_readings(
        kafka_frame(spark, [watchdog_reading(NOW_MS)], timestamp_ms=NOW_MS, key=WATCHDOG_PATIENT), Readings()
    )
    [breach] = breaches_of(spark, table, None, [], frame)
    assert is_watchdog(cast(Breach, breach))
    assert breach["breach_id"] == watchdog_breach_id(NOW_MS)
    assert breach["source_id"] == str(-NOW_MS)
