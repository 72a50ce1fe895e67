"""HQL statements made from the templates beside this file and the columns of `clinical.tables`. Pure: no server."""

from __future__ import annotations

from pathlib import Path
from string import Template

from clinical.tables import DATABASE, VITAL_TYPE, StoredColumn, StoredTable
from clinical.vitals import VITALS
from infra.settings import Settings

TEMPLATES = Path(__file__).parent


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


def create_long_view() -> str:
    """The view `vital_readings_long`: one row for each attribute that a reading has, with its unit."""
    no_number, no_text = f"CAST(NULL AS {VITAL_TYPE})", "CAST(NULL AS STRING)"
    rows = [f"'{v.attribute}', r.{v.attribute}, {no_text}, '{v.ucum}', '{v.loinc}'" for v in VITALS.values()]
    rows += [
        f"'on_oxygen', {no_number}, CAST(r.on_oxygen AS STRING), {no_text}, {no_text}",
        f"'consciousness', {no_number}, r.consciousness, {no_text}, {no_text}",
    ]
    attributes = ",\n".join(f"  {row}" for row in rows)
    return _fill("vital_readings_long", database=DATABASE, attribute_count=str(len(rows)), attributes=attributes)


def quote(text: str) -> str:
    """`text` for the inside of a single-quoted HQL literal."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _column(column: StoredColumn) -> str:
    return f"{column.name} {column.type} COMMENT '{quote(column.comment)}'"


def _fill(template: str, **values: str) -> str:
    text = (TEMPLATES / f"{template}.hql").read_text(encoding="utf-8")
    return Template(text).substitute(values).strip()
