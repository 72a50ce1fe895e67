"""Monitors whose battery runs low: a technical alarm to nurses and to ops, before nothing comes at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from alerts.bedside import Seen
from alerts.message import one_line
from alerts.no_signal import SignalAlarms, patient_on_ward
from alerts.technical import technical
from alerts.wards import contacts_of, ward_of
from clinical.device import Batteries
from clinical.presence import AHEAD_SECONDS
from infra.settings import Settings

BATTERY_LOW = "battery_low"
ASK_AGAIN_MS = 10_000
"""How soon the source of contacts is asked again about patients of whom nothing was told."""


class BatteryWatch:
    """Tells once of each patient whose battery is low, and once that it is not. Who has left is not told of."""

    def __init__(self, settings: Settings, told: Iterable[str] = ()) -> None:
        """`told`: the patients whose alarm is open since before a restart."""
        self._settings = settings
        self._told = set(told)
        self._batteries = Batteries(settings.alerts.battery_low_percent, self._told)
        self._left: Collection[str] = ()
        self._asked_at = 0

    @property
    def told(self) -> set[str]:
        """The patients whose alarm is open."""
        return self._told

    def see(self, seen: Seen, now: int) -> None:
        """Count a reading; a time of insertion ahead of the clock `now` (epoch ms) counts as little ahead."""
        at = min(seen.inserted_at, now + AHEAD_SECONDS * 1000)
        self._batteries.pass_to(at)
        if seen.battery is not None:
            self._batteries.see(seen.patient_id, seen.device_id, seen.battery, at)

    def left(self, patients: Collection[str]) -> None:
        """These have left, of all who are `waited_for`."""
        self._left = set(patients)

    def waited_for(self) -> set[str]:
        """Patients whose battery is low, or was told to be."""
        return self._batteries.low().keys() | self._told

    def look(self, now: int, is_silenced: Callable[[str, str], bool]) -> SignalAlarms:
        """What must be told; to be asked when everything that waits was seen.

        `is_silenced`: by patient and ward; what a silence covers is told when it is over.
        """
        self._batteries.caught_up()
        low = {patient: percent for patient, percent in self._batteries.low().items() if patient not in self._left}
        well, unknown = self._told - low.keys(), low.keys() - self._told
        wards: dict[str, str] = {}
        if unknown and not 0 <= now - self._asked_at < ASK_AGAIN_MS:
            self._asked_at = now
            stays = contacts_of(self._settings, unknown)
            if stays is not None:
                gone = {patient for patient, stay in stays.items() if stay.has_left(now)}
                wards = {one: ward_of(stays, one) for one in unknown - gone}
                wards = {one: ward for one, ward in wards.items() if not is_silenced(one, ward)}
        self._told = (self._told - well) | wards.keys()
        return battery_alarms({patient: low[patient] for patient in wards}, well, wards, now)


def battery_alarms(
    low: Mapping[str, float | None], well: Iterable[str], wards: Mapping[str, str], now: int
) -> SignalAlarms:
    """Alarms to raise for monitors whose battery is low (per cent), and to clear for those that are charged again.

    `wards`: of each patient with a low one; of UNKNOWN_WARD every ward is told.
    """
    made = SignalAlarms()
    for patient in sorted(well):
        detail = f"The battery of the monitor of patient {one_line(patient)} is charged, or not told of any more."
        made.alarms.append(technical(BATTERY_LOW, patient, detail, now, cleared=True))
    for patient, percent in sorted(low.items()):
        charge = "low" if percent is None else f"at {percent:.0f} %"
        detail = (
            f"The battery of the monitor of {patient_on_ward(patient, wards[patient])} is {charge}: "
            "connect it to the mains, or nothing will come from it soon."
        )
        alarm = technical(BATTERY_LOW, patient, detail, now)
        made.alarms.append(alarm)
        made.wards[alarm["alarm_key"]] = wards[patient]
    return made
