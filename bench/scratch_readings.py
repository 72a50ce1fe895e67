"""A table of generated readings on the running stack, as landing leaves them or as compaction does.

It has a random name and, on HDFS, a warehouse directory of its own; both go at the end. Spark writes the files with the
session of the product's own jobs, so that schema, encoding and compression are those of landing. Every value follows
from the reading's id.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from bench.scratch import apart, own_directory, random_suffix
from clinical.tables import VITAL_READINGS, StoredTable
from clinical.vitals import MEASURED
from hive import ddl
from hive.client import hive_session
from infra.checkpoints import Checkpoint
from infra.clients import hdfs
from infra.settings import Settings
from spark_jobs.landing import files as f
from spark_jobs.landing.compaction import Compacted, Compactor
from spark_jobs.landing.partitions import location_of
from spark_jobs.session import spark_session, stop_session

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
HOURS_A_DAY = 24
BATCHES_AN_HOUR = 120
"""Landing's, at its default of a batch every 30 s."""

MOVERS = 4
PARTITIONS_A_STATEMENT = 200
HOUR = timedelta(hours=1)
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class History:
    """How much there is. `files_an_hour` is 1 for compacted hours; each file holds `rows_a_file` readings.

    Patients measure in turn, evenly over the time.
    """

    days: int
    hours_a_day: int
    files_an_hour: int
    rows_a_file: int
    patients: int

    @property
    def files(self) -> int:
        return self.days * self.hours_a_day * self.files_an_hour

    @property
    def rows(self) -> int:
        return self.files * self.rows_a_file

    def hours(self) -> Iterator[datetime]:
        """The beginning of each hour that has readings, in order."""
        for day in range(self.days):
            for hour in range(self.hours_a_day):
                yield FIRST_DAY + timedelta(days=day, hours=hour)


class ScratchReadings:
    """The table, empty until `land` or `place_compacted`, each of which is called once."""

    def __init__(self, settings: Settings, spark: SparkSession, table: StoredTable) -> None:
        self.settings = settings
        self.table = table
        self._spark = spark
        self._query_id = str(uuid.uuid4())
        self._batches = 0
        self._specs: list[dict[str, str]] = []

    def land(self, history: History) -> None:
        """The files as landing leaves them: one for each batch, in the directory of its hour."""

        def directory(hour: datetime) -> str:
            return self.settings.hdfs_path("hive", self.table.name, _partition(hour))

        def name(_staged: str, batch: int) -> str:
            return f"{f.batch_name(self._query_id, batch)}.parquet"

        self._place(history, readings(self._spark, history), directory, name)
        self._batches = history.files

    def place_compacted(self, history: History) -> None:
        """The files as compaction leaves them: sorted, one an hour, beside the names of the batches it was made of."""
        root, made_at = f.compacted_root(self.settings, self.table), f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"

        def directory(hour: datetime) -> str:
            return f"{root}/{_partition(hour)}/{made_at}"

        def name(staged: str, _file: int) -> str:
            return f.base_name(staged)

        rows = readings(self._spark, history).sortWithinPartitions(*self.table.sort_columns)
        self._place(history, rows, directory, name, self._write_merged)

    def compact(self) -> list[Compacted]:
        """Run the product's compaction on every hour that was landed."""
        done = Checkpoint(self._query_id, self._batches - 1, {})
        compactor = Compactor(self.settings, self._spark, self.table, done)
        return [compactor.compact(spec) for spec in self._specs]

    def read(self, columns: Sequence[str]) -> pa.Table:
        """These columns of every row, from the files themselves."""
        files, tables = hdfs(self.settings), list[pa.Table]()
        for spec in self._specs:
            location = location_of(self._spark, self.table, spec)
            assert location is not None, "every hour was placed"
            for entry in f.data_files(files, f.path_of(location)):
                with files.open(entry["name"]) as file:
                    tables.append(pq.read_table(file, columns=list(columns)))
        return pa.concat_tables(tables)

    def objects(self) -> tuple[int, int]:
        """Files of the table, and what the NameNode keeps in memory for it: directories, files and their blocks.

        None of the files is empty and none larger than a block: each has one.
        """
        files, count, objects = hdfs(self.settings), 0, 0
        for root in (self.settings.hdfs_path("hive", self.table.name), f.compacted_root(self.settings, self.table)):
            if files.exists(root):
                summary = files.content_summary(root)
                count += summary["fileCount"]
                objects += summary["directoryCount"] + 2 * summary["fileCount"]
        return count, objects

    def _write_merged(self, files: Any, hour: datetime, directory: str) -> None:
        first = int((hour - FIRST_DAY) / HOUR) * BATCHES_AN_HOUR
        names = [f"{f.batch_name(self._query_id, first + batch)}.parquet" for batch in range(BATCHES_AN_HOUR)]
        f.write_merged_batches(files, directory, names)

    def _place(
        self,
        history: History,
        rows: DataFrame,
        directory: Callable[[datetime], str],
        name: Callable[[str, int], str],
        finish: Callable[[Any, datetime, str], None] = lambda _files, _hour, _directory: None,
    ) -> None:
        """Write all files at once, then move each into its partition, and add the partitions."""
        staging = self.settings.hdfs_path("staging", self.table.name)
        rows.write.option("mapreduce.fileoutputcommitter.algorithm.version", "2").parquet(
            self.settings.default_fs + staging
        )
        staged = sorted(entry["name"] for entry in f.data_files(hdfs(self.settings), staging))
        hours = list(history.hours())

        def move(position: int) -> None:
            files, target = hdfs(self.settings), directory(hours[position])
            files.makedirs(target, exist_ok=True)
            first = position * history.files_an_hour
            for number in range(first, first + history.files_an_hour):
                files.mv(staged[number], f"{target}/{name(staged[number], number)}")
            finish(files, hours[position], target)

        with ThreadPoolExecutor(MOVERS) as pool:
            list(pool.map(move, range(len(hours))))
        f.remove(hdfs(self.settings), staging)
        self._specs = [_spec(hour) for hour in hours]
        self._add_partitions([(_spec(hour), self.settings.default_fs + directory(hour)) for hour in hours])

    def _add_partitions(self, partitions: Sequence[tuple[Mapping[str, str], str]]) -> None:
        with hive_session(self.settings) as session:
            for start in range(0, len(partitions), PARTITIONS_A_STATEMENT):
                session.run(ddl.add_partitions(self.table, partitions[start : start + PARTITIONS_A_STATEMENT]))


@contextmanager
def scratch_readings(settings: Settings) -> Iterator[Callable[[], ScratchReadings]]:
    """Makes as many tables as are asked for; all of them are gone at the end of the block.

    Raises UnavailableError when HiveServer2, the metastore or HDFS is away.
    """
    suffix = random_suffix()
    own, _ = apart(settings, suffix)
    spark = spark_session(own, "bench-readings", "local[2]")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    made: list[StoredTable] = []

    def make() -> ScratchReadings:
        table = replace(VITAL_READINGS, name=f"bench_readings_{suffix}_{len(made)}")
        made.append(table)
        with hive_session(own) as session:
            session.run(ddl.create_table(table, own.hdfs_uri("hive", table.name)))
        return ScratchReadings(own, spark, table)

    with own_directory(own):
        try:
            yield make
        finally:
            stop_session(spark)
            with hive_session(own) as session:
                for table in made:
                    session.run(f"DROP TABLE IF EXISTS {table.full_name}")


def readings(spark: SparkSession, history: History) -> DataFrame:
    """The columns of `vital_readings`, without those of its partitions; each part of the frame is the rows of one file.

    Ids run from 0 in the order of time.
    """
    an_hour = history.files_an_hour * history.rows_a_file
    hour, day = f"(id DIV {an_hour})", f"(id DIV {an_hour * history.hours_a_day})"
    seconds = f"{int(FIRST_DAY.timestamp())} + {day} * 86400 + pmod({hour}, {history.hours_a_day}) * 3600"
    at = f"({seconds}) * {MICROSECONDS} + (id % {an_hour}) * {3600 * MICROSECONDS} DIV {an_hour}"
    known = {
        "reading_id": "id",
        "patient_id": f"concat('P', lpad(id % {history.patients}, 6, '0'))",
        "device_id": f"concat('D', lpad(id % {history.patients}, 6, '0'))",
        "recorded_at": f"timestamp_micros({at})",
        "inserted_at": f"timestamp_micros({at} + 400000)",
        "recorded_at_is_receipt": "false",
        "on_oxygen": "id % 7 = 0",
        "consciousness": "'A'",
        "kafka_partition": "id % 6",
        "kafka_offset": "id DIV 6",
    }
    values = {
        name: f"{low} + pmod(xxhash64(id, '{name}'), {steps}) / {10 if name == 'temperature' else 1}"
        for name, (low, steps) in _RANGES.items()
    }
    columns = [
        f"CAST({(known | values)[column.name]} AS {column.type}) AS {column.name}" for column in VITAL_READINGS.columns
    ]
    return spark.range(0, history.rows, 1, history.files).selectExpr(*columns)


_RANGES = {
    **dict.fromkeys(MEASURED, (60, 40)),
    "spo2": (92, 9),
    "temperature": (36, 20),
    "respiratory_rate": (12, 9),
    "glucose": (70, 90),
}
"""Attribute -> its lowest value, and how many steps there are above it."""


def _spec(hour: datetime) -> dict[str, str]:
    return {"event_date": f"{hour:%Y-%m-%d}", "event_hour": str(hour.hour)}


def _partition(hour: datetime) -> str:
    return "/".join(f"{key}={value}" for key, value in _spec(hour).items())
