"""The snapshot of contacts, without a metastore."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from clinical.tables import BEFORE_ANY_IMPORT
from infra.errors import UnavailableError
from infra.settings import Settings
from spark_jobs.patients import load_patients
from spark_jobs.transforms import derived
from spark_jobs.transforms.breaches import PATIENT_SCHEMA


def people(spark: SparkSession, directory: Path, count: int) -> str:
    rows = [(f"P-{number}", "Zoë", "1", "A", "W", None) for number in range(count)]
    location = str(directory / f"v{count}")
    spark.createDataFrame(rows, PATIENT_SCHEMA).write.parquet(location)
    return location


def test_contacts_up_to_the_limit_are_rows_and_beyond_it_files(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings.model_validate({"spark": {"patients_broadcast_max": 3}})
    small = load_patients(spark, settings, people(spark, tmp_path, 3))
    large = load_patients(spark, settings, people(spark, tmp_path, 4))
    assert (small.version, small.is_small, small.frame.count()) == ("v3", True, 3)
    assert (large.version, large.is_small, large.frame.count()) == ("v4", False, 4)
    assert small.frame.schema == large.frame.schema


def test_without_a_table_of_contacts_everybody_is_unknown(spark: SparkSession) -> None:
    patients = load_patients(spark, Settings(), None)
    assert (patients.version, patients.is_small, patients.frame.count()) == (None, True, 0)


def test_the_directory_before_any_import_is_no_version(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / BEFORE_ANY_IMPORT).mkdir()
    patients = load_patients(spark, Settings(), str(tmp_path / BEFORE_ANY_IMPORT))
    assert (patients.version, patients.is_small, patients.frame.count()) == (None, True, 0)


def test_contacts_that_cannot_be_read_are_named(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="gone"):
        load_patients(spark, Settings(), str(tmp_path / "gone"))


def test_only_the_columns_that_are_wanted_are_read(spark: SparkSession, tmp_path: Path) -> None:
    located = load_patients(spark, Settings(), people(spark, tmp_path, 2), derived.PATIENT_SCHEMA)
    assert tuple(located.frame.columns) == derived.PATIENT_COLUMNS
    assert load_patients(spark, Settings(), None, derived.PATIENT_SCHEMA).frame.schema == located.frame.schema
