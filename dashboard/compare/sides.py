"""What can be compared: patients and wards, over some periods. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from dashboard.live.state import Contact
from infra.errors import WardError

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SIDES_MOST = 6
BEDS_MOST = 300
"""Patients that one comparison reads."""

PATIENT, WARD = "patient", "ward"


class Period(Enum):
    """A time until now. `stretch`: what its averages are made of, as the store that is asked keeps it."""

    SIX_HOURS = ("the last 6 hours", 6 * HOUR_MS, "minute")
    DAY = ("the last day", DAY_MS, "minute")
    TWO_DAYS = ("the last 2 days", 2 * DAY_MS, "minute")
    MONTH = ("the last 30 days", 30 * DAY_MS, "hour")

    def __init__(self, label: str, length_ms: int, stretch: str) -> None:
        self.label = label
        self.length_ms = length_ms
        self.stretch = stretch

    @property
    def days(self) -> float:
        """Its length in days."""
        return self.length_ms / DAY_MS


@dataclass(frozen=True)
class Side:
    """One of those that are compared. `label` holds a name only for those who may see it."""

    kind: str
    key: str
    label: str
    patients: tuple[str, ...]


def choices(contacts: Mapping[str, Contact], beds: Collection[str], sees_identity: bool) -> dict[str, Side]:
    """Everything that can be chosen, by a key for the form: wards first, then patients.

    A patient without a ward on record, or who is not on record at all but has a bed, can be chosen alone.
    """
    wards: dict[str, list[str]] = {}
    for patient_id in sorted(beds):
        contact = contacts.get(patient_id)
        if contact is not None and contact.ward:
            wards.setdefault(contact.ward, []).append(patient_id)
    found = {f"{WARD} {ward}": Side(WARD, ward, _called(ward), tuple(wards[ward])) for ward in sorted(wards)}
    for patient_id in sorted(beds):
        contact = contacts.get(patient_id)
        name = contact.name if contact is not None and sees_identity else ""
        label = f"{patient_id} · {name}" if name else patient_id
        found[f"{PATIENT} {patient_id}"] = Side(PATIENT, patient_id, label, (patient_id,))
    return found


def _called(ward: str) -> str:
    return ward if "ward" in ward.lower() else f"Ward {ward}"


def chosen(among: Mapping[str, Side], keys: Collection[str]) -> list[Side]:
    """The sides of these keys. Raises WardError for none, too many, or one that is gone."""
    if not 1 <= len(keys) <= SIDES_MOST:
        raise WardError(f"Choose 1 to {SIDES_MOST} patients or wards.")
    gone = [key for key in keys if key not in among]
    if gone:
        raise WardError(f"No longer here: {', '.join(gone)}. Choose again.")
    sides = [among[key] for key in keys]
    if (beds := len({patient for side in sides for patient in side.patients})) > BEDS_MOST:
        raise WardError(f"These are {beds} beds, and at most {BEDS_MOST} are compared at once: choose fewer wards.")
    return sides
