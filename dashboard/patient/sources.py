"""Where a patient's page gets its values from: HBase for recent ones, Hive for a month."""

from __future__ import annotations

import time
from collections.abc import Callable

from alerts.alarms_table import AlarmRow, Choice, list_alarms, list_of_vital
from clinical.vitals import DERIVED
from dashboard.database import alerts_cursor
from dashboard.live.state import patient_of
from dashboard.patient import curve as c
from dashboard.patient.curve import Curve, Span
from dashboard.patient.hourly import HourlyHistory
from hbase.recent_minutes import PARTIAL
from hbase.recent_rows import DerivedValue, Reading
from hbase.recent_vitals import RecentVitals
from infra.settings import Settings

AHEAD_MS = 300_000
"""A device's clock may be ahead; such readings are accepted (`readings.max_future_seconds`) and shown."""

AGAIN_MS = 180_000
"""So much of an hour is read again each time. What comes later than that is seen when all of the hour is."""

ALARMS_MOST = 500
TECHNICAL_MOST = 5000


class Sources:
    """One for the process; threads may share it. Times are epoch ms. Everything blocks and raises UnavailableError."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._recent = RecentVitals(settings, clock)
        self._hourly = HourlyHistory(settings)

    def newest(self, patient_id: str, count: int, attribute: str | None = None) -> list[Reading]:
        """The last readings (that have the attribute), newest first, up to a landing interval old."""
        return self._recent.last(patient_id, count, attribute)

    def newest_derived(self, patient_id: str, attribute: str, count: int) -> list[DerivedValue]:
        """The last computed values, newest first."""
        return self._recent.last_derived(patient_id, attribute, count)

    def curve(self, patient_id: str, attribute: str, span: Span, before: Curve | None = None) -> Curve:
        """The vital over the span until now. Hive may take a minute for a month, or raise QueryError.

        `before`: the same hour as it was shortly before; then only its last minutes are read again.
        """
        end = int(self._clock() * 1000)
        start = end - span.length_ms
        if span is Span.HOUR:
            again = start if before is None else max(start, end - AGAIN_MS)
            newest = self._hour(patient_id, attribute, again, end)
            if before is not None:
                return c.continued(before, newest, start)
            since = end - c.AVERAGE_MS
            return c.with_average(
                newest, self._recent.by_minute(patient_id, since, end + AHEAD_MS, [attribute])[attribute]
            )
        start -= start % span.step_ms
        if span is Span.MONTH:
            hours = self._hourly.hours(patient_id, attribute, start - c.AVERAGE_MS, end + AHEAD_MS)
            return c.of_hours(attribute, *hours, start, end)
        names = [attribute, *([attribute + PARTIAL] if attribute in DERIVED else [])]
        found = self._recent.by_minute(patient_id, start - c.AVERAGE_MS, end + AHEAD_MS, names)
        return c.of_minutes(attribute, span, found[attribute], found.get(attribute + PARTIAL), start, end)

    def _hour(self, patient_id: str, attribute: str, start: int, end: int) -> Curve:
        if attribute in DERIVED:
            values = self._recent.derived_between(patient_id, attribute, start, end + AHEAD_MS)
            return c.of_derived(attribute, values, start, end)
        readings = self._recent.between(patient_id, start, end + AHEAD_MS)
        return c.of_readings(attribute, readings, start, end, self._settings.readings.least_signal_quality)

    def open_alarms(self, patient_id: str) -> list[AlarmRow]:
        """What is open now, the most urgent first."""
        # Technical alarms have no column of the patient: it stands in their key.
        technical = [
            one for one in self._alarms(Choice(severity="technical"), TECHNICAL_MOST) if patient_of(one) == patient_id
        ]
        return [*self._alarms(Choice(patient_id=patient_id)), *technical]

    def alarms_of(self, curve: Curve, patient_id: str) -> tuple[list[AlarmRow], bool]:
        """Alarms of that vital that were active in the time of the curve, the newest first; whether there are more."""
        span = curve.start, curve.end + AHEAD_MS
        with alerts_cursor(self._settings) as cursor:
            found = list_of_vital(cursor, patient_id, curve.attribute, span, ALARMS_MOST + 1)
        return found[:ALARMS_MOST], len(found) > ALARMS_MOST

    def is_known(self, patient_id: str) -> bool:
        """Whether there is an alarm or a recent reading of somebody of that id."""
        return bool(self._alarms(Choice(patient_id=patient_id, ended_too=True), 1) or self.newest(patient_id, 1))

    def _alarms(self, choice: Choice, limit: int = ALARMS_MOST) -> list[AlarmRow]:
        settings = self._settings
        with alerts_cursor(settings) as cursor:
            return list_alarms(cursor, choice, limit)
