"""How far the producer has read, and which ids it still waits for.

Ids are given out when a row is inserted but become visible when its transaction commits, so a later id can be seen
before an earlier one. The ids that were skipped are *gaps*; each is asked for again until it appears or until its
window has passed (the transaction was rolled back). Everything here is pure; the caller brings the clock.

Boundaries: `cursor` is the highest id seen, inclusive; a gap is the closed range `first..last`, below the cursor; gaps
are disjoint and ascending, and so are their deadlines, because ids are skipped in ascending order.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from infra.errors import WardError


class Gap(NamedTuple):
    """Ids `first..last` (inclusive) that were skipped; `deadline` is on the monotonic clock, in seconds."""

    first: int
    last: int
    deadline: float

    @property
    def ids(self) -> int:
        """How many ids it spans."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class CursorState:
    """What has been read. A value: every step gives a new one, so that an aborted transaction leaves the old."""

    cursor: int = 0
    gaps: tuple[Gap, ...] = ()

    def advance(self, ids: Sequence[int], deadline: float) -> CursorState:
        """After a page of ids above the cursor (ascending): the ids that it skipped become gaps with `deadline`."""
        if not ids:
            return self
        if ids[-1] - self.cursor == len(ids):
            return CursorState(ids[-1], self.gaps)
        skipped, previous = [], self.cursor
        for found in ids:
            if found != previous + 1:
                skipped.append(Gap(previous + 1, found - 1, deadline))
            previous = found
        return CursorState(previous, (*self.gaps, *skipped))

    def fill(self, ids: Sequence[int]) -> CursorState:
        """After ids (ascending) were found inside gaps: what remains of those gaps keeps its deadline."""
        remaining: list[Gap] = []
        position = 0
        for gap in self.gaps:
            first = gap.first
            while position < len(ids) and ids[position] <= gap.last:
                if ids[position] > first:
                    remaining.append(Gap(first, ids[position] - 1, gap.deadline))
                first = ids[position] + 1
                position += 1
            if first <= gap.last:
                remaining.append(Gap(first, gap.last, gap.deadline))
        return CursorState(self.cursor, tuple(remaining))

    def give_up(self, first: int, last: int, asked_at: float) -> tuple[CursorState, tuple[Gap, ...]]:
        """After all gaps within `first..last` were asked for at `asked_at`: those past their deadline are dropped.

        A gap is only dropped once it has been asked for after its deadline, so a database that was away for longer
        than the window loses nothing.
        """
        expired = tuple(
            gap for gap in self.gaps if gap.deadline <= asked_at and first <= gap.first and gap.last <= last
        )
        if not expired:
            return self, ()
        dropped = set(expired)
        return CursorState(self.cursor, tuple(gap for gap in self.gaps if gap not in dropped)), expired

    def limit(self, most: int) -> tuple[CursorState, tuple[Gap, ...]]:
        """With at most `most` gaps; the oldest are dropped and returned."""
        if len(self.gaps) <= most:
            return self, ()
        surplus = len(self.gaps) - most
        return CursorState(self.cursor, self.gaps[surplus:]), self.gaps[:surplus]

    def gaps_from(self, first: int, most: int) -> tuple[Gap, ...]:
        """At most `most` gaps, the first being the one that begins at or after id `first`."""
        start = bisect_left(self.gaps, (first,))
        return self.gaps[start : start + most]

    def to_bytes(self, now: float) -> bytes:
        """As JSON. A deadline becomes the milliseconds that remain, since a monotonic clock means nothing elsewhere."""
        gaps = [(gap.first, gap.last, max(0, math.ceil((gap.deadline - now) * 1000))) for gap in self.gaps]
        return orjson.dumps({"cursor": self.cursor, "gaps": gaps})

    @classmethod
    def from_bytes(cls, raw: bytes, now: float) -> CursorState:
        """What `to_bytes` wrote. The time since then does not count: a gap rather waits too long than too short.

        Raises WardError when `raw` is something else.
        """
        try:
            message = orjson.loads(raw)
            gaps = tuple(Gap(int(first), int(last), now + left / 1000) for first, last, left in message["gaps"])
            return cls(int(message["cursor"]), gaps)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise WardError(
                f"The stored cursor cannot be read ({error}): {raw[:200]!r}. Go on with the version of Wardwatch that "
                "wrote it: without a cursor every row of the source would be published once more."
            ) from error
