"""By which birth dates detection may have judged since some time, from the snapshots of contacts that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from itertools import pairwise

from clinical.tables import PATIENTS
from infra.settings import Settings
from sqoop.snapshots import Snapshots, time_of

BirthDates = Mapping[str, frozenset[date | None]]
"""By patient. None among them: once there was no contact or no birth date, and an adult's limits held."""

UNKNOWN: frozenset[date | None] = frozenset({None})


def birth_dates_since(settings: Settings, since: datetime) -> BirthDates | None:
    """Those of everybody who was in a snapshot that was in force at `since` (aware) or later.

    None: that of `since` itself is not kept any more. Raises UnavailableError without HDFS.
    """
    snapshots = Snapshots(settings, PATIENTS.full_name)
    versions = in_force_since(snapshots.versions(), since)
    if versions is None:
        return None
    try:
        tables = (snapshots.read(snapshots.path(version), ["patient_id", "date_of_birth"]) for version in versions)
        contents = (table.to_pydict() for table in tables)
        return united(dict(zip(rows["patient_id"], rows["date_of_birth"], strict=True)) for rows in contents if rows)
    except FileNotFoundError:  # an import has just removed one
        return None


def in_force_since(versions: Iterable[str], since: datetime) -> list[str] | None:
    """Of some snapshots those that were in force at some time from `since` on; None: that of then is gone."""
    ordered = sorted(versions)
    found = [version for version, newer in pairwise(ordered) if time_of(newer) > since] + ordered[-1:]
    return found if found and time_of(found[0]) <= since else None


def united(snapshots: Iterable[Mapping[str, date | None]]) -> dict[str, frozenset[date | None]]:
    """The birth dates of each patient in all of some snapshots; None of whom one of them does not have."""
    found: dict[str, frozenset[date | None]] = {}
    for number, born in enumerate(snapshots):
        for patient, day in born.items():
            known = found.get(patient, UNKNOWN if number else frozenset())
            if day not in known:
                known |= {day}
            found[patient] = known
        for patient in found.keys() - born.keys():
            found[patient] |= UNKNOWN
    return found
