"""The older part of trend lines, from HBase: what is measured every few minutes has not 20 values in what the feed
reads again at a start."""

from __future__ import annotations

import threading

from clinical.device import is_believed
from clinical.vitals import SIGNAL_QUALITY
from dashboard.live.series import KEPT
from dashboard.live.state import LiveState
from hbase.recent_vitals import RecentVitals
from infra.errors import WardError
from infra.log import get_logger
from infra.settings import Settings

EVERY_SECONDS = 10.0
AGAIN_SECONDS = 60.0

log = get_logger("ward-page")


def fill_trends(settings: Settings, live: LiveState, stop: threading.Event) -> None:
    """Ask once for the older values of each short trend line, until `stop` is set; later while HBase is away."""
    recent = RecentVitals(settings)
    asked, failed = set[tuple[str, str]](), set[tuple[str, str]]()
    while True:
        pause = EVERY_SECONDS
        short = live.short_trends()
        asked &= short
        if not short - asked - failed:
            failed.clear()
        for patient_id, attribute in sorted(short - asked - failed):
            try:
                live.fill(patient_id, attribute, older_values(settings, recent, patient_id, attribute))
            except WardError as error:
                log.warning("trend lines begin with the values since the start", reason=str(error))
                # The others first: one that always fails would keep them waiting.
                failed.add((patient_id, attribute))
                pause = AGAIN_SECONDS
                break
            asked.add((patient_id, attribute))
            if stop.is_set():
                return
        if stop.wait(pause):
            return


def older_values(settings: Settings, recent: RecentVitals, patient_id: str, attribute: str) -> list[tuple[int, float]]:
    """When each was measured (epoch ms), and the value, of the last that are believed. Raises UnavailableError."""
    least = settings.readings.least_signal_quality
    return [
        (reading.recorded_at, reading.values[attribute])
        for reading in recent.last(patient_id, KEPT, attribute)
        if is_believed(attribute, reading.values.get(SIGNAL_QUALITY), least)
    ]
