"""The life of an alarm: pending, active, acknowledged, ended; a pure state machine of one function, `step`.

An alarm is of one patient, attribute and direction. A breach begins it as *pending*; it becomes *active* when the
breach has lasted the `delay_seconds` of its band (Rheineck-Leyssius 1997: a delay of 15 s cuts SpO2 alarms by 60 %
where wider limits nearly doubled hypoxaemia; Görges 2009: 14 s remove half of all ineffective alarms). *Acknowledged*
holds for that condition only (IEC 60601-1-8): it ends when it becomes more severe, and by the clock. An alarm keeps the
limits it was raised under, whatever becomes of the threshold row, the patient's age or ward: none of these is asked.

**Severity** is the deepest band whose own condition is met. Every delay is counted from the first reading out of range,
of whatever band, so that a deeper band shortens the wait; a deeper reading counts for the shallower bands as well.
Besides its delay, high needs two of three consecutive readings if the vital is continuous (expected every 60 s or more
often), so that a movement never alarms (Drew 2014: 80-99 % of alarms need no action); a heart or respiratory rate of 0
that is high fires at once, and a vital measured seldom needs no second reading. Such a 0 in an alarm that was raised
before is told as well (*arrested*) and ends an acknowledgement, which was of another condition. Severity falls when
the bands below it have lasted the delay of the deepest of them and at least 30 s, as told by a reading: never by the
clock.

**A reading stands until the next one.** In event time: a delay that ends between two readings has ended, even if the
second is in range. By the clock, where no further reading came: since the *arrival* of the newest. So a backlog worked
off in a moment is judged as it would have been live, and a reading that waited in it does not fire unheard. A single
high reading of a continuous vital that stood for three expected intervals (at least 10 s) fires: the probe may have
fallen off, but the patient may have died with it, and a missed alarm weighs five false ones (PhysioNet 2015).

**Ending.** Two consecutive readings back in range (one, if the vital is seldom; or one that stood as long as above) end
a breach: one alone may be the artefact. A pending alarm is then dropped, unless the breach of a reading out of range is
still awaited. An alarm clears when readings have been inside the band by the margin for 30 s of event time, that of a
seldom vital at the first. A reading between limit and margin neither breaches nor clears, but the 30 s begin anew; a
value beyond the other limit is back from this direction (the other direction has an alarm of its own). A partial score
in range is a lower bound: it ends nothing, and the 30 s begin anew. Silence, the clock, late and repeated readings
never clear: after a time without readings in which a lone one would have been believed, the 30 s (and those of a
falling severity) begin anew, unless the device is always so slow.

**Order.** A reading comes as a value, as a breach or as both, in either order, and is one by its `source_id`. A value
out of range whose breach has not come stands as the last known band. A late reading (older than the newest) can raise
and can put off clearing, and never moves time back, drops or clears. The newest KEPT readings are known one by one; of
what is older, only high breaches count, from the second one on, and repeats are the caller's to drop by `breach_id`.
What does depend on the order: (1) a decision is not taken back by what comes later: breaches read ahead of the values
between them look consecutive, and so lasting; give a new alarm the values recorded since its breach, and read the
topics level with each other; (2) values read ahead of their breaches by more than a delay are judged by the last known
band, and may clear an alarm before its last breaches are read: these begin a new one. It is over at once where the
values since are given to it, and then the caller's to count to the alarm before.

**The clock** may go back: what it loses is made up for, so that nothing waits longer and nothing is lost. A time of
recording ahead of the clock counts as now. One that jumps forward lets delays and acknowledgements end early. When the
clock of a *device* was set back, what it said later than now is forgotten, and what had lasted until then begins anew.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise
from statistics import median

from clinical.lifecycle_events import (
    Acknowledge,
    Breached,
    Discharge,
    Event,
    Grade,
    Kind,
    Measured,
    SetBack,
    Tick,
    Transition,
)
from clinical.lifecycle_severity import (
    HIGH,
    Rise,
    arrest,
    fall,
    judge_band,
    next_rise,
    raise_to,
    say,
    stand,
    standing,
    unacknowledge,
)
from clinical.lifecycle_state import Delays, Outcome, Phase, Reading, State, kept_id

CLEAR_SECONDS = 30
"""Hysteresis: the least that values of a continuous vital stay inside before its alarm clears."""

ACKNOWLEDGED_SECONDS = 1800

KEPT = 16
"""Readings that are known one by one: so far can value and breach of one reading be apart at no cost."""


def step(state: State | None, event: Event, now: int) -> Outcome:
    """What one event makes of an alarm, and what happened; `now` is the clock, epoch ms.

    `state` None: no alarm, and only a breach begins one. Events are of the alarm's patient and attribute; a breach in
    the other direction is one more value. Acknowledging what is pending does nothing. Never raises.
    """
    if state is None:
        return _begin(event, now) if isinstance(event, Breached) else Outcome(None)
    log: list[Transition] = []
    state = _expire(_at_clock(state, now), log)
    after: State | None
    match event:
        case Breached() | Measured():
            after = _read(state, event, log)
        case Tick():
            after = stand(state, state.event_now, log)
        case SetBack():
            after = _set_back(state, event.at)
        case Acknowledge():
            after = _acknowledge(state, event, log)
        case Discharge():
            say(log, Kind.ENDED_BY_DISCHARGE, state, state.clock, "The patient was discharged.")
            after = None
    return Outcome(after, tuple(log))


def due_at(state: State) -> int | None:
    """When the clock must next be told by a `Tick`, epoch ms, if nothing else comes before; None: never.

    May lie in the past: now. It is told for the clock as it was at the last step: when the clock goes back, tick every
    state once and ask again. Tick only what has been read up to the end of its topics.
    """
    waits = []
    reading = standing(state)
    if reading and (rise := next_rise(state, reading)):
        waits.append(rise.at - state.event_now)
    if state.acknowledged_until is not None:
        waits.append(state.acknowledged_until - state.steady)
    return state.clock + max(min(waits), 0) if waits else None


def _begin(breach: Breached, now: int) -> Outcome:
    at = min(breach.recorded_at, now)
    reading = Reading(at, kept_id(breach.source_id), breach.grade, breach.value)
    margin = breach.clear_margin if breach.direction == "low" else -breach.clear_margin
    state = State(
        attribute=breach.attribute,
        direction=breach.direction,
        limit=breach.limit,
        clear_at=round(breach.limit + margin, 6),
        interval_seconds=breach.interval_seconds,
        began_at=at,
        phase=Phase.PENDING,
        severity=None,
        delays=_delays((None, None, None), breach),
        out_since=at,
        inside_since=None,
        milder_since=None,
        milder=None,
        readings=(reading,),
        forgotten_at=None,
        graded=reading,
        stray=None,
        clock=now,
        ahead=0,
        arrived_at=now,
        acknowledged_until=None,
    )
    log: list[Transition] = []
    say(log, Kind.PENDING, state, at, "The first value out of range.", reading)
    return Outcome(judge_band(state, reading, log), tuple(log))


def _at_clock(state: State, now: int) -> State:
    if now == state.clock:
        return state
    return replace(state, clock=now, ahead=state.ahead + max(state.clock - now, 0))


def _expire(state: State, log: list[Transition]) -> State:
    if state.acknowledged_until is None or state.steady < state.acknowledged_until:
        return state
    return unacknowledge(state, state.clock, "The time of the acknowledgement is over.", log)


def _acknowledge(state: State, event: Acknowledge, log: list[Transition]) -> State:
    if state.phase is Phase.PENDING:
        return state
    until = state.clock + ACKNOWLEDGED_SECONDS * 1000 if event.until is None else event.until
    log.append(
        Transition(
            Kind.ACKNOWLEDGED,
            event_at=state.clock,
            clock_at=state.clock,
            severity=state.severity,
            why="Acknowledged; it ends at its time, or when it becomes more severe.",
            author=event.author,
            reason=event.reason,
            until=until,
        )
    )
    return _expire(replace(state, phase=Phase.ACKNOWLEDGED, acknowledged_until=until + state.ahead), log)


def _read(state: State, event: Breached | Measured, log: list[Transition]) -> State | None:
    """One reading, or the second half of one. The reading before the next one has stood until then."""
    breach = event if isinstance(event, Breached) and event.direction == state.direction else None
    grade = breach.grade if breach else state.grade_of(event.value)
    reading = Reading(min(event.recorded_at, state.steady), kept_id(event.source_id), grade, event.value)
    newest = state.readings[-1].at
    if isinstance(event, Measured) and event.partial and grade < Grade.OUTSIDE:
        return replace(state, inside_since=None) if reading.at >= newest else state
    place = state.place_of(reading.source_id)
    is_next = place is None and reading.at >= newest
    if is_next:
        state = stand(state, reading.at, log)
    if breach and (delays := _delays(state.delays, breach)) != state.delays:
        state = replace(state, delays=delays)
    if place is not None:
        return _deepen(state, place, reading, log)
    return _append(state, reading, log) if is_next else _insert(state, reading, log)


def _append(state: State, reading: Reading, log: list[Transition]) -> State | None:
    """The next reading in event time."""
    last = state.readings[-1]
    if _was_silent(state, reading):
        state = replace(state, inside_since=None, milder_since=None, milder=None)
    out_since, inside_since = state.out_since, state.inside_since
    if reading.grade >= Grade.OUTSIDE:
        inside_since = None
        was_back = last.grade < Grade.OUTSIDE and reading.at - last.at >= state.stands_ms
        if out_since is None or was_back:
            out_since = reading.at
    else:
        if not state.continuous or last.grade < Grade.OUTSIDE:
            out_since = None
        if reading.grade is Grade.MARGIN:
            inside_since = None
        elif inside_since is None:
            inside_since = reading.at
    readings, forgotten_at = _kept((*state.readings, reading), state.forgotten_at)
    if state.arrested and state.arrest_over_since is None and reading.value != 0:
        state = replace(state, arrest_over_since=reading.at)
    state = replace(
        state,
        readings=readings,
        forgotten_at=forgotten_at,
        out_since=out_since,
        inside_since=inside_since,
        arrived_at=state.steady,
    )
    return judge_band(state, reading, log) if reading.grade >= Grade.OUTSIDE else _end(state, reading, log)


def _was_silent(state: State, reading: Reading) -> bool:
    """Whether a continuous vital was missing before this reading: of that time nothing is known.

    A device that is slower than it should be is silent after twice its usual time between two readings, or the time of
    both before: a patient may have been taken off a monitor, and be checked every few hours.
    """
    gap = reading.at - state.readings[-1].at
    if not state.continuous or gap <= state.stands_ms:
        return False
    gaps = [later.at - before.at for before, later in pairwise(state.readings)]
    return not gaps or gap > 2 * max(median(gaps), min(gaps[-2:]))


def _end(state: State, reading: Reading, log: list[Transition]) -> State | None:
    """The state after the newest reading came back in range; None when that ended it."""
    if state.phase is Phase.PENDING:
        if state.out_since is not None or _awaits_breach(state):
            return state
        say(log, Kind.DROPPED, state, reading.at, "Back in range before the condition of any band was met.", reading)
        return None
    if state.inside_since is None:
        return state
    inside_ms = reading.at - state.inside_since
    if state.continuous and inside_ms < CLEAR_SECONDS * 1000:
        return state
    why = f"Inside the normal band by the margin for {inside_ms // 1000} s." if inside_ms else "Inside the normal band."
    say(log, Kind.CLEARED, state, reading.at, why, reading)
    return None


def _awaits_breach(state: State) -> bool:
    """Whether a reading is out of range whose breach may still come: breaches come in order among themselves."""
    return any(reading.grade is Grade.OUTSIDE and reading.at > state.graded.at for reading in state.readings)


def _set_back(state: State, at: int) -> State:
    """The state without a time after `at`: as readings go on from there, all of them would count as late."""
    kept = tuple(reading for reading in state.readings if reading.at <= at)
    return replace(
        state,
        readings=kept or (replace(state.readings[-1], at=at),),
        graded=replace(state.graded, at=min(state.graded.at, at)),
        arrived_at=state.steady,
        out_since=_at_most(state.out_since, at),
        inside_since=_at_most(state.inside_since, at),
        milder_since=_at_most(state.milder_since, at),
        forgotten_at=_at_most(state.forgotten_at, at),
        arrest_over_since=_at_most(state.arrest_over_since, at),
    )


def _at_most(since: int | None, at: int) -> int | None:
    return None if since is None else min(since, at)


def _deepen(state: State, place: int, reading: Reading, log: list[Transition]) -> State:
    """A known reading came again: its breach after its value says more; anything else says nothing."""
    known = state.readings[place]
    if reading.grade <= max(known.grade, Grade.MARGIN):
        return state
    reading = replace(reading, at=known.at)
    state = replace(state, readings=(*state.readings[:place], reading, *state.readings[place + 1 :]))
    if known.grade < Grade.OUTSIDE:
        state = _run_again(state, place)
    return judge_band(state, reading, log)


def _insert(state: State, reading: Reading, log: list[Transition]) -> State:
    """A late reading, put where it belongs."""
    place = bisect_right(state.readings, reading.at, key=_at)
    if place == 0 and (len(state.readings) == KEPT):
        return _stray(state, reading, log)
    readings = (*state.readings[:place], reading, *state.readings[place:])
    kept, forgotten_at = _kept(readings, state.forgotten_at)
    state = replace(state, readings=kept, forgotten_at=forgotten_at)
    state = _run_again(state, place - len(readings) + len(kept))
    return judge_band(state, reading, log)


def _stray(state: State, reading: Reading, log: list[Transition]) -> State:
    """A reading older than those kept: what lay beside it is forgotten, so that one high breach alone says little."""
    if reading.grade > Grade.INSIDE and state.inside_since is not None and reading.at >= state.inside_since:
        state = replace(state, inside_since=state.readings[0].at)
    was_raised = state.severity is not None
    if reading.grade >= Grade.HIGH and state.rank < HIGH:
        if reading.grade is Grade.ARREST or state.stray not in (None, reading.source_id):
            state = raise_to(state, Rise(reading.at, HIGH, "High readings came in late."), reading, log)
        else:
            state = replace(state, stray=reading.source_id)
    state = arrest(state, reading, was_raised, log)
    return fall(state, reading, log) if reading.grade >= Grade.LOW else state


def _run_again(state: State, place: int) -> State:
    """The runs, after the reading at `place` was put between others or turned out to be out of range."""
    needed = 2 if state.continuous else 1
    out_since, back, ended = None, 0, False
    for reading in reversed(state.readings):
        back = back + 1 if reading.grade < Grade.OUTSIDE else 0
        ended = back == needed
        if ended:
            break
        if not back:
            out_since = reading.at
    if not ended and state.out_since is not None:
        out_since = state.out_since if out_since is None else min(out_since, state.out_since)
    inside_since = state.inside_since
    changed = state.readings[place]
    if changed.grade > Grade.INSIDE and inside_since is not None and changed.at >= inside_since:
        inside_since = state.readings[place + 1].at if place + 1 < len(state.readings) else None
    return replace(state, out_since=out_since, inside_since=inside_since)


def _delays(delays: Delays, breach: Breached) -> Delays:
    """With the delay of the breach's band; of two that were told for one band, the shorter."""
    rank = breach.grade.rank
    told = delays[rank]
    delay = breach.delay_seconds if told is None else min(told, breach.delay_seconds)
    low, medium, high = (delay if each == rank else known for each, known in enumerate(delays))
    return low, medium, high


def _kept(readings: tuple[Reading, ...], forgotten_at: int | None) -> tuple[tuple[Reading, ...], int | None]:
    if len(readings) <= KEPT:
        return readings, forgotten_at
    return readings[-KEPT:], readings[-KEPT - 1].at


def _at(reading: Reading) -> int:
    return reading.at
