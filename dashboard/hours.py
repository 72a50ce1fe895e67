"""Where the hours of a vital are in Hive. Pure."""

from __future__ import annotations

from typing import NamedTuple

from clinical.device import PROBED
from clinical.tables import DERIVED_VITALS, VITAL_READINGS
from clinical.vitals import DERIVED, VITALS


class HourSource(NamedTuple):
    """A table's full name, its columns of the time and the value, how it tells the hour, and which rows count (HQL)."""

    table: str
    time: str
    hour: str
    value: str
    condition: str


def hour_source(attribute: str, least_quality: float) -> HourSource:
    """The source of that vital's hours, without the values that are not believed: those of probes with a signal quality
    (%) below `least_quality`. Raises KeyError for what is no vital.
    """
    if attribute in DERIVED:
        condition = f"attribute = '{attribute}'"
        return HourSource(DERIVED_VITALS.full_name, "computed_for", "HOUR(computed_for)", "value", condition)
    value = VITALS[attribute].attribute
    condition = f"{value} IS NOT NULL"
    if attribute in PROBED:
        condition += f" AND (signal_quality IS NULL OR signal_quality >= {least_quality:g})"
    return HourSource(VITAL_READINGS.full_name, "recorded_at", "event_hour", value, condition)
