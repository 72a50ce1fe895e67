"""Partitions as the metastore knows them, and the lock that whoever changes one holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from clinical.tables import StoredTable
from hive import ddl
from infra.locks import named_lock
from infra.settings import Settings

LOCK_TIMEOUT_SECONDS = 120.0
"""Holders only rename, copy a few small files and ask the metastore, so a longer wait means that something is stuck."""


@contextmanager
def partition_lock(settings: Settings, table: StoredTable, spec: Mapping[str, str]) -> Iterator[None]:
    """Hold the named MySQL lock of one partition: its location and its directory change under no one else's hands.

    Raises SingleInstanceError when another holds it for longer than LOCK_TIMEOUT_SECONDS, UnavailableError without
    MySQL, and at the end when the lock was lost meanwhile (see `named_lock`).
    """
    with named_lock(settings, f"wardwatch:partition:{table.name}:{':'.join(spec.values())}", LOCK_TIMEOUT_SECONDS):
        yield


def location_of(spark: SparkSession, table: StoredTable, spec: Mapping[str, str]) -> str | None:
    """Where the partition points now (a URI), straight from the metastore; None when there is no such partition."""
    try:
        rows = spark.sql(f"DESCRIBE EXTENDED {table.full_name} {ddl.partition_clause(table, spec)}").collect()
    except AnalysisException as error:
        if error.getCondition() == "PARTITIONS_NOT_FOUND":
            return None
        raise
    return next(str(row["data_type"]) for row in rows if row["col_name"] == "Location")


def add_partition(spark: SparkSession, table: StoredTable, spec: Mapping[str, str], location: str) -> None:
    """Make a new partition visible, all its files at once."""
    spark.sql(ddl.add_partitions(table, [(spec, location)]))


def set_location(spark: SparkSession, table: StoredTable, spec: Mapping[str, str], location: str) -> None:
    """Switch a partition to another directory; queries that have begun go on in the old one."""
    spark.sql(ddl.switch_partition(table, spec, location))
