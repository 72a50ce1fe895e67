"""The bands by which one patient is judged now, as a chart draws them behind its values."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from clinical.ages import ADULT_YEARS
from clinical.thresholds import ThresholdRow, limits_for
from clinical.vitals import JUDGED
from hbase import snapshots
from infra.errors import UnavailableError
from infra.settings import Settings

KEPT_SECONDS = 10.0
TURN_SECONDS = 10.0
"""How long somebody who knows no table yet waits for the one who asks: who waits holds a thread of all pages."""

Kept = tuple[float, list[ThresholdRow]]
"""When a table was looked up, and its rows."""


@dataclass(frozen=True)
class Band:
    """`low` and `high`: where it begins and ends on the axis (None: open); bands that follow each other touch.

    `severity`: high, medium or low; "" for the normal band and for one that does not alert. `text` names its limits.
    """

    low: float | None
    high: float | None
    severity: str
    is_normal: bool
    text: str
    is_own: bool


class Limits:
    """The thresholds in force, looked up again after some seconds. One for the process; threads may share it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._asking = threading.Lock()
        self._kept: Kept | None = None

    def rows(self) -> list[ThresholdRow]:
        """The table in force; empty when there never was one. Blocks; raises UnavailableError without HDFS.

        While one thread asks HDFS, the others get the table that was in force before, if it is known.
        """
        known = self._kept
        if known is not None and self._is_fresh(known):
            return known[1]
        if not self._asking.acquire(timeout=0 if known is not None else TURN_SECONDS):
            if known is not None:
                return known[1]
            raise UnavailableError("HDFS", self._settings.webhdfs_url, "it was asked and has not answered")
        try:
            known = self._kept
            if known is None or not self._is_fresh(known):
                newest = snapshots.latest(self._settings)
                known = self._kept = self._clock(), newest.rows if newest else []
            return known[1]
        finally:
            self._asking.release()

    def _is_fresh(self, kept: Kept) -> bool:
        return self._clock() - kept[0] < KEPT_SECONDS


def bands_of(rows: Iterable[ThresholdRow], attribute: str, patient_id: str, age_years: float | None) -> list[Band]:
    """The patient's own bands of that vital, or the general ones at that age, lowest values first.

    Values are rounded half-up before they are judged, so each band reaches half a step further than its limits say.
    """
    age = ADULT_YEARS if age_years is None else max(age_years, 0.0)
    half = 0.5 * 10.0 ** -JUDGED[attribute].scale
    chosen = [
        row
        for row in limits_for(rows, attribute, patient_id)
        if float(row.low_age) <= age and (row.high_age is None or age < float(row.high_age))
    ]
    found = [
        Band(
            low=None if row.low_value is None else float(row.low_value) - half,
            high=None if row.high_value is None else float(row.high_value) + half,
            severity=(row.severity or "") if row.alert_flag else "",
            is_normal=row.direction == "normal",
            text=_limits_text(row),
            is_own=row.patient_id is not None,
        )
        for row in chosen
    ]
    return sorted(found, key=lambda band: float("-inf") if band.low is None else band.low)


def axis_range(values: Sequence[float], bands: Sequence[Band], attribute: str) -> tuple[float, float]:
    """From where to where the axis of the values goes: all values, and the normal band with something beside it."""
    vital = JUDGED[attribute]
    edges = [edge for band in bands if band.is_normal for edge in (band.low, band.high) if edge is not None]
    shown = [*values, *edges] or [float(vital.low), float(vital.high)]
    margin = max((max(shown) - min(shown)) * 0.15, 2 * 10.0**-vital.scale)
    low, high = max(min(shown) - margin, float(vital.low)), min(max(shown) + margin, float(vital.high))
    return round(low, vital.scale), round(high, vital.scale) if high > low else low + 1


def _limits_text(row: ThresholdRow) -> str:
    unit = JUDGED[row.attribute].unit
    if row.low_value is None and row.high_value is None:
        return "any value"
    if row.low_value is None:
        return f"up to {row.high_value} {unit}".strip()
    if row.high_value is None:
        return f"{row.low_value} {unit} and more".replace("  ", " ")
    return f"{row.low_value} to {row.high_value} {unit}".strip()
