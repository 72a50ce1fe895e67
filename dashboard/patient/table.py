"""The last readings of a patient as a table of texts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerts.entries import as_moment
from clinical.device import is_believed
from clinical.vitals import DERIVED, DEVICE, JUDGED, MEASURED, SIGNAL_QUALITY, VITALS
from dashboard.patient import chart
from hbase.recent_rows import DerivedValue, Reading

ALL = "all"
DOUBTED = "?"
"""After a value that is not judged, since the signal was poor."""

EXPLAINED = f"{DOUBTED} not judged: electrodes or probe had a poor signal."


@dataclass(frozen=True)
class Table:
    """Header and rows, newest first."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def choices() -> dict[str, str]:
    """What the table may show: everything measured, or one vital."""
    return {ALL: "All vitals", **{attribute: vital.label for attribute, vital in JUDGED.items()}}


def of_readings(chosen: str, readings: Iterable[Reading], least_quality: float, zone: ZoneInfo) -> Table:
    """All vitals, or one of them, with what the device said of the signal."""
    names = list(VITALS) if chosen == ALL else [chosen]
    shown = [*names, *DEVICE] if chosen == ALL else [*names, SIGNAL_QUALITY]
    header = ("Time", *(_headline(name) for name in shown))
    if chosen == ALL:
        header += ("On oxygen", "Consciousness")
    return Table(header, tuple(_row(reading, shown, chosen == ALL, least_quality, zone) for reading in readings))


def of_derived(attribute: str, values: Sequence[DerivedValue], zone: ZoneInfo) -> Table:
    """A computed attribute, with how many of its inputs there were."""
    rows = tuple(
        (
            as_moment(one.computed_for, zone),
            chart.number(attribute, one.value) + (" (partial)" if one.is_partial else ""),
            f"{one.inputs_used} of {one.inputs_expected}",
        )
        for one in values
    )
    return Table(("Time", _headline(attribute), "Inputs"), rows)


def is_derived(chosen: str) -> bool:
    """Whether the table shows computed values."""
    return chosen in DERIVED


def _headline(name: str) -> str:
    vital = MEASURED.get(name) or JUDGED[name]
    return f"{vital.label} ({vital.unit})" if vital.unit else vital.label


def _row(
    reading: Reading, shown: Sequence[str], with_observations: bool, least_quality: float, zone: ZoneInfo
) -> tuple[str, ...]:
    quality = reading.values.get(SIGNAL_QUALITY)
    cells = [as_moment(reading.recorded_at, zone)]
    for name in shown:
        value = reading.values.get(name)
        if value is None:
            cells.append("")
        else:
            doubt = "" if is_believed(name, quality, least_quality) else f" {DOUBTED}"
            cells.append(f"{value:.{MEASURED[name].scale}f}{doubt}")
    if with_observations:
        oxygen = {None: "", True: "yes", False: "no"}[reading.on_oxygen]
        cells += [oxygen, reading.consciousness or ""]
    return tuple(cells)
