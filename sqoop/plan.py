"""What an import does, decided from the last manifest and from counts. Pure: no I/O, the clock is given."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqoop.source import ContactsTable, Counts

KEYS_EVERY = timedelta(hours=24)


class Kind(enum.StrEnum):
    """How much is imported, from least to most."""

    DELTA = "delta"
    """Rows changed since the mark."""
    DELTA_AND_KEYS = "delta+keys"
    """The same, and the ids of all rows: finds deletions, and changes that came with too old a time."""
    FULL = "full"
    """Every row."""


@dataclass(frozen=True)
class Completeness:
    """What a merge says about how well the snapshot agrees with the source.

    `rows`: in the snapshot; `stale`: ids in the key list whose row the snapshot lacks or has in an older version.
    """

    rows: int
    stale: int


def fingerprint(table: ContactsTable) -> str:
    """Names the source and its mapping: a snapshot made from another one is no base for a delta."""
    columns = ",".join(f"{ours}={column.name}:{column.data_type}" for ours, column in table.columns.items())
    return f"{table.table}({columns};{table.datetime_zone})"


def choose(table: ContactsTable, last: Mapping[str, Any] | None, now: datetime, full: bool) -> Kind:
    """The least that is sure to be right, given the manifest of the newest snapshot (None: there is none)."""
    if full or last is None or not table.incremental or not last.get("mark"):
        return Kind.FULL
    if last["fingerprint"] != fingerprint(table):
        return Kind.FULL
    since_checked = now - datetime.fromisoformat(last["keys_checked_at"])
    if not timedelta(0) <= since_checked < KEYS_EVERY:  # in the future, before the clock was set back
        return Kind.DELTA_AND_KEYS
    return Kind.DELTA


def escalate(kind: Kind, outcome: Completeness, before: Counts, after: Counts) -> Kind | None:
    """The more thorough import that must follow at once, or None when the snapshot agrees with the source.

    `before` and `after` were counted around the import; while they differ, any number of rows between them agrees.
    """
    if kind is Kind.DELTA and not between(outcome.rows, before.total, after.total):
        return Kind.DELTA_AND_KEYS
    if kind is Kind.DELTA_AND_KEYS and outcome.stale:
        return Kind.FULL
    return None


def seen(since: str | None, before: Counts, after: Counts) -> dict[str, Any] | None:
    """For the manifest: the rows that an incremental import was sure to see, or None when they changed meanwhile, or
    so lately that a second change would leave the same time behind."""
    if since is None or before.just_changed or not before.same_rows(after):
        return None
    return {"since": since, "total": before.total, "matching": before.matching, "digest": before.digest}


def unchanged(last: Mapping[str, Any], since: str, now: Counts) -> bool:
    """Whether the snapshot has all rows and an incremental import would see just those that the last one saw."""
    known = last.get("seen")
    return known is not None and last.get("rows") == now.total and known == seen(since, now, now)


def began_meanwhile(last: Mapping[str, Any], asked_at: datetime, now: datetime) -> bool:
    """Whether the last import began between then and now; one that began later did so before the clock was set back."""
    return asked_at <= datetime.fromisoformat(last["started_at"]) <= now


def between(number: int, one: int, other: int) -> bool:
    """Whether `number` lies between the two counts, ends included."""
    return min(one, other) <= number <= max(one, other)
