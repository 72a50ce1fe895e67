"""The snapshot of contacts that a stream is joined with: where it is, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from clinical.tables import BEFORE_ANY_IMPORT, SNAPSHOT_VERSION
from infra.clients import hdfs
from infra.errors import UnavailableError, WardError
from infra.settings import Settings
from spark_jobs.transforms.breaches import PATIENT_SCHEMA

NO_TABLE = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND")


@dataclass(frozen=True)
class Patients:
    """A snapshot of contacts. `version`: the last part of its directory, None before the first import.

    `is_small`: `frame` holds its rows itself and may be broadcast; otherwise it reads the directory.
    """

    version: str | None
    frame: DataFrame
    is_small: bool


class LostContactsError(WardError):
    """The table of contacts leads to no snapshot any more, though there was one."""


def find_patients(spark: SparkSession, settings: Settings, full_name: str, at_hand: Patients | None) -> str | None:
    """URI of the directory of the contacts to work with: that which the table `database.table` points to now.

    A table that is missing or points to no import means that there was none yet, as long as there is no snapshot. With
    none `at_hand`, as at a start, the newest one on HDFS is found all the same; with one, that is to be kept.

    Raises LostContactsError when the one at hand is to be kept, UnavailableError when the metastore or HDFS does not
    answer.
    """
    location = patients_location(spark, settings, full_name)
    if location is not None and _version(location) is not None:
        return location
    if at_hand is None:
        return _newest_snapshot(settings, full_name) or location
    if at_hand.version is None:
        return location
    raise LostContactsError(
        f"The Hive table {full_name} {'is missing' if location is None else 'points to no import'}: run `./ward up`, "
        "which creates it and points it to the newest contacts that were imported."
    )


def patients_location(spark: SparkSession, settings: Settings, full_name: str) -> str | None:
    """URI of the directory that the table `database.table` points to now, None without such a table. Milliseconds.

    Asks the metastore itself: a session's own catalog would go on saying what it said first.
    Raises UnavailableError when the metastore does not answer.
    """
    database, table = full_name.split(".")
    try:
        catalog = spark._jsparkSession.sharedState().externalCatalog()
        return str(catalog.getTable(database, table).storage().locationUri().get().toString())
    except (Py4JJavaError, PySparkException) as error:
        if isinstance(error, AnalysisException) and error.getCondition() in NO_TABLE:
            return None
        raise UnavailableError("Hive metastore", settings.metastore_uri, _first_line(error)) from error


def load_patients(
    spark: SparkSession, settings: Settings, location: str | None, schema: str = PATIENT_SCHEMA
) -> Patients:
    """The snapshot in that directory: as rows up to `spark.patients_broadcast_max` of them, beyond that as its files.

    `schema` is DDL of the columns wanted. A snapshot never changes once it has its name. Raises UnavailableError when
    HDFS cannot be read.
    """
    if location is None:
        return Patients(None, _nobody(spark, schema), is_small=True)
    version = _version(location)
    try:
        files = spark.read.schema(schema).parquet(location)
        most = settings.spark.patients_broadcast_max
        rows = files.limit(most + 1).toArrow()
    except (Py4JJavaError, PySparkException) as error:
        raise UnavailableError("The contacts on HDFS", location, _first_line(error)) from error
    if rows.num_rows > most:
        return Patients(version, files, is_small=False)
    return Patients(version, spark.createDataFrame(rows, files.schema), is_small=True)


def _version(location: str) -> str | None:
    name = location.rstrip("/").rsplit("/", 1)[-1]
    return None if name == BEFORE_ANY_IMPORT else name


def _newest_snapshot(settings: Settings, full_name: str) -> str | None:
    table = full_name.partition(".")[2]
    try:
        paths = hdfs(settings).ls(settings.hdfs_path("hive", table), detail=False)
    except FileNotFoundError:
        return None
    except (RuntimeError, OSError) as error:  # it answers, and refuses
        raise UnavailableError("HDFS", settings.default_fs, error) from error
    names = (path.rsplit("/", 1)[-1] for path in paths)
    newest = max(filter(SNAPSHOT_VERSION.fullmatch, names), default=None)
    return settings.hdfs_uri("hive", table, newest) if newest else None


def _nobody(spark: SparkSession, schema: str) -> DataFrame:
    columns = (column.split(" ") for column in schema.split(", "))
    return spark.range(0).selectExpr(*(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
