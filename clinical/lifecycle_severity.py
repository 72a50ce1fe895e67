"""How the severity of an alarm rises and falls: the conditions that `clinical.lifecycle` describes.

Every function takes the state and gives the next one; what happened is appended to `log`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from clinical.lifecycle_events import SEVERITIES, Grade, Kind, Transition
from clinical.lifecycle_state import Phase, Reading, State
from clinical.messages import Severity

FALL_SECONDS = 30
"""Hysteresis: the least that readings stay milder before the severity falls."""

HIGH = Grade.HIGH.rank


@dataclass(frozen=True, slots=True)
class Rise:
    """From `at` (event time) on, the condition of severity `rank` is met."""

    at: int
    rank: int
    why: str


def judge_band(state: State, reading: Reading, log: list[Transition]) -> State:
    """What a reading says by its own band: a rise first, else perhaps a fall."""
    if reading.grade < Grade.LOW:
        return state
    newest = reading.at >= state.graded.at
    if newest:
        state = replace(state, graded=reading)
    stands = newest and standing(state) is reading
    was_raised = state.severity is not None
    state = _fire(state, reading, state.event_now if stands else reading.at, log)
    return fall(arrest(state, reading, was_raised, log), reading, log)


def stand(state: State, until: int, log: list[Transition]) -> State:
    """What the standing reading fires until that event time."""
    reading = standing(state)
    return _fire(state, reading, until, log) if reading else state


def standing(state: State) -> Reading | None:
    """The last reading with a known band, if its breach lasts."""
    if state.out_since is None or state.readings[-1].grade < Grade.OUTSIDE or state.graded.at < state.out_since:
        return None
    return state.graded


def _fire(state: State, reading: Reading, until: int, log: list[Transition]) -> State:
    while (rise := next_rise(state, reading)) and rise.at <= until:
        state = raise_to(state, rise, reading, log)
    return state


def next_rise(state: State, reading: Reading) -> Rise | None:
    """The first rise, the deepest of several at once, if `reading` stands."""
    rises = [_rise(state, reading, rank) for rank in range(state.rank + 1, reading.grade.rank + 1)]
    return min((rise for rise in rises if rise), key=lambda rise: (rise.at, -rise.rank), default=None)


def _rise(state: State, reading: Reading, rank: int) -> Rise | None:
    delay = state.delays[rank]
    if rank == HIGH and reading.grade is Grade.ARREST:
        return Rise(reading.at, rank, "A value of 0 fires at once.")
    if delay is None:
        return None
    at, why = reading.at, f"The {SEVERITIES[rank]} band has no delay."
    if delay:
        if state.out_since is None or reading.at < state.out_since:
            return None
        at = max(at, state.out_since + delay * 1000)
        why = f"Out of range for {delay} s or more, the delay of the {SEVERITIES[rank]} band."
    if rank < HIGH or not state.continuous:
        return Rise(at, rank, why)
    if _agrees(state, reading):
        return Rise(at, rank, f"Two of three consecutive readings are high. {why}")
    stood = state.stands_ms
    return Rise(max(at, reading.at + stood), rank, f"A high reading stood for {stood // 1000} s. {why}")


def _agrees(state: State, reading: Reading) -> bool:
    """Whether another reading is high of three consecutive ones around this."""
    place = state.place_of(reading.source_id)
    if place is None:
        return False
    around = state.readings[max(place - 2, 0) : place + 3]
    return sum(near.grade >= Grade.HIGH for near in around) > 1


def raise_to(state: State, rise: Rise, reading: Reading, log: list[Transition]) -> State:
    kind = Kind.RAISED if state.severity is None else Kind.SEVERITY_ROSE
    phase = Phase.ACTIVE if state.phase is Phase.PENDING else state.phase
    state = replace(state, phase=phase, severity=SEVERITIES[rise.rank], milder_since=None, milder=None)
    say(log, kind, state, rise.at, rise.why, reading)
    if state.phase is Phase.ACKNOWLEDGED:
        state = unacknowledge(state, rise.at, "The severity rose.", log)
    return state


def arrest(state: State, reading: Reading, was_raised: bool, log: list[Transition]) -> State:
    """The state after a value of 0, which is a condition of its own in an alarm that was raised before: its severity
    may have nowhere to rise to, or only to where it was when people were told last.

    It is told again only after readings of other values for 30 s.
    """
    if reading.grade is not Grade.ARREST:
        return state
    over_since = state.arrest_over_since
    is_known = state.arrested and (over_since is None or reading.at - over_since < FALL_SECONDS * 1000)
    if was_raised and not is_known:
        say(log, Kind.ARRESTED, state, reading.at, "A value of 0 in an alarm that was raised before.", reading)
        if state.phase is Phase.ACKNOWLEDGED:
            state = unacknowledge(state, reading.at, "The value is 0 now.", log)
    over_since = next((near.at for near in state.readings if near.at > reading.at and near.value != 0), None)
    return replace(state, arrested=True, arrest_over_since=over_since)


def fall(state: State, reading: Reading, log: list[Transition]) -> State:
    """The run of milder bands after one more reading, and the fall that it ends in."""
    if state.severity is None:
        return state
    at, since, rank = reading.at, state.milder_since, reading.grade.rank
    if rank >= state.rank:
        return replace(state, milder_since=None, milder=None) if since is not None and at >= since else state
    newest = at >= state.graded.at
    if not newest and (since is None or at < since):
        return state
    since = at if since is None else since
    milder = _deeper(state.milder, SEVERITIES[rank])
    hold = max(state.delays[SEVERITIES.index(milder)] or 0, FALL_SECONDS)
    if not newest or at - since < hold * 1000:
        if (since, milder) == (state.milder_since, state.milder):
            return state
        return replace(state, milder_since=since, milder=milder)
    state = replace(state, severity=milder, milder_since=None, milder=None)
    say(log, Kind.SEVERITY_FELL, state, at, f"No reading was more severe for {hold} s.", reading)
    return fall(state, reading, log)


def _deeper(one: Severity | None, other: Severity) -> Severity:
    return other if one is None else max(one, other, key=SEVERITIES.index)


def unacknowledge(state: State, at: int, why: str, log: list[Transition]) -> State:
    state = replace(state, phase=Phase.ACTIVE, acknowledged_until=None)
    say(log, Kind.ACKNOWLEDGEMENT_ENDED, state, at, why)
    return state


def say(log: list[Transition], kind: Kind, state: State, at: int, why: str, reading: Reading | None = None) -> None:
    value, source_id = (reading.value, reading.source_id) if reading else (None, None)
    log.append(Transition(kind, at, state.clock, state.severity, why, value, source_id))
