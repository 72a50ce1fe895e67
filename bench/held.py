"""Whether a benchmark's load was what it was to be: what was measured under a smaller one says nothing of the rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import Figure

MOST_BEHIND_SECONDS, LEAST_SHARE = 1.0, 0.98


@dataclass(frozen=True)
class Held:
    """So many rows in so many seconds, of which there should have been `rate` a second; `behind_seconds`: how far
    behind the clock at the end."""

    rate: float
    rows: int
    seconds: float
    behind_seconds: float

    @property
    def rows_per_second(self) -> float:
        """The rate that it came to."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def is_held(self) -> bool:
        """Whether it came to what it was to be."""
        return self.behind_seconds <= MOST_BEHIND_SECONDS and self.rows_per_second >= LEAST_SHARE * self.rate


def held_figure(name: str, loads: Sequence[Held]) -> Figure:
    """A line for the loads of one rate, at least one: the poorest of them, and whether each was held."""
    least, behind = min(one.rows_per_second for one in loads), max(one.behind_seconds for one in loads)
    goal = f"{LEAST_SHARE:.0%} of {loads[0].rate:,.0f}/s, at most {MOST_BEHIND_SECONDS:g} s behind"
    return Figure(name, f"{least:,.0f}/s, {behind:.1f} s behind", goal, all(one.is_held for one in loads))
