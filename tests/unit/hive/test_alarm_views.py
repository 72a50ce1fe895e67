"""What the views make of alarms, run by Spark, which reads their HQL as Hive does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from alerts.history_rows import Row, as_table, by_day
from clinical.tables import ALARMS, DATABASE, PATIENTS, VITAL_READINGS, StoredTable
from hive import ddl
from tests.unit.alerts.alarm_rows import STARTED, alarm, by_id

DAY, NEXT_DAY = "2026-01-31", "2026-02-01"


@pytest.fixture(scope="module")
def alarms() -> list[Row]:
    """Two patients on Cardiology and one on no known ward, on one day; one alarm of the first on the next."""
    cleared = {"phase": "ended", "ended_at": STARTED + timedelta(hours=1), "end_reason": "cleared"}
    ignored = {"acknowledged_at": None, "acknowledged_by": None, "seconds_to_acknowledge": None}
    low = {"severity": "low", "peak_severity": "low", "first_told_at": None, "told_at": None, "mails": 0, **ignored}
    pending = {**low, "phase": "pending", "severity": None, "peak_severity": None, "raised_at": None}
    return [
        alarm(patient_id="A", seconds_to_acknowledge=60),
        alarm(patient_id="A", seconds_to_acknowledge=90, attribute="spo2", **cleared),
        alarm(patient_id="A", seconds_to_acknowledge=600, attribute="glucose", escalation=2, mails=3, **cleared),
        alarm(patient_id="A", attribute="news2", **{**cleared, **ignored}),
        alarm(patient_id="B", **{**low, **cleared}),
        alarm(patient_id="B", **{**pending, **cleared, "end_reason": "dropped"}),
        alarm(patient_id="C", **pending),
        alarm(patient_id="D", ward=None, severity="medium", peak_severity="medium"),
        alarm(patient_id="A", started_at=datetime(2026, 2, 1, tzinfo=UTC)),
    ]


@pytest.fixture(scope="module")
def spark_sql(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, alarms: list[Row]) -> Iterator[Any]:
    """Asks Spark, in whose catalogue the views stand on these alarms, readings of A, B, C and E, and E's contact."""
    root = tmp_path_factory.mktemp("health")
    spark.sql(f"CREATE DATABASE {DATABASE} LOCATION '{root}'")
    for table in (ALARMS, VITAL_READINGS, PATIENTS):
        create(spark, table, root)
    write_alarms(spark, root, alarms)
    readings = ", ".join(f"('{patient}', '{day}', 5)" for patient in "ABCE" for day in (DAY, DAY, NEXT_DAY))
    spark.sql(f"INSERT INTO {VITAL_READINGS.full_name} (patient_id, event_date, event_hour) VALUES {readings}")
    contacts = ", ".join(
        f"('{patient}', '{ward}')" for patient, ward in (("C", "Cardiology"), ("E", "ICU"), ("A", "ICU"))
    )
    spark.sql(f"INSERT INTO {PATIENTS.full_name} (patient_id, admitted_ward) VALUES {contacts}")
    for view in ddl.create_alarm_views():
        spark.sql(view)
    yield spark.sql
    spark.sql(f"DROP DATABASE {DATABASE} CASCADE")


def create(spark: SparkSession, table: StoredTable, root: Path) -> None:
    """A table of Spark's own with the columns of ours."""
    columns = ", ".join(f"{column.name} {column.type}" for column in (*table.columns, *table.partitions))
    keys = ", ".join(column.name for column in table.partitions)
    spark.sql(
        f"CREATE TABLE {table.full_name} ({columns}) USING parquet LOCATION '{root / table.name}'"
        + (f" PARTITIONED BY ({keys})" if keys else "")
    )


def write_alarms(spark: SparkSession, root: Path, alarms: list[Row]) -> None:
    """The files that the history writes, a directory a day."""
    for day, rows in by_day(by_id(*alarms)).items():
        directory = root / ALARMS.name / f"event_date={day}"
        directory.mkdir(parents=True)
        pq.write_table(as_table(rows), directory / "alarms.parquet")
        spark.sql(ddl.add_partitions(ALARMS, [({"event_date": day}, str(directory))]))


def test_spark_reads_the_alarms_as_they_were_written(spark_sql: Any, alarms: list[Row]) -> None:
    rows = spark_sql(f"SELECT * FROM {ALARMS.full_name}").toArrow().drop_columns(["event_date"]).to_pylist()
    assert by_id(*rows) == by_id(*alarms)


def test_alarms_per_bed_count_quiet_beds_too_and_no_alarm_that_was_never_active(spark_sql: Any) -> None:
    """A, who has moved since, counts where the alarms were; C, whose alarm is pending, and E have a bed each."""
    rows = spark_sql(
        "SELECT ward, beds, alarms, high, medium, low, alarms_per_bed, ROUND(mailed_per_bed, 3) AS mailed_per_bed"
        f" FROM health.alarms_per_bed_day WHERE event_date = '{DAY}' ORDER BY ward"
    ).collect()
    assert [tuple(row) for row in rows] == [
        ("Cardiology", 3, 5, 4, 0, 1, 5 / 3, 1.333),
        ("ICU", 1, 0, 0, 0, 0, 0.0, 0.0),
        ("ward unknown", 1, 1, 0, 1, 0, 1.0, 1.0),
    ]


def test_each_day_has_beds_and_alarms_of_its_own(spark_sql: Any) -> None:
    rows = spark_sql(
        f"SELECT ward, beds, alarms FROM health.alarms_per_bed_day WHERE event_date = '{NEXT_DAY}' ORDER BY ward"
    ).collect()
    assert [tuple(row) for row in rows] == [("Cardiology", 2, 1), ("ICU", 1, 0), ("ward unknown", 1, 0)]


def test_the_response_tells_how_fast_and_how_often_alarms_were_answered(spark_sql: Any) -> None:
    rows = spark_sql(
        "SELECT ward, severity, alarms, mailed, acknowledged, median_seconds_to_acknowledge, escalated, ended,"
        " cleared_without_action, ROUND(share_cleared_without_action, 3)"
        f" FROM health.alarm_response WHERE event_date = '{DAY}' ORDER BY ward, severity"
    ).collect()
    assert [tuple(row) for row in rows] == [
        ("Cardiology", "high", 4, 4, 3, 90.0, 1, 3, 1, 0.333),
        ("Cardiology", "low", 1, 0, 0, None, 0, 1, 1, 1.0),
        ("ward unknown", "medium", 1, 1, 1, 120.0, 0, 0, 0, None),
    ]
