"""What is known of the watchdogs that were sent through the alarm path, and whether one is overdue. Pure; epoch ms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

NEWEST_KEPT = 10
GAP_MS = 240_000
"""After a pause of the watch as long as this, as while everything was stopped, it begins anew. One look may take nearly
as long, when something else is down."""


@dataclass(frozen=True)
class Memory:
    """What earlier looks leave behind.

    `waiting`: when those were sent of which none, and no later one, has come: the oldest, and the newest few. `came`:
    when the newest that came was sent, and how long it took. `looked_at`: the last look.
    """

    waiting: tuple[int, ...] = ()
    came: int | None = None
    took: int | None = None
    looked_at: int = 0

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Memory:
        """From what `as_dict` gave; of nothing, what is known before the first look."""
        return cls(**{**kept, "waiting": tuple(kept.get("waiting", ()))})

    def as_dict(self) -> dict[str, Any]:
        """For keeping it as JSON."""
        return asdict(self)

    def absent_seconds(self, now: int) -> float:
        """How long the oldest that waits has been on its way; 0 when none waits."""
        return (now - self.waiting[0]) / 1000 if self.waiting else 0.0


def after(memory: Memory, sent: int, arrivals: Mapping[int, int], now: int, impaired: bool) -> Memory:
    """What is known after a look at which one was `sent` and others arrived (time of sending -> of arrival).

    One that comes makes up for every earlier one: a single one may be lost with a server. While the path is `impaired`
    for a reason that ops are told already nothing is expected of it, and afterwards it has all its time again. When the
    clock was set back everything begins anew.
    """
    if memory.looked_at > now:
        memory = Memory()
    arrivals = {at: arrived for at, arrived in arrivals.items() if at <= now}
    waiting = () if now - memory.looked_at > GAP_MS else memory.waiting
    came, took = memory.came, memory.took
    if arrivals and (newest := max(arrivals)) > (came or 0):
        came, took = newest, arrivals[newest] - newest
    waiting = () if impaired else tuple(at for at in (*waiting, sent) if at > (came or 0))
    if len(waiting) > NEWEST_KEPT + 1:
        waiting = (waiting[0], *waiting[-NEWEST_KEPT:])
    return replace(memory, waiting=waiting, came=came, took=took, looked_at=now)
