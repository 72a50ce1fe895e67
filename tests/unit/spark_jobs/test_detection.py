"""The decisions of detection that need no server."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from infra.errors import ConfigurationError, UnavailableError
from infra.lag import Extent
from infra.settings import Settings
from spark_jobs.checkpoint import Mismatch, compare
from spark_jobs.patients import load_patients
from spark_jobs.session import spark_properties
from spark_jobs.transforms.breaches import PATIENT_SCHEMA

EXTENTS = {"a": {0: Extent(10, 20), 1: Extent(0, 5)}, "b": {0: Extent(0, 0)}}


def test_a_checkpoint_inside_its_topics_fits() -> None:
    assert compare(EXTENTS, {"a": {0: 10, 1: 5}, "b": {0: 0}}) == Mismatch(vanished=0, beyond=False)


def test_a_checkpoint_that_has_not_begun_fits() -> None:
    assert compare(EXTENTS, {}) == Mismatch(vanished=0, beyond=False)


def test_records_deleted_before_they_were_judged_are_counted() -> None:
    assert compare(EXTENTS, {"a": {0: 3, 1: 2}}) == Mismatch(vanished=7, beyond=False)


def test_a_checkpoint_beyond_its_topic_belongs_to_another_one() -> None:
    assert compare(EXTENTS, {"a": {0: 15, 1: 6}}).beyond


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


def test_contacts_that_cannot_be_read_are_named(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="gone"):
        load_patients(spark, Settings(), str(tmp_path / "gone"))


def test_missing_jars_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="spark-metastore-client: run"):
        spark_properties(Settings(tools_dir=tmp_path), "local[2]")


def test_extra_properties_win(tmp_path: Path) -> None:
    for name in ("spark", "spark-metastore-client"):
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "some.jar").touch()
    settings = Settings.model_validate({"tools_dir": tmp_path, "spark": {"extra": {"spark.ui.enabled": "true"}}})
    properties = spark_properties(settings, "yarn")
    assert properties["spark.ui.enabled"] == "true"
    assert properties["spark.sql.session.timeZone"] == "UTC"
    assert "spark.driver.bindAddress" not in properties
    assert spark_properties(settings, "local[2]")["spark.driver.bindAddress"] == "127.0.0.1"


def test_a_local_driver_starts_with_the_archive_of_classes_and_a_cluster_is_given_the_jars(tmp_path: Path) -> None:
    for name in ("spark", "spark-metastore-client"):
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "some.jar").touch()
    settings, jar = Settings(tools_dir=tmp_path), str(tmp_path / "lib" / "spark" / "some.jar")
    local, cluster = (spark_properties(settings, master) for master in ("local[2]", "yarn"))
    flag = f"-XX:SharedArchiveFile={settings.class_archive}"
    assert flag in local["spark.driver.extraJavaOptions"]
    assert flag not in cluster["spark.driver.extraJavaOptions"]
    assert (local["spark.driver.extraClassPath"], cluster["spark.jars"]) == (jar, jar)
