"""One signal in time: when it was last reporting. Whole seconds of stream time; pure.

A signal is *reporting* from the third reading on that came no further apart than a device leaves between two, until a
gap of more than `limit`. A single value after that is not a device that is back. All of it follows from the times
alone, so that neither their order nor the moment at which anybody asks matters.
"""

from __future__ import annotations

from bisect import bisect_right, insort

MISSED = 3
"""Expected intervals without a reading after which a signal is lost."""

READINGS = 3
"""A spot check gives one or two values, a device a row of them."""

SPACING = 1.5
"""Readings of a device are no further apart than this many expected intervals."""

NEVER = -(10**12)
KEPT = 8
"""Readings of a signal that is not reporting, held until they make a row; more than READINGS, for late ones."""


class Track:
    """`end`: the newest second at which the signal was reporting, NEVER if it never was."""

    __slots__ = ("end", "interval", "limit", "spacing", "waiting")

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.limit = interval * MISSED
        self.spacing = interval * SPACING
        self.end = NEVER
        self.waiting: list[int] = []

    def newest(self) -> int:
        """The second of the newest reading, NEVER without one."""
        return max([self.end, *self.waiting])

    def take(self, second: int) -> bool:
        """Count a reading; whether the signal was reporting then."""
        if second - self.end <= self.limit:
            self.end = max(self.end, second)
            return True
        return self.stray(second, self.end)

    def stray(self, second: int, heard: int) -> bool:
        """Count a reading that does not follow on `end` within the limit; whether the signal is reporting with it.

        `heard`: from when on it is waited for, `end` or later when there is an excuse for it.
        """
        if second in self.waiting:
            return False
        insort(self.waiting, second)
        del self.waiting[:-KEPT]
        end, run, before = self.end, 0, NEVER
        for one in self.waiting:
            run = run + 1 if one - before <= self.spacing else 1
            before = one
            if run >= READINGS or (end != NEVER and one - max(end, heard) <= self.limit):
                end = max(end, one)
        if end == self.end:
            return False
        self.end = end
        self.waiting = [one for one in self.waiting if one > end]
        return True


class Stalls:
    """Times in which nobody's readings came: they are nobody's silence.

    `shortest`: a gap in everybody's readings that is longer is one.
    """

    def __init__(self, shortest: float) -> None:
        self._shortest = shortest
        self._starts: list[int] = []
        self._ends: list[int] = []

    def note(self, start: int, end: int) -> None:
        """Nobody's readings came after `start` and before `end`."""
        if end - start > self._shortest:
            self._starts.append(start)
            self._ends.append(end)

    def heard(self, end: int, interval: float) -> int:
        """From when on a signal is waited for that was last heard at `end`.

        That is the end of the first stall that left it less than an interval to be heard again, unless it was lost
        before. One excuse only: a signal that says nothing between two stalls does not get another.
        """
        limit = interval * MISSED
        place = bisect_right(self._ends, end + limit - interval)
        if place == len(self._ends) or self._starts[place] - end > limit:
            return end
        return self._ends[place]

    def forget(self, before: int) -> None:
        """Forget stalls that were over by then."""
        old = bisect_right(self._ends, before)
        del self._ends[:old], self._starts[:old]
