"""Where the Hive table of contacts points, and moving it to the newest snapshot."""

from __future__ import annotations

from clinical.tables import SNAPSHOT_VERSION
from hive.client import QueryError, query
from infra.errors import ConfigurationError, WardError
from infra.settings import Settings
from sqoop.snapshots import Snapshots

NO_SUCH_TABLE = "Table not found"


def location_in_hive(settings: Settings, table: str) -> str:
    """The URI that the table points to. Raises ConfigurationError when it is missing, UnavailableError."""
    try:
        described = query(settings, f"DESCRIBE FORMATTED {table}")
    except QueryError as error:
        if NO_SUCH_TABLE not in str(error):
            raise
        raise ConfigurationError(f"The Hive table {table} is missing: `./ward up` creates it.") from error
    return next(str(value).strip().rstrip("/") for name, value, *_ in described if str(name).strip() == "Location:")


def put_in_force(settings: Settings, table: str, location: str) -> None:
    """Point the table to the snapshot at the URI `location`, in one step of the metastore, unless it does already.

    Raises WardError when the table points to a newer snapshot: it never goes back.
    """
    in_force = location_in_hive(settings, table)
    if in_force == location:
        return
    older, newer = (uri.rsplit("/", 1)[-1] for uri in (in_force, location))
    if SNAPSHOT_VERSION.fullmatch(older) and older > newer:
        raise WardError(f"Snapshot {older} of {table} is in force already and newer than {newer}.")
    _point_at(settings, table, location)


def follow_newest(settings: Settings, table: str, snapshots: Snapshots) -> None:
    """Point the table to the newest snapshot that is on HDFS, if it points to an older one or to one that is not there.

    Raises ConfigurationError when the table is missing, UnavailableError. An import may finish meanwhile: the snapshots
    are listed after the location was read, so the table never goes back.
    """
    in_force = location_in_hive(settings, table)
    versions = snapshots.versions()
    directory, _, version = in_force.rpartition("/")
    is_there = version in versions and directory == settings.default_fs + snapshots.directory
    if versions and not (is_there and version == versions[-1]):
        _point_at(settings, table, settings.default_fs + snapshots.path(versions[-1]))


def _point_at(settings: Settings, table: str, location: str) -> None:
    query(settings, f"ALTER TABLE {table} SET LOCATION '{location}'")
