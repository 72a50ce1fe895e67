"""Contacts of patients: from the text that Sqoop brings to typed rows, and from rows to the next snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from clinical.tables import PATIENTS

KEY = PATIENTS.id_column
TYPES = {column.name: column.type for column in PATIENTS.columns}
RAW_SCHEMA = StructType([StructField(name, StringType()) for name in TYPES])
SCHEMA = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
"""Columns of a snapshot, as Spark SQL writes a schema."""


@dataclass(frozen=True)
class Changes:
    """Rows of a snapshot: all of them (`rows`), those that the one before lacked (`new`) or had otherwise (`changed`),
    and how many it has lost (`deleted`)."""

    rows: int
    new: int
    changed: int
    deleted: int

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)


@dataclass(frozen=True)
class Arrival:
    """What Sqoop brought: rows, different ids, the latest `updated_at` that is a time (as text), and for each column
    how many values cannot be read as its type."""

    rows: int
    ids: int
    latest: str | None
    unreadable: dict[str, int]


def typed(raw: DataFrame, time_zones: Mapping[str, str]) -> DataFrame:
    """Text columns of `RAW_SCHEMA` as a snapshot's columns.

    `time_zones`: columns whose text is local time, with their zone; all others are UTC. What cannot be read as the
    column's type (a date of 0000-00-00) becomes NULL; see `arrival`.
    """
    return raw.select(*(_typed(name, time_zones.get(name)).alias(name) for name in TYPES))


def _typed(name: str, time_zone: str | None) -> Column:
    value = F.col(name).try_cast(TYPES[name])
    return value if time_zone is None else F.to_utc_timestamp(value, time_zone)


def arrival(raw: DataFrame) -> Arrival:
    """Everything to know about the rows that arrived, in one pass over them."""
    readable = {name: F.col(name).try_cast(kind).isNotNull() for name, kind in TYPES.items() if kind != "STRING"}
    row = raw.agg(
        F.count("*").alias("rows"),
        F.count_distinct(KEY).alias("ids"),
        F.max(F.when(readable["updated_at"], F.col("updated_at"))).alias("latest"),
        *(F.count_if(F.col(name).isNotNull() & ~well).alias(f"bad_{name}") for name, well in readable.items()),
    ).collect()[0]
    bad = {name: row[f"bad_{name}"] for name in readable if row[f"bad_{name}"]}
    return Arrival(row["rows"], row["ids"], row["latest"], bad)


def with_delta(base: DataFrame, delta: DataFrame) -> DataFrame:
    """`base` with each row of `delta` in place of the one with its id, or added."""
    return delta.unionByName(base.join(delta, KEY, "left_anti"))


def without_deleted(merged: DataFrame, delta: DataFrame, keys: DataFrame) -> DataFrame:
    """`merged` without the rows whose id is neither in `keys` nor in `delta`, which was read later than `keys`."""
    alive = keys.select(KEY).unionByName(delta.select(KEY)).distinct()
    return merged.join(alive, KEY, "left_semi")


def stale(merged: DataFrame, keys: DataFrame) -> DataFrame:
    """The keys whose row `merged` lacks, or has with an older `updated_at`: committed too late for any overlap."""
    held = merged.select(KEY, F.col("updated_at").alias("held_at"))
    outdated = F.col("held_at").isNull() | (F.col("updated_at") > F.col("held_at"))
    missing = keys.join(held, KEY, "left_anti")
    changed = keys.where("updated_at IS NOT NULL").join(held, KEY).where(outdated).drop("held_at")
    return missing.unionByName(changed)


def repeated_ids(rows: DataFrame) -> DataFrame:
    """Ids that occur more than once, with how often (`count`)."""
    return rows.groupBy(KEY).count().where("count > 1")


def changes(base: DataFrame, merged: DataFrame) -> Changes:
    """How `merged` differs from `base`; ids are unique in both. NULL equals NULL."""
    different = reduce(or_, (~F.col(f"old.{n}").eqNullSafe(F.col(f"new.{n}")) for n in TYPES if n != KEY))
    in_old, in_new = F.col(f"old.{KEY}").isNotNull(), F.col(f"new.{KEY}").isNotNull()
    both = base.alias("old").join(merged.alias("new"), F.col(f"old.{KEY}") == F.col(f"new.{KEY}"), "full_outer")
    row = both.agg(
        F.count_if(in_new).alias("rows"),
        F.count_if(in_new & ~in_old).alias("new"),
        F.count_if(in_new & in_old & different).alias("changed"),
        F.count_if(in_old & ~in_new).alias("deleted"),
    ).collect()[0]
    return Changes(**row.asDict())
