"""The snapshot of contacts, with Spark's own catalog for the metastore and a directory for HDFS."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fsspec.implementations.local import LocalFileSystem
from pyspark.sql import SparkSession

from clinical.messages import TechnicalAlarm
from clinical.tables import BEFORE_ANY_IMPORT, PATIENTS
from infra.errors import UnavailableError
from infra.metrics import StreamMetrics
from infra.settings import Settings
from spark_jobs import alarms, detect_breaches, patients
from spark_jobs.derive_vitals import Contacts
from spark_jobs.detect_breaches import Detection
from spark_jobs.patients import Patients, load_patients
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


OLDER, NEWEST = "20260101T000000000Z", "20260102T000000000Z"


class Hive:
    """The table of contacts, and what is below its directory: its snapshots, of one patient more each time."""

    def __init__(self, spark: SparkSession, directory: Path) -> None:
        warehouse = {"default_fs": "file://", "warehouse": str(directory)}
        self.settings = Settings.model_validate({"hadoop": warehouse})
        self.name = PATIENTS.full_name
        self._spark = spark
        self._snapshots = directory / "hive" / PATIENTS.name

    def write(self, *versions: str) -> None:
        """Add snapshots, and beside them what is none."""
        for count, version in enumerate(versions, 1):
            rows = [(f"P-{number}", "Zoë", "1", "A", "W", None) for number in range(count)]
            self._spark.createDataFrame(rows, PATIENT_SCHEMA).write.parquet(str(self._snapshots / version))
        for other in (BEFORE_ANY_IMPORT, "_new_20260103T000000000Z"):
            (self._snapshots / other).mkdir(parents=True)

    def point_at(self, version: str) -> None:
        """Let the table, made anew, point to that directory."""
        self.drop()
        location = f"file://{self._snapshots / version}"
        self._spark.sql(f"CREATE TABLE {self.name} ({PATIENT_SCHEMA}) USING parquet LOCATION '{location}'")

    def drop(self) -> None:
        """Take the table away; the files stay."""
        self._spark.sql(f"DROP TABLE IF EXISTS {self.name}")


@pytest.fixture
def hive(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hive]:
    monkeypatch.setattr(patients, "hdfs", lambda _: LocalFileSystem())
    spark.sql("CREATE DATABASE health")
    yield Hive(spark, tmp_path)
    spark.sql("DROP DATABASE health CASCADE")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[TechnicalAlarm]:
    """What ops are told."""
    sent: list[TechnicalAlarm] = []
    monkeypatch.setattr(alarms, "publish", lambda _settings, _topic, _key, alarm, _seconds: sent.append(alarm))
    return sent


Look = Callable[[], Patients]
"""Looks after the contacts once more, as the stream does, and gives those that it works with."""


def detection(spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Look:
    monkeypatch.setattr(detect_breaches, "CONTACTS_SECONDS", 0.0)
    monkeypatch.setattr(detect_breaches, "RETRY_SECONDS", 0.0)
    stream: Any = Detection(settings, StreamMetrics(detect_breaches.NAME), cast(Any, None), cast(Any, None))
    stream._spark = spark

    def look() -> Patients:
        if hasattr(stream, "_patients"):
            stream._fresh_patients()
        else:
            stream._load_first()
        return cast(Patients, stream._patients)

    return look


def derivation(spark: SparkSession, settings: Settings, _: pytest.MonkeyPatch) -> Look:
    return Contacts(spark, settings, PATIENTS.full_name).current


both = pytest.mark.parametrize("stream", [detection, derivation])
Stream = Callable[[SparkSession, Settings, pytest.MonkeyPatch], Look]


@both
def test_contacts_at_hand_outlive_their_table_and_ops_are_told_what_to_do(
    spark: SparkSession, hive: Hive, told: list[TechnicalAlarm], monkeypatch: pytest.MonkeyPatch, stream: Stream
) -> None:
    hive.write(NEWEST)
    hive.point_at(NEWEST)
    look = stream(spark, hive.settings, monkeypatch)
    for _ in range(2):
        assert look().version == NEWEST
    assert not any(not alarm["cleared"] for alarm in told)
    for lose in (hive.drop, lambda: hive.point_at(BEFORE_ANY_IMPORT), hive.drop):
        lose()
        held = look()
        assert (held.version, held.frame.count()) == (NEWEST, 1)
    assert [(alarm["kind"], alarm["cleared"]) for alarm in told[1:]] == [("contacts_unreadable", False)]
    assert "The Hive table health.patients is missing: run `./ward up`" in told[-1]["detail"]
    hive.point_at(NEWEST)
    assert look().version == NEWEST
    assert [alarm["cleared"] for alarm in told] == [True, False, True]


@both
def test_a_start_without_the_table_takes_the_newest_snapshot_and_tells_ops(
    spark: SparkSession, hive: Hive, told: list[TechnicalAlarm], monkeypatch: pytest.MonkeyPatch, stream: Stream
) -> None:
    hive.write(OLDER, NEWEST)
    look = stream(spark, hive.settings, monkeypatch)
    for _ in range(2):
        held = look()
        assert (held.version, held.frame.count()) == (NEWEST, 2)
    assert [(alarm["kind"], alarm["cleared"]) for alarm in told] == [("contacts_unreadable", False)]
    hive.point_at(NEWEST)
    assert look().version == NEWEST
    assert told[-1]["cleared"]


@both
def test_as_long_as_nothing_was_imported_nothing_is_missing(
    spark: SparkSession, hive: Hive, told: list[TechnicalAlarm], monkeypatch: pytest.MonkeyPatch, stream: Stream
) -> None:
    look = stream(spark, hive.settings, monkeypatch)
    assert look().version is None
    hive.write(NEWEST)
    hive.point_at(BEFORE_ANY_IMPORT)
    assert look().version is None
    hive.point_at(NEWEST)
    assert look().version == NEWEST
    assert all(alarm["cleared"] for alarm in told)
