"""The newest values of one attribute of one patient, in a few hundred bytes. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from clinical.device_clock import Behind, behind

KEPT = 20
"""Values: as many as a trend line has."""


class Series:
    """At most KEPT values, oldest first. Times are epoch ms.

    `inserted_at`: when the newest of them to arrive was inserted. `version` grows with every change.
    """

    __slots__ = ("_behind", "_set_back_at", "inserted_at", "times", "values", "version")

    def __init__(self) -> None:
        self.times = array("q")
        self.values = array("d")
        self.inserted_at = 0
        self.version = 0
        self._behind: Behind | None = None
        self._set_back_at = 0

    def add(self, at: int, value: float, inserted_at: int) -> None:
        """Keep a value that was measured at that time, in its place; one of the same time takes the other's place.

        When the device's clock was set back, what it had measured by the clock before is forgotten where it lies later
        than now, and stays so when it is read again.
        """
        if inserted_at < self._set_back_at and at > self.times[-1]:
            return
        # What was inserted before the newest is read again, or filled in.
        if inserted_at >= self.inserted_at and self._was_set_back(at, inserted_at):
            later = bisect_right(self.times, at)
            del self.times[later:], self.values[later:]
        self.inserted_at = max(self.inserted_at, inserted_at)
        place = bisect_left(self.times, at)
        if place < len(self.times) and self.times[place] == at:
            if self.values[place] == value:
                return
            self.values[place] = value
        elif place == 0 and len(self.times) == KEPT:
            return
        else:
            self.times.insert(place, at)
            self.values.insert(place, value)
            del self.times[:-KEPT], self.values[:-KEPT]
        self.version += 1

    def _was_set_back(self, at: int, inserted_at: int) -> bool:
        if not self.times or (self._behind is None and at >= self.times[-1]):
            return False
        known = self._behind = behind(self._behind, self.times[-1], at, inserted_at)
        if known is None or not known.was_set_back:
            return False
        self._behind, self._set_back_at = None, known.first_inserted_at
        return True

    def newest(self) -> float:
        """The newest value; there is one."""
        return self.values[-1]
