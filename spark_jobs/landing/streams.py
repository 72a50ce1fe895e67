"""The queries of the landing job: which topic becomes which table, and what one batch of it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Observation, Row
from pyspark.sql import functions as F

from clinical import topics
from clinical.tables import BREACHES, DERIVED_VITALS, REJECTED_READINGS, VITAL_READINGS, StoredTable
from clinical.topics import DOCTORS_QUEUE, VITAL_INFO, dead_letter_topic
from spark_jobs.kafka import write_to_kafka
from spark_jobs.landing.batch import Batch, publish, stage
from spark_jobs.landing.partitions import location_of
from spark_jobs.transforms.landing import (
    parse_records,
    partition_values,
    reading_dead_letters,
    record_dead_letters,
    rejections,
    stored_readings,
    stored_records,
)
from spark_jobs.transforms.readings import parse_readings, typed_readings


@dataclass(frozen=True)
class Landed:
    """What a batch held: messages, and how many of them had anything rejected."""

    records: int
    rejected: int


NOTHING = Landed(0, 0)
INSERTED_AT = "inserted_at"


@dataclass(frozen=True)
class LandingStream(ABC):
    """A topic that lands in a table. `dead_letters` is the topic for what cannot be read; at least once, its headers
    name the source's topic, partition and offset."""

    topic: str
    table: StoredTable
    dead_letters: str

    @property
    def checkpoint(self) -> str:
        """Directory of the query's checkpoint below that of the job."""
        return self.table.name

    @property
    def tables(self) -> tuple[StoredTable, ...]:
        """Every table that the query writes."""
        return (self.table,)

    @abstractmethod
    def land(self, batch: Batch, df: DataFrame) -> Landed:
        """Land the messages `df` (Kafka's source columns) of one batch; the same batch again adds nothing."""


@dataclass(frozen=True)
class ReadingStream(LandingStream):
    """Readings, and next to them what was rejected. One pass over a batch in which nothing was."""

    topic: str = VITAL_INFO
    table: StoredTable = VITAL_READINGS
    dead_letters: str = dead_letter_topic("land-vitals")
    rejected_table: StoredTable = REJECTED_READINGS

    @property
    def tables(self) -> tuple[StoredTable, ...]:
        return (self.table, self.rejected_table)

    def land(self, batch: Batch, df: DataFrame) -> Landed:
        readings, seen = batch.settings.readings, Observation()
        counts = (F.count("*").alias("records"), F.count_if("has_problem").alias("rejected"))
        stage(batch, stored_readings(typed_readings(df, readings).observe(seen, *counts)), self.table)
        landed = Landed(int(seen.get["records"]), int(seen.get["rejected"]))
        if landed.rejected:
            self._land_rejected(batch, parse_readings(df, readings).where("has_problem"))
        publish(batch, df.sparkSession, self.table)
        return landed

    def _land_rejected(self, batch: Batch, parsed: DataFrame) -> None:
        rejected = parsed.persist()
        try:
            stage(batch, rejections(rejected), self.rejected_table)
            write_to_kafka(batch.settings, reading_dead_letters(rejected), self.dead_letters)
        finally:
            rejected.unpersist()
        publish(batch, parsed.sparkSession, self.rejected_table)


@dataclass(frozen=True)
class RecordStream(LandingStream):
    """Records that may be published more than once: each id is landed once, with the time of the one that came first.

    A repeat has the same time as its original, with one exception: a reading whose clock was wrong is judged by the
    time of its insertion, and once more, under the same id, when it is replayed with its clock corrected. The time of
    insertion stays, so the original of a record is looked for at both its times, and nowhere else.
    """

    topic: str = DOCTORS_QUEUE
    table: StoredTable = BREACHES
    dead_letters: str = dead_letter_topic("land-breaches")

    @property
    def times(self) -> tuple[str, ...]:
        """The columns of a record by one of which its original was placed."""
        return (self.table.time_column, *(name for name in (INSERTED_AT,) if name in self.table.column_names))

    def land(self, batch: Batch, df: DataFrame) -> Landed:
        parsed = parse_records(df, self.table).persist()
        try:
            seen = self._summary(parsed)
            landed = Landed(int(seen["records"]), int(seen["rejected"]))
            if landed.records > landed.rejected:
                stage(batch, self._unseen(stored_records(parsed, self.table), seen), self.table)
                publish(batch, df.sparkSession, self.table)
            if landed.rejected:
                write_to_kafka(batch.settings, record_dead_letters(parsed), self.dead_letters)
        finally:
            parsed.unpersist()
        return landed

    def _summary(self, parsed: DataFrame) -> Row:
        """How many records, how many of them rejected, and of each of `times` what the others reach."""
        good = F.col("problem").isNull()
        counts = (F.count("*").alias("records"), F.count_if(~good).alias("rejected"))
        row = parsed.agg(*counts, *(self._reach(time, good).alias(time) for time in self.times)).head()
        assert row is not None, "an aggregate without groups has one row"
        return row

    def _reach(self, time: str, good: Column) -> Column:
        """The `partitions` of the table that have this time of a good record, the `first` such time and the `last`."""
        told = good & F.col(time).isNotNull()
        partition = F.struct(*(F.expr(value) for value in partition_values(self.table, time)))
        # As a number: a collected time would be in the zone of this process, in which an hour may occur twice.
        at = F.when(told, F.unix_micros(time))
        partitions = F.collect_set(F.when(told, partition)).alias("partitions")
        return F.struct(partitions, F.min(at).alias("first"), F.max(at).alias("last"))

    def _unseen(self, records: DataFrame, seen: Row) -> DataFrame:
        """The records whose ids are not in the reached partitions yet, at a time that was reached."""
        spark, table = records.sparkSession, self.table
        reached = [seen[time] for time in self.times if seen[time]["partitions"]]
        partitions = {partition for reach in reached for partition in reach["partitions"]}
        specs = [{key: str(value) for key, value in partition.asDict().items()} for partition in partitions]
        existing = [location for spec in specs if (location := location_of(spark, table, spec))]
        if not existing:
            return records
        types = {column.name: column.type for column in table.columns}
        ids = spark.read.schema(f"{table.id_column} {types[table.id_column]}, {table.time_column} TIMESTAMP")
        near = (
            F.col(table.time_column).between(*(F.timestamp_micros(F.lit(reach[bound])) for bound in ("first", "last")))
            for reach in reached
        )
        known = ids.parquet(*existing).where(reduce(or_, near))
        return records.join(known.select(table.id_column), table.id_column, "left_anti").select(*records.columns)


STREAMS: tuple[LandingStream, ...] = (
    ReadingStream(),
    RecordStream(),
    RecordStream(topics.DERIVED_VITALS, DERIVED_VITALS, topics.dead_letter_topic("land-derived")),
)
