"""Creates the HDFS directories of the contacts import. The Hive table is made by the room of Hive."""

from __future__ import annotations

from infra.clients import with_retries
from infra.settings import Settings
from sqoop.importer import PATIENTS_TABLE
from sqoop.snapshots import Snapshots


def bootstrap(settings: Settings) -> None:
    """Create the directories of snapshots and staging where missing; safe to run at every start."""
    with_retries(settings, Snapshots(settings, PATIENTS_TABLE).create_directories)
