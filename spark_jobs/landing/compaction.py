"""Rewriting a closed partition from many small files into few large, sorted ones.

1. Without a lock: read the data files of finished batches (and of an earlier compaction) and write them, sorted, to a
   new directory that no partition points at. These files never change, and one compaction of a table runs at a time.
2. Compare rows and contents of the new directory with those of the files that it replaces.
3. Under the partition's lock, which is held for moments: copy the files that came meanwhile, and those of a batch that
   is not committed yet, under their own names, so that a batch that is run again still finds its file; then switch the
   partition's location, in one step of the metastore. A partition that points elsewhere by then is left alone.

When the lock is lost during the switch, as by a restart of MySQL, a batch may land in the old directory after its
files were listed. What the directory holds and the new one does not is copied before the partition is compacted again
(the failed run is tried again soon), and before the old directory is removed.

A crash before the switch leaves the table as it was, one after it leaves it compacted; the directory that nothing
points at is removed by a later run, an hour later at the earliest (see `retired`). Running it again on a partition
without new files changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clinical.tables import StoredTable
from infra.checkpoints import Checkpoint
from infra.clients import hdfs
from infra.errors import WardError
from infra.settings import Settings
from spark_jobs.landing import files as f
from spark_jobs.landing.partitions import location_of, partition_lock, set_location
from spark_jobs.landing.retired import Ledger, Retired

MAX_FILE_BYTES = 256 * 1024 * 1024
TARGET_FILE_BYTES = 192 * 1024 * 1024
"""Aimed at below the limit, as the ranges of a sorted write are never quite even."""


@dataclass(frozen=True)
class Compacted:
    """What became of a partition: `files_before` small files became `files_after`; both 0: there was nothing to do."""

    spec: Mapping[str, str]
    rows: int = 0
    files_before: int = 0
    files_after: int = 0


class Compactor:
    """Compacts partitions of one table. `checkpoint` is that of the query that lands in it, None when it never ran."""

    def __init__(
        self, settings: Settings, spark: SparkSession, table: StoredTable, checkpoint: Checkpoint | None
    ) -> None:
        self._settings = settings
        self._spark = spark
        self._table = table
        self._checkpoint = checkpoint
        self._files = hdfs(settings)
        self._root = f.compacted_root(settings, table)
        self._ledger = Ledger(self._files, f.ledger_root(settings, table))

    @cached_property
    def _left(self) -> list[Retired]:
        """What runs before this one entered into the ledger."""
        return self._ledger.entries()

    def compact(self, spec: Mapping[str, str]) -> Compacted:
        """Compact one partition, if it has files of finished batches.

        Raises WardError, leaving the table as it was, when the new files do not hold what the old ones do, or when the
        partition was moved meanwhile; UnavailableError, too, when MySQL was lost during the switch.
        """
        location = location_of(self._spark, self._table, spec)
        if location is None:
            return Compacted(spec)
        self._take_along(spec, self._left)
        old = f.path_of(location)
        sources = [entry for entry in f.data_files(self._files, old) if self._is_finished(entry)]
        if not any(f.parse_batch_file(f.base_name(entry["name"])) for entry in sources):
            return Compacted(spec)
        partition = "/".join(f"{key}={value}" for key, value in spec.items())
        new = f.new_directory(self._files, f"{self._root}/{partition}")
        self._ledger.enter(Retired(new, spec, datetime.now(UTC)))
        names = [self._settings.default_fs + entry["name"] for entry in sources]
        rows = self._rewrite(names, sum(entry["size"] for entry in sources), new, partition)
        self._record_merged(old, new, sources)
        self._switch(spec, old, new, {entry["name"] for entry in sources})
        return Compacted(spec, rows, len(sources), len(f.data_files(self._files, new)))

    def remove_retired(self, now: datetime) -> list[str]:
        """Remove the directories that were replaced an hour before `now` or earlier; returns their paths."""

        def points_at(spec: Mapping[str, str]) -> str | None:
            location = location_of(self._spark, self._table, spec)
            return f.path_of(location) if location else None

        return self._ledger.remove_due(now, points_at, lambda retired: self._take_along(retired.spec, [retired]))

    def _take_along(self, spec: Mapping[str, str], retired: Iterable[Retired]) -> None:
        """Bring to the partition what landed in directories that it no longer points at."""
        directories = [one.directory for one in retired if one.spec == spec]
        if not directories:
            return
        with partition_lock(self._settings, self._table, spec):
            location = location_of(self._spark, self._table, spec)
            if location is not None:
                now = f.path_of(location)
                f.complete(self._files, now, [one for one in directories if one != now])

    def _is_finished(self, entry: Mapping[str, Any]) -> bool:
        """True for a compacted file, and for that of a batch that will never be run again."""
        batch = f.parse_batch_file(f.base_name(entry["name"]))
        return batch is None or (self._checkpoint is not None and self._checkpoint.committed(*batch))

    def _rewrite(self, sources: list[str], size: int, new: str, partition: str) -> int:
        schema = ", ".join(f"{column.name} {column.type}" for column in self._table.columns)
        reader = self._spark.read.schema(schema)
        before = reader.parquet(*sources)
        pieces = max(1, math.ceil(size / TARGET_FILE_BYTES))
        while True:
            f.remove(self._files, new)
            self._write(before, pieces, new)
            if all(entry["size"] <= MAX_FILE_BYTES for entry in f.data_files(self._files, new)):
                break
            pieces *= 2
        expected, written = fingerprint(before), fingerprint(reader.parquet(self._settings.default_fs + new))
        if expected != written:
            raise WardError(
                f"Compaction of {self._table.full_name} {partition} read {expected[0]} rows and wrote {written[0]}, or "
                "other contents; the partition was left as it was. Run it again; if it recurs, check HDFS with fsck."
            )
        return expected[0]

    def _write(self, df: DataFrame, pieces: int, new: str) -> None:
        order = self._table.sort_columns
        parts = df.repartitionByRange(pieces, *order) if pieces > 1 else df.coalesce(1)
        parts.sortWithinPartitions(*order).write.parquet(self._settings.default_fs + new)

    def _record_merged(self, old: str, new: str, sources: list[dict[str, Any]]) -> None:
        names = {f.base_name(entry["name"]) for entry in sources}
        batches = {name for name in names if f.parse_batch_file(name)}
        f.write_merged_batches(self._files, new, batches | f.merged_batches(self._files, old))

    def _switch(self, spec: Mapping[str, str], old: str, new: str, replaced: set[str]) -> None:
        with partition_lock(self._settings, self._table, spec):
            now = location_of(self._spark, self._table, spec)
            if now is None or f.path_of(now) != old:
                # As by another compaction of the table, begun when this one had lost its lock with MySQL. What has
                # landed since is in no directory that this one knows.
                raise WardError(
                    f"Compaction of {self._table.full_name} {' '.join(spec.values())} read {old}, and the partition "
                    f"points at {now} now. It was left so. Was the lock lost by a restart of MySQL? Run it again."
                )
            for entry in f.data_files(self._files, old):
                if entry["name"] not in replaced:
                    f.copy(self._files, entry["name"], f"{new}/{f.base_name(entry['name'])}")
            self._ledger.enter(Retired(old, spec, datetime.now(UTC)))
            set_location(self._spark, self._table, spec, self._settings.default_fs + new)


def fingerprint(df: DataFrame) -> tuple[int, int]:
    """How many rows, and a sum over a hash of each whole row: equal for equal rows in any order, repeats counted."""
    row_hash = F.xxhash64(*df.columns).cast("decimal(38,0)")
    row = df.agg(F.count("*").alias("rows"), F.coalesce(F.sum(row_hash), F.lit(0)).alias("hashes")).head()
    assert row is not None, "an aggregate without groups has one row"
    return int(row["rows"]), int(row["hashes"])
