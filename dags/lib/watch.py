"""Judging whether a stream does its work, from what it says of itself and what its supervisor says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["stopped", "silent", "behind"]


@dataclass(frozen=True)
class Observation:
    """One look at a stream. `running_seconds`: how long its process has run, None when it does not run.

    `last_progress` (epoch seconds), `lag` and `records` are None when the stream does not answer.
    """

    running_seconds: float | None
    last_progress: float | None = None
    lag: float | None = None
    records: float | None = None


@dataclass(frozen=True)
class Memory:
    """What earlier looks leave behind. Times in epoch seconds.

    `progress`: the latest progress ever seen, across restarts, so a stream that starts, fails and starts again counts
    as silent. Since `backlog_since` the lag was never seen to shrink; `backlog` is the lag last seen and
    `backlog_records` what the stream had handled when it began.
    """

    progress: float
    backlog_since: float
    backlog: float = 0
    backlog_records: float = 0

    @classmethod
    def first(cls, now: float, seen: Observation) -> Memory:
        """Before the first look at a stream: its silence is counted from its start, or from now if it does not run."""
        return cls(progress=now - (seen.running_seconds or 0), backlog_since=now)

    def as_dict(self) -> dict[str, Any]:
        """For keeping it as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """When a stream is in trouble; see `settings.streams`."""

    max_silence_seconds: float
    max_start_seconds: float
    max_backlog_seconds: float
    max_stuck_seconds: float
    min_backlog_records: int


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a stream, why in words, and whether a restart may help."""

    stream: str
    kind: Kind
    reason: str
    restart: bool


def remember(seen: Observation, before: Memory, now: float, limits: Limits) -> Memory:
    """What is known after this look. What lies ahead of the clock, which was set back then, counts as now."""
    progress = min(max(before.progress, seen.last_progress or 0), now)
    backlog_since = min(before.backlog_since, now)
    lag = before.backlog if seen.lag is None else seen.lag
    records = before.backlog_records if seen.records is None else seen.records
    if lag < before.backlog or min(lag, before.backlog) < limits.min_backlog_records:
        return Memory(progress, backlog_since=now, backlog=lag, backlog_records=records)
    return Memory(progress, backlog_since, lag, min(records, before.backlog_records))


def judge(stream: str, seen: Observation, known: Memory, now: float, limits: Limits) -> Trouble | None:
    """What is wrong with the stream, if anything. `known` includes this look.

    A silent stream is worth a restart if it did make progress since it was started; one that never did is still
    starting, which takes minutes on a busy machine, and gets `max_start_seconds`. One that falls behind is restarted
    only when it has handled nothing at all for `max_stuck_seconds`: a restart throws the batch away that it works on.
    """
    if seen.running_seconds is None:
        return Trouble(stream, "stopped", f"{stream} does not run and its supervisor could not start it", False)
    if now - known.progress > limits.max_silence_seconds:
        reason = f"{stream} has made no progress for more than {limits.max_silence_seconds:.0f} s"
        got_going = known.progress > now - seen.running_seconds + 1
        return Trouble(stream, "silent", reason, got_going or seen.running_seconds > limits.max_start_seconds)
    if now - known.backlog_since > limits.max_backlog_seconds:
        reason = (
            f"{stream} falls behind: {known.backlog:.0f} records wait for it, "
            f"and they have not become fewer for more than {limits.max_backlog_seconds:.0f} s"
        )
        idle = seen.records == known.backlog_records
        stuck = idle and min(now - known.backlog_since, seen.running_seconds) > limits.max_stuck_seconds
        return Trouble(stream, "behind", reason, stuck)
    return None


def key_of(troubles: Mapping[str, Trouble]) -> str:
    """The same for as long as the same streams are in the same trouble.

    A stream that fails again and again is now stopped, now silent; that is the same trouble.
    """
    return " ".join(f"{name}:{'behind' if troubles[name].kind == 'behind' else 'down'}" for name in sorted(troubles))
