"""Creates what Hive needs: directories, the database `health`, its tables and views. Safe to run at every start."""

from __future__ import annotations

from clinical.tables import BEFORE_ANY_IMPORT, PATIENTS, TABLES, StoredTable
from hive import ddl
from hive.client import HiveSession, hive_session
from infra.clients import hdfs, with_retries
from infra.errors import ConfigurationError
from infra.log import get_logger
from infra.settings import Settings

log = get_logger("hive")


def bootstrap(settings: Settings) -> None:
    """Directories, database, tables and views, each only if it is missing; views are always made anew.

    An existing table gets the columns that it lacks. Raises ConfigurationError when one of its columns has another
    type than ours or is unknown to us, UnavailableError when HiveServer2 cannot be reached.
    """
    files = hdfs(settings)
    files.makedirs(settings.hdfs_path("staging"), exist_ok=True)
    for table in TABLES.values():
        files.makedirs(table_path(settings, table), exist_ok=True)
    with_retries(settings, lambda: _create(settings))


def table_path(settings: Settings, table: StoredTable) -> str:
    """The directory of a table on HDFS. Patients start at an empty one; each import switches it to a snapshot."""
    parts = (table.name, BEFORE_ANY_IMPORT) if table == PATIENTS else (table.name,)
    return settings.hdfs_path("hive", *parts)


def column_changes(table: StoredTable, existing: dict[str, str]) -> list[str]:
    """Names of the columns to add to a table that has the columns `existing` (name -> type, partition keys too).

    Raises ConfigurationError naming each column that differs in a way that cannot be put right here.
    """
    ours = {column.name: column.type for column in (*table.columns, *table.partitions)}
    wrong = [
        f"{name} is {kind.upper()} and should be {ours[name]}"
        for name, kind in existing.items()
        if name in ours and kind.upper() != ours[name]
    ]
    wrong += [f"{name} is not one of ours" for name in existing if name not in ours]
    wrong += [f"the partition key {c.name} is missing" for c in table.partitions if c.name not in existing]
    if wrong:
        raise ConfigurationError(
            f"The Hive table {table.full_name} exists with other columns: {'; '.join(wrong)}. "
            "Rename that table, or drop it (its files stay), and start again."
        )
    return [column.name for column in table.columns if column.name not in existing]


def _create(settings: Settings) -> None:
    with hive_session(settings) as session:
        session.run(ddl.create_database(settings))
        for table in TABLES.values():
            session.run(ddl.create_table(table, settings.default_fs + table_path(settings, table)))
            _complete(session, table)
        for view in (ddl.create_long_view(), *ddl.create_alarm_views()):
            session.run(view)


def _complete(session: HiveSession, table: StoredTable) -> None:
    missing = column_changes(table, _existing_columns(session, table))
    if missing:
        session.run(ddl.add_columns(table, tuple(c for c in table.columns if c.name in missing)))
        session.run(ddl.set_comment(table))
        log.info("columns added", table=table.full_name, columns=missing)


def _existing_columns(session: HiveSession, table: StoredTable) -> dict[str, str]:
    rows = session.rows(f"DESCRIBE {table.full_name}")
    return {name.strip(): kind.strip() for name, kind, *_ in rows if name and kind and not name.startswith("#")}
