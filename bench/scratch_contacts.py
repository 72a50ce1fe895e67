"""A list of patients' contacts in MySQL and a Hive table for its imports, which nobody else uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pymysql.cursors import SSCursor

from bench.scratch import random_suffix
from clinical.tables import PATIENTS
from hive import ddl
from hive.client import hive_session
from infra.clients import devices_connection, hdfs
from infra.errors import WardError
from infra.settings import Settings
from sqoop.importer import ImportResult, import_contacts
from sqoop.location import location_in_hive
from sqoop.merge import SCHEMA
from sqoop.snapshots import Snapshots
from sqoop.steps import Progress

SOURCE = "health.patients_information"
PAGE_ROWS = 10_000
READ_TIMEOUT_SECONDS = 600
CHANGED_EVERY = 100
SPREAD_SECONDS = 30
"""Between the times of change of two patients: a list grows over months, so that few are within an import's overlap."""

WARDS = ("ICU", "Cardiology", "Paediatrics", "General")
COLUMNS = ", ".join(PATIENTS.column_names)


class ScratchContacts:
    """The two tables. Patients are numbered from 0 and stay in the list."""

    def __init__(self, settings: Settings, source: str, table: str) -> None:
        self._settings = settings
        self._source = source
        self._table = table
        self._patients = 0

    def grow(self, patients: int) -> None:
        """Add patients until there are so many."""
        newest = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=1)
        names = COLUMNS.split(", ")
        statement = f"INSERT INTO {self._source} ({COLUMNS}) VALUES ({', '.join(['%s'] * len(names))})"
        with closing(devices_connection(self._settings, autocommit=False)) as connection:
            for start in range(self._patients, patients, PAGE_ROWS):
                rows = [_patient(number, newest) for number in range(start, min(start + PAGE_ROWS, patients))]
                with connection.cursor() as cursor:
                    cursor.executemany(statement, rows)
                connection.commit()
        self._patients = patients

    def change(self) -> int:
        """Give one patient in a hundred another phone, the same ones each time; returns how many."""
        options = {"read_timeout": READ_TIMEOUT_SECONDS}
        with closing(devices_connection(self._settings, **options)) as connection, connection.cursor() as cursor:
            return int(
                cursor.execute(
                    f"UPDATE {self._source} SET phone = %s, updated_at = NOW(3)"
                    " WHERE MOD(CAST(SUBSTRING(patient_id, 2) AS UNSIGNED), %s) = 7",
                    (random_suffix(), CHANGED_EVERY),
                )
            )

    def bring(self, full: bool, progress: Progress) -> ImportResult:
        """Import, in full or what changed."""
        return import_contacts(self._settings, full, reason="benchmark", table=self._table, progress=progress)

    def require_equal(self) -> None:
        """Raises WardError when the rows where the Hive table points are not those of MySQL, in all columns."""
        snapshots = Snapshots(self._settings, self._table)
        location = location_in_hive(self._settings, self._table)
        stored = snapshots.read(location.removeprefix(self._settings.default_fs)).sort_by("patient_id")
        if not stored.equals(self._in_mysql()):
            raise WardError(f"{location} does not hold what {self._source} does.")

    def _in_mysql(self) -> pa.Table:
        pages = []
        options = {"cursorclass": SSCursor, "read_timeout": READ_TIMEOUT_SECONDS}
        with closing(devices_connection(self._settings, **options)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {COLUMNS} FROM {self._source} ORDER BY patient_id")
            while rows := cursor.fetchmany(PAGE_ROWS):
                pages.append(_page(rows))
        return pa.concat_tables(pages)


@contextmanager
def scratch_contacts(settings: Settings) -> Iterator[ScratchContacts]:
    """Both tables, empty; they and their files on HDFS are gone at the end of the block."""
    name = f"bench_contacts_{random_suffix()}"
    contacts = settings.contacts.model_copy(update={"table": f"health.{name}"})
    own = settings.model_copy(update={"contacts": contacts})
    table, files = replace(PATIENTS, name=name), hdfs(own)
    try:
        _run(own, f"CREATE TABLE {contacts.table} LIKE {SOURCE}")
        with hive_session(own) as session:
            session.run(ddl.create_table(table, own.hdfs_uri("hive", name, "empty")))
        yield ScratchContacts(own, contacts.table, table.full_name)
    finally:
        _run(own, f"DROP TABLE IF EXISTS {contacts.table}")
        with hive_session(own) as session:
            session.run(f"DROP TABLE IF EXISTS {table.full_name}")
        snapshots = Snapshots(own, table.full_name)
        for path in (snapshots.directory, snapshots.staging):
            if files.exists(path):
                files.rm(path, recursive=True)


def _patient(number: int, newest: datetime) -> tuple[Any, ...]:
    """A row of the source table, in the order of its columns; every value follows from the number."""
    discharged = newest + timedelta(hours=number % 24) if number % 5 == 0 else None
    return (
        f"P{number:07d}",
        f"Zoë Ångström {number}",
        f"{number} High Street\nFlat {number % 9}, Oslo",
        f"+47 22 {number:07d}",
        WARDS[number % len(WARDS)],
        datetime(1930, 1, 1).date() + timedelta(days=number % 30_000),  # noqa: DTZ001 - a date of birth has no zone
        "FM"[number % 2],
        1 + (number % 50 == 0),
        number % 40 == 0,
        None if number % 3 else f"allergy {number}",
        newest - timedelta(seconds=number * SPREAD_SECONDS),
        discharged,
    )


def _page(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows of MySQL as a snapshot has them; MySQL gives a BOOLEAN as a number."""
    arrays = [
        pa.array(column, pa.int8()).cast(pa.bool_()) if kind == pa.bool_() else pa.array(column, kind)
        for column, kind in zip(zip(*rows, strict=True), SCHEMA.types, strict=True)
    ]
    return pa.table(arrays, schema=SCHEMA)


def _run(settings: Settings, statement: str) -> None:
    with closing(devices_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
