"""What the histories of a campaign's alarms must show. Pure; times are epoch milliseconds."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from clinical.lifecycle_events import Kind
from clinical.notices import News

ENDS = frozenset({Kind.CLEARED, Kind.DROPPED, Kind.ENDED_BY_DISCHARGE})
RISES = frozenset({Kind.RAISED, Kind.SEVERITY_ROSE})
REPEATED = frozenset({News.REMINDER, News.ESCALATED})

Key = tuple[str, str, str]
"""Patient, attribute and direction."""


class Step(NamedTuple):
    """A row of `alarm_events`; with a notification, it tells that people were mailed."""

    alarm_id: str
    at: int
    what: str
    breach_id: str | None = None
    notification_id: str | None = None


class Episode(NamedTuple):
    """From the first to the last reading that was out of range, with none in range between."""

    first: int
    last: int


def overlapping(steps: Iterable[Step], keys: Mapping[str, Key]) -> set[str]:
    """Alarms that began while another of the same key lasted, in the order of `steps`; `keys`: of each alarm."""
    lasting: defaultdict[Key, set[str]] = defaultdict(set)
    found = set()
    for step in steps:
        others = lasting[keys[step.alarm_id]]
        if step.what == Kind.PENDING:
            if others:
                found.add(step.alarm_id)
            others.add(step.alarm_id)
        elif step.what in ENDS:
            others.discard(step.alarm_id)
    return found


def untold(steps: Sequence[Step], worth_telling: Iterable[str], group_ms: int) -> set[str]:
    """Alarms of which nobody was told, or of their end alone though their beginning could have been told.

    It could when the engine has worked between `group_ms` after the alarm rose and its end: it looks then at all that
    is due, and each of `steps` was such a look.
    """
    looks = sorted({step.at for step in steps})
    of_alarm = by_alarm(steps)
    found = set()
    for alarm_id in worth_telling:
        history = of_alarm[alarm_id]
        news = {step.what for step in history if step.notification_id}
        rose = max((step.at for step in history if step.what in RISES and not step.notification_id), default=None)
        ended = next((step.at for step in history if step.what in ENDS), None)
        if News.RAISED in news:
            continue
        if not news or rose is None or ended is None or has_any_between(looks, rose + group_ms, ended):
            found.add(alarm_id)
    return found


def repeated_though_acknowledged(steps: Iterable[Step]) -> set[str]:
    """Alarms of which people were reminded, or the next level was told, while they were acknowledged."""
    acknowledged, found = set[str](), set[str]()
    for step in steps:
        if step.what == Kind.ACKNOWLEDGED:
            acknowledged.add(step.alarm_id)
        elif step.what == Kind.ACKNOWLEDGEMENT_ENDED or step.what in ENDS:
            acknowledged.discard(step.alarm_id)
        elif step.what in REPEATED and step.notification_id and step.alarm_id in acknowledged:
            found.add(step.alarm_id)
    return found


def no_longer_acknowledged(steps: Iterable[Step]) -> set[str]:
    """Alarms whose history says that they were acknowledged no more before they were over."""
    return {step.alarm_id for step in steps if step.what == Kind.ACKNOWLEDGEMENT_ENDED}


def episodes(readings: Iterable[tuple[int, bool]]) -> list[Episode]:
    """Of the readings of one vital: when each was recorded, and whether it is out of range."""
    found: list[Episode] = []
    was_out = False
    for at, is_out in sorted(readings):
        if is_out and was_out:
            found[-1] = Episode(found[-1].first, at)
        elif is_out:
            found.append(Episode(at, at))
        was_out = is_out
    return found


def without_alarm(lasting: Iterable[Episode], alarms: Collection[tuple[int, int | None]]) -> list[Episode]:
    """Episodes in no part of which an alarm lasted; `alarms`: the first value and the end (None: not yet) of each that
    was raised."""
    return [
        episode
        for episode in lasting
        if not any(began <= episode.last and (ended is None or ended >= episode.first) for began, ended in alarms)
    ]


def by_alarm(steps: Iterable[Step]) -> defaultdict[str, list[Step]]:
    """The history of each alarm."""
    found: defaultdict[str, list[Step]] = defaultdict(list)
    for step in steps:
        found[step.alarm_id].append(step)
    return found


def has_any_between(times: Sequence[int], first: int, before: int) -> bool:
    """Whether one of the sorted `times` is at `first` or later, and before `before`."""
    place = bisect_left(times, first)
    return place < len(times) and times[place] < before
