"""Partitions as the files on HDFS say, after the metastore was restored to an earlier time or has lost them.

Of a partition's directories the newest that compaction finished holds everything that the older ones held when it was
written (its `_batches` names each batch). What landed in an older one afterwards, because the compaction was never put
in force, is copied to it, file by file under the same names. Then all partitions are forgotten and added anew, each
pointing at its directory. Every batch is therefore seen once, whatever the metastore said before. Nothing may be
landing or compacting meanwhile, and whoever asks Hive meanwhile misses readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from clinical.tables import TABLES, StoredTable
from hive import ddl
from hive.bootstrap import table_path
from hive.client import HiveSession, hive_session
from infra.clients import hdfs
from infra.log import get_logger
from infra.settings import Settings
from spark_jobs.landing import files as f
from spark_jobs.landing.retired import Ledger, Retired

ADDED_AT_ONCE = 100

log = get_logger("rebuild")


def rebuild(settings: Settings, tables: Mapping[str, StoredTable] = TABLES) -> None:
    """Let the landed tables have exactly the partitions that have files, each pointing where they are.

    Doing it again changes nothing. Raises UnavailableError when HDFS or HiveServer2 is away, WardError when a file
    could not be copied; what was done by then stays.
    """
    files = hdfs(settings)
    with hive_session(settings) as session:
        for table in tables.values():
            if table.partitions:
                _rebuild(settings, files, session, table)


def directories_of(files: Any, base: str, compacted: str, depth: int) -> dict[str, list[str]]:
    """Of each partition (`event_date=…/event_hour=…`) its directories, the one that holds most last.

    First the one in which landing began, then those that compaction finished, oldest first; one that it did not finish
    is left out.
    """
    landed, merged = (
        sorted(f.directories_below(files, root, levels)) if files.exists(root) else []
        for root, levels in ((base, depth), (compacted, depth + 1))
    )
    found = {directory.removeprefix(f"{base}/"): [directory] for directory in landed}
    for directory in merged:
        if files.exists(f"{directory}/{f.ALREADY_MERGED}"):
            partition = directory.removeprefix(f"{compacted}/").rsplit("/", 1)[0]
            found.setdefault(partition, []).append(directory)
    return dict(sorted(found.items()))


def _rebuild(settings: Settings, files: Any, session: HiveSession, table: StoredTable) -> None:
    depth = len(table.partitions)
    found = directories_of(files, table_path(settings, table), f.compacted_root(settings, table), depth)
    ledger = Ledger(files, f.ledger_root(settings, table))
    copied = 0
    for partition, (*older, newest) in found.items():
        copied += len(f.complete(files, newest, older))
        for directory in older:
            ledger.enter(Retired(directory, f.parse_spec(partition), datetime.now(UTC)))
    locations = [
        (f.parse_spec(partition), settings.default_fs + directories[-1]) for partition, directories in found.items()
    ]
    session.run(f"ALTER TABLE {table.full_name} SET LOCATION '{settings.default_fs + table_path(settings, table)}'")
    session.run(ddl.drop_partitions(table))
    for start in range(0, len(locations), ADDED_AT_ONCE):
        session.run(ddl.add_partitions(table, locations[start : start + ADDED_AT_ONCE]))
    log.info("partitions rebuilt", table=table.full_name, partitions=len(found), files_copied=copied)
