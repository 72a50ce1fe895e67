"""How far a monitor's values are to be believed, by what it says about itself; and whose battery runs low. Pure.

Electrodes or a probe without contact are a technical alarm condition and no state of the patient (IEC 60601-1-8, its
definitions of the two; IEC 60601-2-27 for electrodes, ISO 80601-2-61 for pulse oximeters). So a value that comes from
such a probe counts as none: it raises nothing, clears nothing, scores nothing, and when that lasts, the signal is lost
(`clinical.presence`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PROBED = ("heart_rate", "respiratory_rate", "spo2")
"""What electrodes and probes give all the time; a cuff, a thermometer and a glucose meter are put on to measure."""

ENOUGH_MORE = 10.0
"""Per cent above the limit at which a battery is no longer low, so that one at the limit does not alarm twice."""

LAPSED_SECONDS = 7200
"""A charge that was not told again for so long says nothing any more: the monitor was replaced, or is silent, which is
told otherwise."""


NO_CLOCK_BEFORE_MS = 978_307_200_000
"""Epoch ms of 2001-01-01. A clock without a battery begins in 1970, 1980 or 2000: what was recorded before 2001 was
recorded by one that does not know the time, and not long ago."""


def is_believed(attribute: str, signal_quality: float | None, least: float) -> bool:
    """Whether a value is judged that came with this signal quality (%). A device that tells none is believed.

    `least` 0 believes everything. Spark, HQL and arrays say the same in their own ways.
    """
    return attribute not in PROBED or signal_quality is None or signal_quality >= least


class _Charge(NamedTuple):
    at: int
    percent: float
    is_low: bool


class Batteries:
    """The charge of every device, in stream time (epoch ms); low below `low` per cent, until ENOUGH_MORE above that.

    A patient's battery is low when that of any device is. `low_before`: whose was before a restart; it stays so until
    a device of the patient is heard of and `caught_up`, or LAPSED_SECONDS. With `low` 0 none ever is.
    """

    def __init__(self, low: float, low_before: Iterable[str] = ()) -> None:
        self._limit = low
        self._before = set(low_before) if low > 0 else set()
        self._charges: dict[tuple[str, str], _Charge] = {}
        self._began = self._newest = 0

    def pass_to(self, at: int) -> None:
        """Stream time has reached `at`: by any reading, since not every device tells a charge."""
        self._began = self._began or at
        self._newest = max(self._newest, at)

    def see(self, patient_id: str, device_id: str, percent: float, at: int) -> None:
        """A charge that was told at that time; an older one than the newest of the device changes nothing."""
        self.pass_to(at)
        known = self._charges.get((patient_id, device_id))
        if known is not None and at < known.at:
            return
        was_low = known.is_low if known is not None else patient_id in self._before
        limit = self._limit + ENOUGH_MORE * (was_low and self._limit > 0)
        self._charges[patient_id, device_id] = _Charge(at, percent, percent < limit)

    def caught_up(self) -> None:
        """What came before a restart has been read again: of whom a charge was heard, that is known by device now."""
        self._before -= {patient_id for patient_id, _ in self._charges}

    def low(self) -> dict[str, float | None]:
        """Patients whose battery is low, with the lowest charge; None: not heard of since a restart."""
        lapsed = self._newest - LAPSED_SECONDS * 1000
        for key in [key for key, charge in self._charges.items() if charge.at < lapsed]:
            del self._charges[key]
        if self._began < lapsed:
            self._before.clear()
        found: dict[str, float | None] = dict.fromkeys(self._before)
        for (patient_id, _), charge in self._charges.items():
            if charge.is_low:
                other = found.get(patient_id)
                found[patient_id] = charge.percent if other is None else min(charge.percent, other)
        return found
