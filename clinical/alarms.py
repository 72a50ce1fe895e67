"""When a breach becomes an email: the rule of one function, `judge`.

The first breach of a patient, attribute and direction is told at once; while it lasts, at most one reminder in
`reminder_seconds`; a rise in severity is told at once; low severity is recorded and never told (Bonafide 2013: up to
54 % of ward children's heart rates lie outside textbook ranges).

Two times are judged. *Event time* is when the value was recorded: it says whether an alarm lasts. The *clock* says what
a person was told and when: a backlog of an hour, worked off in a second, is not twelve reminders.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from clinical.messages import Severity

LAPSE_SECONDS = 900
"""An alarm without a breach for this long is over; the next breach starts a new one.

Three times the longest interval that a monitor leaves between two values (300 s: cuff blood pressure, glucose sensor),
so that two missed values do not cut one alarm into several.
"""

RANK: dict[Severity, int] = {"low": 0, "medium": 1, "high": 2}


class Notice(StrEnum):
    """What people are told of a breach."""

    NONE = "none"
    FIRST = "first"
    WORSE = "worse"
    REMINDER = "reminder"


@dataclass(frozen=True)
class Rule:
    """`reminder_seconds` between reminders; the severities that are told at all."""

    reminder_seconds: int
    told: frozenset[Severity]
    lapse_seconds: int = LAPSE_SECONDS


@dataclass(frozen=True)
class Told:
    """The last notice: its severity, the event time of its breach and the clock when it was decided (epoch ms)."""

    severity: Severity
    event_at: int
    clock_at: int


@dataclass(frozen=True)
class AlarmState:
    """The newest alarm of one patient, attribute and direction. Times: event time, epoch ms.

    `started_at` is the time of the breach that began it, `last_breach_at` the newest, `severity` that of the newest,
    `breaches` how many were counted.
    """

    started_at: int
    last_breach_at: int
    severity: Severity
    breaches: int
    told: Told | None


@dataclass(frozen=True)
class Verdict:
    """The alarm after the breach, whether the breach began it, and what is told."""

    state: AlarmState
    began: bool
    notice: Notice


def judge(state: AlarmState | None, recorded_at: int, severity: Severity, now: int, rule: Rule) -> Verdict:
    """What one breach makes of the newest alarm of its patient, attribute and direction.

    `recorded_at` (event time) and `now` (clock) are epoch ms. Breaches may come late and out of order: a late one
    never begins an alarm beside a newer one, never moves its time back and never reminds, but it is told when it is
    more severe than what was told. A time of recording in the future counts as now, so that a device whose clock runs
    ahead cannot put reminders off; and so does what the state says of the future, because our own clock was set back
    since, else the alarm would be silent until the clock has caught up. A repeat is the caller's to drop, by
    `breach_id`; one that slips through only counts as one more breach.
    """
    at = min(recorded_at, now)
    state = _not_ahead(state, now)
    if state is None or at - state.last_breach_at >= rule.lapse_seconds * 1000:
        state = AlarmState(started_at=at, last_breach_at=at, severity=severity, breaches=1, told=None)
        began = True
    else:
        newest = at >= state.last_breach_at
        state = replace(
            state,
            last_breach_at=max(at, state.last_breach_at),
            severity=severity if newest else state.severity,
            breaches=state.breaches + 1,
        )
        began = False
    notice = _notice(state.told, at, severity, now, rule)
    if notice is not Notice.NONE:
        state = replace(state, told=Told(severity, at, now))
    return Verdict(state, began, notice)


def _not_ahead(state: AlarmState | None, now: int) -> AlarmState | None:
    """The state with no time later than `now`."""
    if state is None or max(state.last_breach_at, state.told.clock_at if state.told else 0) <= now:
        return state
    told = state.told and replace(
        state.told, event_at=min(state.told.event_at, now), clock_at=min(state.told.clock_at, now)
    )
    return replace(
        state, started_at=min(state.started_at, now), last_breach_at=min(state.last_breach_at, now), told=told
    )


def _notice(told: Told | None, at: int, severity: Severity, now: int, rule: Rule) -> Notice:
    if severity not in rule.told:
        return Notice.NONE
    if told is None:
        return Notice.FIRST
    if RANK[severity] > RANK[told.severity]:
        return Notice.WORSE
    pause = rule.reminder_seconds * 1000
    if at - told.event_at >= pause and now - told.clock_at >= pause:
        return Notice.REMINDER
    return Notice.NONE
