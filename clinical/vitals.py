"""The catalogue of vital signs: unit, resolution, codes and plausible range of each attribute.

Sources: LOINC and UCUM codes as published by Regenstrief; the plausible ranges are what a sensor can report on a
living or dying patient. A value of 0 can be an asystole or an apnoea and is inside the range on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True)
class Vital:
    """One numeric attribute of a reading.

    `scale` is the number of decimal places of its resolution: a value is rounded half-up to it before it is compared.
    `low` and `high` bound what is plausible (inclusive); outside, the value is rejected and never alarmed.
    `monitor_seconds` and `spot_seconds` say how often a monitor or a spot measurement is expected.
    """

    attribute: str
    label: str
    unit: str
    ucum: str
    loinc: str
    scale: int
    low: Decimal
    high: Decimal
    monitor_seconds: int
    spot_seconds: int


def _vital(
    attribute: str,
    label: str,
    unit: str,
    ucum: str,
    loinc: str,
    scale: int,
    low: int,
    high: int,
    seconds: int,
    spot: int,
) -> Vital:
    return Vital(attribute, label, unit, ucum, loinc, scale, Decimal(low), Decimal(high), seconds, spot * 3600)


VITALS: dict[str, Vital] = {
    vital.attribute: vital
    for vital in (
        _vital("heart_rate", "Heart rate", "/min", "/min", "8867-4", 0, 0, 350, 1, 8),
        _vital("systolic_bp", "Systolic blood pressure", "mmHg", "mm[Hg]", "8480-6", 0, 0, 350, 300, 8),
        _vital("diastolic_bp", "Diastolic blood pressure", "mmHg", "mm[Hg]", "8462-4", 0, 0, 250, 300, 8),
        _vital("spo2", "Oxygen saturation", "%", "%", "59408-5", 0, 0, 100, 1, 8),
        _vital("temperature", "Temperature", "°C", "Cel", "8310-5", 1, 20, 46, 60, 8),
        _vital("respiratory_rate", "Respiratory rate", "/min", "/min", "9279-1", 0, 0, 120, 1, 8),
        _vital("glucose", "Glucose", "mg/dL", "mg/dL", "2339-0", 1, 5, 1500, 300, 6),
    )
}
"""Measured attributes, in the order in which every table and message lists them."""

DERIVED: dict[str, Vital] = {
    vital.attribute: vital
    for vital in (
        _vital("news2", "NEWS2 score", "", "{score}", "1104051000000101", 0, 0, 20, 60, 8),
        _vital("glucose_mean_10m", "10-minute mean glucose", "mg/dL", "mg/dL", "2339-0", 1, 5, 1500, 300, 6),
    )
}
"""Attributes computed from others; they are judged by the same threshold table. (NEWS2's code is SNOMED CT.)"""

JUDGED: dict[str, Vital] = {**VITALS, **DERIVED}
"""Every attribute that the threshold table may speak of."""

SIGNAL_QUALITY, BATTERY = "signal_quality", "battery_percent"
DEVICE: dict[str, Vital] = {
    vital.attribute: vital
    for vital in (
        _vital(SIGNAL_QUALITY, "Signal quality", "%", "%", "", 0, 0, 100, 1, 8),
        _vital(BATTERY, "Battery", "%", "%", "", 0, 0, 100, 1, 8),
    )
}
"""What a device says about itself. It is stored, tells how far the device's values are to be believed
(`clinical.device`), and is no vital: no limits are set for it. 0 % quality: electrodes or probe have no contact."""

MEASURED: dict[str, Vital] = {**VITALS, **DEVICE}
"""Every numeric column of a reading."""

CONSCIOUSNESS = ("A", "C", "V", "P", "U")
"""ACVPU: alert, new confusion, responds to voice, to pain, unresponsive (RCP, NEWS2, 2017)."""

REPORTED = (*VITALS, "on_oxygen", "consciousness", *DEVICE)
"""Every column of a reading that a device fills."""


def expected_seconds(attribute: str, changed_seconds: Mapping[str, float]) -> float:
    """Seconds between two readings of a judged attribute by a monitor: as a site has changed them, else the
    catalogue's. Raises KeyError for an attribute of neither."""
    changed = changed_seconds.get(attribute)
    return JUDGED[attribute].monitor_seconds if changed is None else changed


def round_half_up(value: Decimal, scale: int) -> Decimal:
    """`value` rounded half-up (away from zero at the half) to `scale` decimal places, as Spark's `round` does."""
    return value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
