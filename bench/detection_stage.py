"""What a benchmark's detection joins: a threshold table as a new stack has it, and a thousand patients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from bench.messages import PATIENTS, patient_of
from bench.scratch import own_directory
from clinical.tables import PATIENTS as CONTACTS
from clinical.tables import StoredTable
from hbase.bootstrap import bootstrap
from hbase.edits import make, plan_set
from hbase.table import connected, read_state, state_table
from hive import ddl
from hive.client import hive_session
from infra.clients import hdfs
from infra.errors import WardError
from infra.settings import Settings
from spark_jobs.transforms.breaches import PATIENT_COLUMNS

CONTACTS_VERSION = "20260101T000000000Z"
OLDEST_BORN, YOUNGEST_BORN = 1936, 2005
"""All are adults; the default table has further bands for children."""

CONTACT_SCHEMA = pa.schema(
    [(name, pa.date32() if name == "date_of_birth" else pa.string()) for name in PATIENT_COLUMNS]
)


def contacts_table(suffix: str) -> StoredTable:
    """The table of contacts."""
    return replace(CONTACTS, name=f"bench_patients_{suffix}")


@contextmanager
def stage(settings: Settings, suffix: str) -> Iterator[None]:
    """The threshold table and the contacts, with everything below the warehouse, for as long as the block lasts.

    `settings` are those of `bench.scratch.apart`.
    """
    contacts = contacts_table(suffix)
    with own_directory(settings):
        try:
            bootstrap(settings)
            _write_contacts(settings, contacts)
            yield
        finally:
            with hive_session(settings) as session:
                session.run(f"DROP TABLE IF EXISTS {contacts.full_name}")
            for table in (settings.thresholds.table, state_table(settings)):
                _drop(settings, table)


def edit_message(settings: Settings, row: str, message: str) -> None:
    """Change the message of a threshold row, as `./ward thresholds set` does."""
    state = read_state(settings)
    make(settings, state, plan_set(state.cells, [row, f"alert_message={message}"]))


def _write_contacts(settings: Settings, contacts: StoredTable) -> None:
    people = [
        (
            patient_of(number),
            f"Patient {number}",
            "+47 555 01",
            f"{number} Quay St",
            f"Ward {number % 20}",
            _born(number),
        )
        for number in range(PATIENTS)
    ]
    columns = [list(column) for column in zip(*people, strict=True)]
    files, directory = hdfs(settings), settings.hdfs_path("patients", CONTACTS_VERSION)
    files.makedirs(directory, exist_ok=True)
    with files.open(f"{directory}/contacts.parquet", "wb") as file:
        pq.write_table(pa.table(columns, schema=CONTACT_SCHEMA), file)
    with hive_session(settings) as session:
        session.run(ddl.create_table(contacts, settings.hdfs_uri("patients", CONTACTS_VERSION)))


def _born(number: int) -> date:
    return date(OLDEST_BORN + number % (YOUNGEST_BORN - OLDEST_BORN + 1), 1 + number % 12, 1 + number % 28)


def _drop(settings: Settings, table: str) -> None:
    with suppress(WardError), connected(settings) as connection:
        if table.encode() in connection.tables():
            connection.delete_table(table, disable=True)
