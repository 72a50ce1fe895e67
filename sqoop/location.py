"""Where the Hive table of contacts points, and moving it to the newest snapshot."""

from __future__ import annotations

from hive.client import QueryError, query
from infra.errors import ConfigurationError, WardError
from infra.settings import Settings
from sqoop.snapshots import VERSION

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
    if VERSION.fullmatch(older) and older > newer:
        raise WardError(f"Snapshot {older} of {table} is in force already and newer than {newer}.")
    query(settings, f"ALTER TABLE {table} SET LOCATION '{location}'")
