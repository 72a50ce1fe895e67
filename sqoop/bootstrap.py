"""Creates the HDFS directories of the contacts import, and lets the Hive table follow the newest snapshot."""

from __future__ import annotations

from infra.clients import with_retries
from infra.settings import Settings
from sqoop.importer import PATIENTS_TABLE
from sqoop.location import follow_newest
from sqoop.snapshots import Snapshots


def bootstrap(settings: Settings) -> None:
    """Create the directories of snapshots and staging where missing; safe to run at every start.

    The table points at the newest snapshot afterwards: an import that crashed before its last step, or a metastore
    restored to an earlier time, may have left it at one that is no longer kept.
    """
    snapshots = Snapshots(settings, PATIENTS_TABLE)
    with_retries(settings, snapshots.create_directories)
    with_retries(settings, lambda: follow_newest(settings, PATIENTS_TABLE, snapshots))
