"""A time as a source's clock shows it, so that it means what the producer makes of it. Pure.

`producers.encoding.epoch_ms` takes an hour that occurs twice (end of summer time) for its first occurrence, and a time
that was skipped for the moment that lies as long after the skip. So the first of these hours in UTC holds all rows of
both, the second none.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo

MILLISECOND = timedelta(milliseconds=1)
MOST_REPEATED = range(86_400_000)
"""Milliseconds; no clock was ever put back by more than a day."""


def first_wall_clock(at: datetime, zone: tzinfo) -> datetime:
    """The wall clock (without a zone) from which on the producer takes every time for `at` or later.

    Between two of them lie exactly the rows of that time, unless one falls into the hour after a skip: then those of a
    time that was skipped, which no clock shows, may be missing.
    """
    last = at.astimezone(UTC) - MILLISECOND
    if last.astimezone(zone).fold:
        # The second pass counts as the first, so all of it came before.
        over = bisect_left(MOST_REPEATED, True, key=lambda ms: not (last + ms * MILLISECOND).astimezone(zone).fold)
        last += (over - 1) * MILLISECOND
    return last.astimezone(zone).replace(tzinfo=None) + MILLISECOND


def shown_until(wall_clock: datetime, zone: tzinfo) -> datetime:
    """When a clock showed a time before `wall_clock` for the last time, as UTC."""
    return (wall_clock - MILLISECOND).replace(tzinfo=zone, fold=1).astimezone(UTC) + MILLISECOND


def literal(at: datetime) -> str:
    """A time as HQL and MySQL write it."""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
