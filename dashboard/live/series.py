"""The newest values of one attribute of one patient, in a few hundred bytes. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left

KEPT = 20
"""Values: as many as a trend line has."""


class Series:
    """At most KEPT values, oldest first. Times are epoch ms.

    `inserted_at`: when the newest of them to arrive was inserted. `version` grows with every change.
    """

    __slots__ = ("inserted_at", "times", "values", "version")

    def __init__(self) -> None:
        self.times = array("q")
        self.values = array("d")
        self.inserted_at = 0
        self.version = 0

    def add(self, at: int, value: float, inserted_at: int) -> None:
        """Keep a value that was measured at that time, in its place; one of the same time takes the other's place."""
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

    def newest(self) -> float:
        """The newest value; there is one."""
        return self.values[-1]
