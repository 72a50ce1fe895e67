"""What the board knows of one patient: the newest values, and which signals no longer come. Pure.

The rules are those of `clinical.presence`, with one difference: the time that passes is the clock's. A pipeline that
stands still is no patient's fault and makes no alarm of theirs, but a screen may not show their last values as if they
were of now. All of it follows from the last KEPT_MS, so that a page that was restarted comes to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from alerts.bedside import Seen
from clinical.presence import LEAST_INTERVAL_SECONDS
from clinical.presence_track import MISSED, NEVER, Track
from dashboard.live.series import Series

KEPT_MS = 900_000
"""What is older is not shown as a value: three times what lies between two readings of a cuff."""

NEWS2 = "news2"


class Score(NamedTuple):
    """A NEWS2 score. `at`: the time that it was computed for, epoch ms. `partial`: a lower bound."""

    value: int
    partial: bool
    at: int


@dataclass(frozen=True)
class Standing:
    """Which signals come. `since` (None while they do), and the times of `lost`: of the last value, epoch ms.

    `silent`: the monitor was sending and no longer does. `monitored`: it is sending; neither of the two: there are
    single readings, or none. `lost`: attributes that no longer come while others do.
    """

    silent: bool
    monitored: bool
    since: int | None
    lost: Mapping[str, int]


class PatientNow:
    """The newest of one patient. `intervals`: seconds between two readings of a monitor, by attribute.

    `last_at`: when the newest reading with a value was inserted, `heard_at`: the newest of all, epoch ms.
    `observed`: what people entered, as `Seen` has it, which tells nothing of a signal.
    `quality`: the signal quality (%) of the newest reading if its values were not believed for that, else None.
    """

    __slots__ = ("_intervals", "_tracks", "device_id", "heard_at", "last_at", "observed", "quality", "score", "series")

    def __init__(self, intervals: Mapping[str, float]) -> None:
        self._intervals = intervals
        self._tracks: dict[str, Track] = {}
        self.series: dict[str, Series] = {}
        self.observed: dict[str, Series] = {}
        self.score: Score | None = None
        self.device_id = ""
        self.quality: float | None = None
        self.last_at: int | None = None
        self.heard_at = 0

    def see(self, seen: Seen, now: int) -> None:
        """Count a message, whatever their order. `now`: the clock, epoch ms; no time of insertion is later."""
        inserted_at = min(seen.inserted_at, now)
        if not seen.is_reading:
            self._see_score(seen, inserted_at)
            return
        self.device_id = seen.device_id or self.device_id
        self.quality = seen.signal_quality if seen.unbelieved else None
        self.heard_at = max(self.heard_at, inserted_at)
        for value in seen.observed:
            at = min(value.recorded_at, inserted_at)
            self.observed.setdefault(value.attribute, Series()).add(at, value.value, inserted_at)
        if not seen.values:
            return
        self.last_at = max(self.last_at or 0, inserted_at)
        for value in seen.values:
            # Nothing is measured after it was inserted: a device whose clock is ahead would hide what comes later.
            at = min(value.recorded_at, inserted_at)
            self.series.setdefault(value.attribute, Series()).add(at, value.value, inserted_at)
            track = self._tracks.get(value.attribute)
            if track is None:
                track = self._tracks[value.attribute] = Track(self._intervals[value.attribute])
            track.take(inserted_at // 1000)

    def _see_score(self, seen: Seen, inserted_at: int) -> None:
        for value in seen.values:
            # As with readings: what is computed for a time ahead would hide later scores.
            at = min(value.recorded_at, inserted_at)
            if value.attribute == NEWS2 and (self.score is None or at >= self.score.at):
                self.score = Score(round(value.value), value.partial, at)

    def standing(self, now: int) -> Standing:
        """Which signals come at that time (epoch ms)."""
        if self.last_at is None:
            return Standing(False, False, None, {})
        second = now // 1000
        reporting = {name: track for name, track in self._tracks.items() if track.end != NEVER}
        if not reporting:
            return Standing(False, False, self.last_at, {})
        last = max(track.end for track in reporting.values())
        current = [track.interval for track in reporting.values() if last - track.end <= track.spacing]
        limit = min(current, default=LEAST_INTERVAL_SECONDS) * MISSED
        if second - max(last, self.last_at // 1000) > limit:
            return Standing(True, False, self.last_at, {})
        lost = {name: track.end * 1000 for name, track in reporting.items() if second - track.end > track.limit}
        return Standing(False, True, None, lost)

    def forget_old(self, now: int) -> bool:
        """Forget what is older than KEPT_MS; whether nothing is left."""
        for kept in (self.series, self.observed):
            for name in [name for name, series in kept.items() if now - series.inserted_at > KEPT_MS]:
                del kept[name]
                if kept is self.series:
                    del self._tracks[name]
        if self.score is not None and now - self.score.at > KEPT_MS:
            self.score = None
        if not self.series:
            self.last_at = None
        return not self.series and self.score is None and now - self.heard_at > KEPT_MS
