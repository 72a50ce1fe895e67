"""Creating tables in HBase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import happybase  # noqa: F401 - its import is what makes Hbase_thrift known
from Hbase_thrift import AlreadyExists

from hbase.table import connected
from infra.errors import UnavailableError
from infra.log import get_logger
from infra.settings import Settings

log = get_logger("hbase")


def exists(settings: Settings, name: str) -> bool:
    """Whether there is a table of that name. Raises UnavailableError."""
    with connected(settings, name) as connection:
        return name.encode() in connection.tables()


def create(settings: Settings, name: str, families: Mapping[str, Mapping[str, Any]]) -> None:
    """Create a table (`family -> options of happybase`) unless it is there.

    Raises UnavailableError, also when the table is not there yet after all: this can be called again.
    """
    if exists(settings, name):
        return
    with connected(settings, name) as connection:
        try:
            connection.create_table(name, {family: dict(options) for family, options in families.items()})
        except AlreadyExists:
            log.info("another start was creating the table at the same time", table=name)
    if not exists(settings, name):
        raise UnavailableError("HBase", settings.hadoop.hbase_thrift_host, f"the table {name} is not created yet")
