"""From a data frame to files of Hive partitions, in two steps: stage, then publish.

Exactly once: the files of a batch are written to a staging directory that Hive does not see, then renamed into the
place where each partition points now, under a name made of the query's id and the batch's. A batch that is run again
after a crash wipes what it had staged, stages the same rows again, and skips each partition that already has its file.
So the division of rows into partitions must depend on the messages alone, never on the time of landing.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from clinical.tables import StoredTable
from infra.clients import hdfs, hdfs_rename
from infra.settings import Settings
from spark_jobs.landing import files as f
from spark_jobs.landing.partitions import add_partition, location_of, partition_lock

WRITERS = 2
"""Tasks that write a batch. Each partition is written whole by one of them, so that it becomes one file."""


@dataclass(frozen=True)
class Batch:
    """One batch of one query."""

    settings: Settings
    query_id: str
    batch_id: int

    @property
    def name(self) -> str:
        return f.batch_name(self.query_id, self.batch_id)

    def staging(self, table: StoredTable) -> str:
        """Where the batch stages its files of `table`."""
        return f"{staging_root(self.settings, table)}/{self.name}"


def staging_root(settings: Settings, table: StoredTable) -> str:
    """The directory below which every batch stages its files of `table`."""
    return settings.hdfs_path("staging", table.name)


def stage(batch: Batch, df: DataFrame, table: StoredTable) -> None:
    """Write `df` (the columns of the table and of its partitions) to the staging directory, one file a partition.

    Leftovers of the same batch are wiped first.
    """
    f.remove(hdfs(batch.settings), batch.staging(table))
    keys = [column.name for column in table.partitions]
    target = batch.settings.default_fs + batch.staging(table)
    df.repartition(WRITERS, *keys).write.partitionBy(*keys).mode("append").parquet(target)


def publish(batch: Batch, spark: SparkSession, table: StoredTable) -> int:
    """Rename what was staged into the partitions, then remove the staging directory. Returns the files added.

    Each partition is changed under its lock and becomes visible at once; the batch becomes visible partition by
    partition. Raises SingleInstanceError when a partition stays locked, UnavailableError when its lock was lost: it may
    point elsewhere now, and the batch that is run again looks there. What was published until then stays.
    """
    files = hdfs(batch.settings)
    staged = f.staged_files(files, batch.staging(table), len(table.partitions))
    added = sum(_publish_file(batch, spark, table, file) for file in staged)
    f.remove(files, batch.staging(table))
    return added


def sweep_staging(settings: Settings, table: StoredTable) -> None:
    """Remove all that batches left in staging, also those of queries whose checkpoint is gone: it is patients' data.

    Only before the query of this table runs: a batch that is run again stages again itself.
    """
    f.remove(hdfs(settings), staging_root(settings, table))


def _publish_file(batch: Batch, spark: SparkSession, table: StoredTable, file: f.StagedFile) -> bool:
    files, spec = hdfs(batch.settings), f.parse_spec(file.partition)
    with partition_lock(batch.settings, table, spec):
        location = location_of(spark, table, spec)
        directory = f.path_of(location) if location else batch.settings.hdfs_path("hive", table.name, file.partition)
        new = not f.has_landed(files, directory, f"{batch.name}.parquet")
        if new:
            files.makedirs(directory, exist_ok=True)
            hdfs_rename(files, file.path, f"{directory}/{batch.name}.parquet")
        if location is None:
            add_partition(spark, table, spec, batch.settings.default_fs + directory)
    return new
