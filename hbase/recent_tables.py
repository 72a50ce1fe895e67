"""The tables of recent readings in HBase, which forget by themselves."""

from __future__ import annotations

from hbase.creation import create
from hbase.recent_rows import DERIVED_FAMILY, MINUTES_FAMILY, READINGS_FAMILY
from hbase.table import connected
from infra.log import get_logger
from infra.settings import Settings

COMPRESSION = "GZ"
"""What is stored is JSON with the same words again and again; Java brings this codec along."""

DAY_SECONDS = 86_400

log = get_logger("recent")


def create_recent_tables(settings: Settings) -> None:
    """Create the tables that are missing. Safe to repeat; a table that is there keeps its rows and its days.

    Raises UnavailableError.
    """
    recent = settings.recent
    _create(settings, recent.readings_table, (READINGS_FAMILY, DERIVED_FAMILY), recent.readings_days)
    _create(settings, recent.minutes_table, (MINUTES_FAMILY,), recent.minutes_days)


def _create(settings: Settings, name: str, families: tuple[str, ...], days: int) -> None:
    options = {
        "max_versions": 1,
        "time_to_live": days * DAY_SECONDS,
        "compression": COMPRESSION,
        "block_cache_enabled": True,
    }
    create(settings, name, dict.fromkeys(families, options))
    with connected(settings, name) as connection:
        for family, found in connection.table(name).families().items():
            if found["time_to_live"] != days * DAY_SECONDS:
                log.warning(
                    "the table keeps its rows for another time than the setting says: alter it in `./ward hbase-shell`",
                    table=name,
                    family=family.decode(errors="replace"),
                    days=found["time_to_live"] / DAY_SECONDS,
                )
