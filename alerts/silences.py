"""Silences and maintenance windows: no mails about what they match, from start to end; all is recorded meanwhile.

Both do the same; the kind says why: a silence is about a patient or an attribute that is known to alarm, a maintenance
window about work on devices or servers. Times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pymysql.cursors import Cursor

Kind = Literal["silence", "maintenance"]

LONGEST_MS = 7 * 86_400_000
"""A silence that somebody forgot must end by itself: a week is the most, and it can be renewed."""

COLUMNS = "silence_id, kind, patient_id, ward, attribute, starts_at, ends_at, author, reason, lifted_at, lifted_by"


@dataclass(frozen=True)
class Silence:
    """From `starts_at` (inclusive) to `ends_at` (exclusive), unless lifted. None of a field matches everything."""

    silence_id: int
    kind: Kind
    patient_id: str | None
    ward: str | None
    attribute: str | None
    starts_at: int
    ends_at: int
    author: str
    reason: str
    lifted_at: int | None = None
    lifted_by: str | None = None

    def covers(self, patient_id: str, ward: str, attribute: str) -> bool:
        """Whether it keeps mails about this back; every field that it names must be equal."""
        wanted = (self.patient_id, self.ward, self.attribute)
        return all(mine in (None, given) for mine, given in zip(wanted, (patient_id, ward, attribute), strict=True))


def load_in_force(cursor: Cursor, now: int) -> list[Silence]:
    """Those that hold at `now`."""
    cursor.execute(
        f"SELECT {COLUMNS} FROM silences WHERE lifted_at IS NULL AND starts_at <= %s AND ends_at > %s"
        " ORDER BY silence_id",
        (now, now),
    )
    return [Silence(*row) for row in cursor.fetchall()]


def silenced_until(silences: Iterable[Silence], patient_id: str, ward: str, attribute: str) -> int | None:
    """When the last of the silences that cover this ends; None when none does. They must be in force."""
    return max((one.ends_at for one in silences if one.covers(patient_id, ward, attribute)), default=None)


def add_silence(
    cursor: Cursor,
    kind: Kind,
    patient_id: str | None,
    ward: str | None,
    attribute: str | None,
    starts_at: int,
    ends_at: int,
    author: str,
    reason: str,
    now: int,
) -> int:
    """Write a silence; its id."""
    cursor.execute(
        "INSERT INTO silences (kind, patient_id, ward, attribute, starts_at, ends_at, author, reason, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (kind, patient_id, ward, attribute, starts_at, ends_at, author, reason, now),
    )
    return int(cursor.lastrowid)


def lift(cursor: Cursor, silence_id: int, who: str, now: int) -> bool:
    """End a silence before its time, or before it began; False when there is none of that id that could still hold."""
    changed = cursor.execute(
        "UPDATE silences SET lifted_at = %s, lifted_by = %s"
        " WHERE silence_id = %s AND lifted_at IS NULL AND ends_at > %s",
        (now, who, silence_id, now),
    )
    return changed == 1


def load_silences(cursor: Cursor, since: int) -> list[Silence]:
    """Those that end after `since`, lifted ones and coming ones among them, by their start."""
    cursor.execute(
        f"SELECT {COLUMNS} FROM silences WHERE ends_at > %s ORDER BY starts_at, silence_id",
        (since,),
    )
    return [Silence(*row) for row in cursor.fetchall()]
