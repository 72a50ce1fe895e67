"""Which column of the source table is which, checked against the table's real columns before anything is read.

Pure: `plan_columns` takes what the information schema says and the settings, and tells what to select and how to read
it. Every mistake is a ConfigurationError that says what exists instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from clinical.vitals import DEVICE, REPORTED
from infra.errors import ConfigurationError
from infra.settings import Source

BLOOD_PRESSURE = "blood_pressure"
"""Pseudo-attribute of a column such as `120/80`, which becomes systolic_bp and diastolic_bp."""

INTEGER_TYPES = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
NUMERIC_TYPES = INTEGER_TYPES | {"decimal", "float", "double"}
OTHER_NUMBERS = frozenset({"decimal", "float", "double", "bit"})
"""A driver gives these as something else than what people read: 12345.0, or a byte."""

TIME_TYPES = frozenset({"datetime", "timestamp"})


@dataclass(frozen=True)
class Column:
    """A column as the information schema tells of it; `unique` means a unique index of its own, or the primary key.

    `grows`: it is AUTO_INCREMENT.
    """

    name: str
    type: str
    nullable: bool
    unique: bool
    grows: bool = False


@dataclass(frozen=True)
class TimeColumn:
    """A DATETIME or TIMESTAMP column and the zone in which it is written."""

    name: str
    zone: ZoneInfo


@dataclass(frozen=True)
class ColumnPlan:
    """What to read. `attributes`: column, attribute, and whether the column's type is a number already.

    `numbered`: those of the columns for patient and device that are of OTHER_NUMBERS.
    """

    key: str
    patient: str
    device: str | None
    recorded_at: TimeColumn | None
    inserted_at: TimeColumn | None
    attributes: tuple[tuple[str, str, bool], ...]
    numbered: frozenset[str] = frozenset()


def split_table_name(table: str) -> tuple[str, str]:
    """`database.table` as its two parts. Raises ConfigurationError for anything else."""
    database, dot, name = table.partition(".")
    if not (database and dot and name) or "." in name or "`" in table:
        raise ConfigurationError(f"source.table is {table!r}; write it as database.table, for example health.vitals.")
    return database, name


def plan_columns(source: Source, columns: Sequence[Column]) -> ColumnPlan:
    """What to read from a table with these `columns`.

    A table that lacks the columns in which devices speak of themselves is read without them, unless
    `source.attributes` was set and names them.

    Raises ConfigurationError: a named column that does not exist, a key that is no unique NOT NULL integer or neither
    AUTO_INCREMENT nor said to grow, a time column that is no DATETIME or TIMESTAMP, an unknown zone, an unknown
    attribute, one attribute mapped twice.
    """
    by_name = {column.name.lower(): column for column in columns}
    attributes = {
        name: attribute
        for name, attribute in _check_attributes(source).items()
        if "attributes" in source.model_fields_set or attribute not in DEVICE or name.lower() in by_name
    }
    patient = _column(source, by_name, "patient_column", source.patient_column)
    device = _column(source, by_name, "device_column", source.device_column) if source.device_column else None
    return ColumnPlan(
        key=_key_column(source, by_name),
        patient=patient.name,
        device=device.name if device else None,
        recorded_at=_time_column(source, by_name, "recorded_at_column", source.recorded_at_column),
        inserted_at=_time_column(source, by_name, "inserted_at_column", source.inserted_at_column),
        attributes=tuple(
            (column.name, attribute, column.type in NUMERIC_TYPES)
            for column, attribute in (
                (_column(source, by_name, f"attributes ({attribute})", name), attribute)
                for name, attribute in attributes.items()
            )
        ),
        numbered=frozenset(column.name for column in (patient, device) if column and column.type in OTHER_NUMBERS),
    )


def _check_attributes(source: Source) -> Mapping[str, str]:
    valid = (*REPORTED, BLOOD_PRESSURE)
    if not source.attributes:
        raise ConfigurationError(f"source.attributes maps no column; map at least one to one of {', '.join(valid)}.")
    filled: dict[str, str] = {}
    for column, attribute in source.attributes.items():
        if attribute not in valid:
            raise ConfigurationError(
                f"source.attributes maps column {column} to {attribute!r}, which is no attribute. "
                f"Valid ones: {', '.join(valid)}.{_meant(attribute, valid)}"
            )
        for target in ("systolic_bp", "diastolic_bp") if attribute == BLOOD_PRESSURE else (attribute,):
            if target in filled:
                raise ConfigurationError(
                    f"source.attributes fills {target} from two columns, {filled[target]} and {column}: keep one."
                )
            filled[target] = column
    return source.attributes


def _column(source: Source, by_name: Mapping[str, Column], setting: str, name: str) -> Column:
    found = by_name.get(name.lower())
    if found is None:
        existing = [column.name for column in by_name.values()]
        raise ConfigurationError(
            f"Table {source.table} has no column {name!r}, which source.{setting} names. "
            f"Its columns: {', '.join(existing)}.{_meant(name, existing)}"
        )
    return found


def _key_column(source: Source, by_name: Mapping[str, Column]) -> str:
    column = _column(source, by_name, "key_column", source.key_column)
    if column.type not in INTEGER_TYPES:
        wrong = f"is of type {column.type}"
    elif column.nullable:
        wrong = "may be NULL"
    elif not column.unique:
        wrong = "has no unique index of its own"
    elif not (column.grows or source.key_only_grows):
        raise ConfigurationError(
            f"Column {column.name} of {source.table} (source.key_column) is not AUTO_INCREMENT, but the key must be an "
            "increasing integer, as a row with a lower id than those that were read would be lost: make the column "
            "AUTO_INCREMENT, or set source.key_only_grows = true if every new row has a higher id all the same."
        )
    else:
        return column.name
    raise ConfigurationError(
        f"Column {column.name} of {source.table} cannot be the key (source.key_column): it {wrong}. "
        "The key must be an increasing integer, NOT NULL, alone in a primary key or unique index."
    )


def _time_column(source: Source, by_name: Mapping[str, Column], setting: str, name: str) -> TimeColumn | None:
    if not name:
        return None
    column = _column(source, by_name, setting, name)
    if column.type not in TIME_TYPES:
        raise ConfigurationError(
            f"Column {column.name} of {source.table} is of type {column.type}, but source.{setting} needs DATETIME or "
            f"TIMESTAMP. Leave the setting empty if the table has no such column."
        )
    # A TIMESTAMP is an instant and our session is in UTC; only a DATETIME is written in the source's zone.
    return TimeColumn(column.name, ZoneInfo("UTC") if column.type == "timestamp" else _zone(source.time_zone))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"source.time_zone is {name!r}, which is no time zone; write it as in Europe/London or UTC."
        ) from error


def _meant(name: str, existing: Sequence[str]) -> str:
    close = get_close_matches(name, existing, n=1)
    return f" Did you mean {close[0]}?" if close else ""
