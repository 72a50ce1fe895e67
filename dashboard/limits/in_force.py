"""Whether what the table says is what detection judges by, as a sentence. Pure, but for `asked`."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from clinical.thresholds import read_table
from hbase.snapshots import content_hash
from hbase.table import Cells
from infra.metrics import read_state
from infra.settings import Settings

STREAM = "detect-breaches"


def asked(settings: Settings) -> str | None:
    """The version by which detection judges now; None: it does not answer. Blocks for 2 s at most."""
    state = read_state(settings, STREAM)
    return None if state is None else state.in_force.get("thresholds", "")


def hash_of(cells: Cells) -> str | None:
    """How the version of that table would end; None: it could not come into force."""
    rows, problems = read_table(cells)
    return None if problems else content_hash(rows)


def sentence(table_hash: str | None, version: str | None, zone: ZoneInfo) -> str:
    """For people: a shape, whether the table is in force, and since when."""
    if version is None:
        return "■ Detection does not answer: whether this table is in force is not known."
    if not version:
        return "◷ Detection is starting: this table is not in force yet."
    since = f"since {_moment(version, zone)} {zone.key}"
    if table_hash is None:
        return f"■ The table is not right; the one in force {since} stays so until it is."
    if version.endswith(f"-{table_hash}"):
        return f"✓ In force: detection judges by this table {since}."
    return f"◷ Not in force yet: it takes a few seconds. Detection judges by the table in force {since}."


def _moment(version: str, zone: ZoneInfo) -> str:
    stamp = datetime.strptime(version[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return f"{stamp.astimezone(zone):%Y-%m-%d %H:%M:%S}"
