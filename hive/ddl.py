"""HQL statements made from the templates beside this file and the columns of `clinical.tables`. Pure: no server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

from clinical.tables import DATABASE, VITAL_TYPE, StoredColumn, StoredTable
from clinical.vitals import MEASURED
from infra.settings import Settings

TEMPLATES = Path(__file__).parent
ALARM_VIEWS = ("alarms_per_bed_day", "alarm_response")


def create_database(settings: Settings) -> str:
    """The database `health`."""
    return _fill("database", database=DATABASE, location=settings.hdfs_uri("hive"))


def create_table(table: StoredTable, location: str) -> str:
    """An external Parquet table at `location` (a URI) with a comment on every column."""
    keys = ", ".join(_column(column) for column in table.partitions)
    return _fill(
        "external_table",
        table=table.full_name,
        columns=",\n".join(f"  {_column(column)}" for column in table.columns),
        comment=quote(table.comment),
        partitioned_by=f"PARTITIONED BY ({keys})" if keys else "",
        location=location,
    )


def add_columns(table: StoredTable, columns: tuple[StoredColumn, ...]) -> str:
    """`columns` added at the end of the table, for its old partitions too."""
    cascade = " CASCADE" if table.partitions else ""
    return f"ALTER TABLE {table.full_name} ADD COLUMNS ({', '.join(map(_column, columns))}){cascade}"


def set_comment(table: StoredTable) -> str:
    """What an existing table says of itself, put right."""
    return f"ALTER TABLE {table.full_name} SET TBLPROPERTIES ('comment' = '{quote(table.comment)}')"


def add_partitions(table: StoredTable, partitions: Iterable[tuple[Mapping[str, str], str]]) -> str:
    """Partitions, each with its location (a URI), added where they are missing. Spark understands it too."""
    clauses = " ".join(f"{partition_clause(table, spec)} LOCATION '{location}'" for spec, location in partitions)
    return f"ALTER TABLE {table.full_name} ADD IF NOT EXISTS {clauses}"


def drop_partitions(table: StoredTable) -> str:
    """Every partition of an external table forgotten; its files stay."""
    return f"ALTER TABLE {table.full_name} DROP IF EXISTS PARTITION ({table.partitions[0].name} > '')"


def switch_partition(table: StoredTable, spec: Mapping[str, str], location: str) -> str:
    """A partition pointed at another directory. Spark understands it too."""
    return f"ALTER TABLE {table.full_name} {partition_clause(table, spec)} SET LOCATION '{location}'"


def partition_clause(table: StoredTable, spec: Mapping[str, str]) -> str:
    """`PARTITION (event_date='2026-01-31', event_hour=5)`."""
    types = {column.name: column.type for column in table.partitions}
    values = (f"{key}={value}" if types[key] == "INT" else f"{key}='{value}'" for key, value in spec.items())
    return f"PARTITION ({', '.join(values)})"


def create_long_view() -> str:
    """The view `vital_readings_long`: one row for each attribute that a reading has, with its unit."""
    no_number, no_text = f"CAST(NULL AS {VITAL_TYPE})", "CAST(NULL AS STRING)"
    loinc = {name: f"'{vital.loinc}'" if vital.loinc else no_text for name, vital in MEASURED.items()}
    rows = [f"'{name}', r.{name}, {no_text}, '{vital.ucum}', {loinc[name]}" for name, vital in MEASURED.items()]
    rows += [
        # By itself Hive writes a truth in capitals.
        f"'on_oxygen', {no_number}, LOWER(CAST(r.on_oxygen AS STRING)), {no_text}, {no_text}",
        f"'consciousness', {no_number}, r.consciousness, {no_text}, {no_text}",
    ]
    attributes = ",\n".join(f"  {row}" for row in rows)
    return _fill("vital_readings_long", database=DATABASE, attribute_count=str(len(rows)), attributes=attributes)


def create_alarm_views() -> list[str]:
    """What a ward's alarm committee asks for: alarms per bed and day, and how they were answered."""
    return [_fill(view, database=DATABASE) for view in ALARM_VIEWS]


def quote(text: str) -> str:
    """`text` for the inside of a single-quoted HQL literal."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _column(column: StoredColumn) -> str:
    return f"{column.name} {column.type} COMMENT '{quote(column.comment)}'"


def _fill(template: str, **values: str) -> str:
    text = (TEMPLATES / f"{template}.hql").read_text(encoding="utf-8")
    return Template(text).substitute(values).strip()
