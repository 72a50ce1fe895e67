"""The life of an alarm: what holds for any readings, in any order, by any clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from clinical.lifecycle import CLEAR_SECONDS, KEPT, due_at, step
from clinical.lifecycle_events import (
    SEVERITIES,
    Acknowledge,
    Breached,
    Discharge,
    Event,
    Kind,
    Measured,
    Tick,
    Transition,
)
from clinical.lifecycle_severity import FALL_SECONDS
from clinical.lifecycle_state import Outcome, Phase, State, from_dict, to_dict
from clinical.messages import Severity
from tests.unit.clinical.bedside import GLUCOSE, HEART_RATE, SPO2, TEMPERATURE, Bands, Bedside, ms

VITALS = st.sampled_from([SPO2, HEART_RATE, TEMPERATURE, GLUCOSE])
SPO2_VALUES = st.sampled_from([85, 91, 93, 95, 96, 98])
"""Two of the high band, medium, low, inside without and with the margin."""

ENDS = {Kind.CLEARED, Kind.DROPPED, Kind.ENDED_BY_DISCHARGE}
MAY_FOLLOW = {
    None: {Kind.PENDING},
    Phase.PENDING: {Kind.RAISED, Kind.DROPPED, Kind.ENDED_BY_DISCHARGE},
    Phase.ACTIVE: {
        Kind.SEVERITY_ROSE,
        Kind.SEVERITY_FELL,
        Kind.ARRESTED,
        Kind.ACKNOWLEDGED,
        Kind.ACKNOWLEDGEMENT_ENDED,
        Kind.CLEARED,
        Kind.ENDED_BY_DISCHARGE,
    },
}
MAY_FOLLOW[Phase.ACKNOWLEDGED] = MAY_FOLLOW[Phase.ACTIVE]


@st.composite
def any_events(draw: st.DrawFn) -> list[tuple[Event, int]]:
    """Events of one vital and the clock at each: anything goes, back and forth; every reading has an id of its own."""
    bands = draw(VITALS)
    values = st.sampled_from([0.0, *(band[0] for band in bands.bands), bands.limit, bands.limit + bands.margin, 300.0])
    events: list[tuple[Event, int]] = []
    clock = 0
    for number in range(draw(st.integers(1, 60))):
        clock += draw(st.sampled_from([0, 1, 1, 1, 2, 31, 400, -1, -50, -4000, 4000]))
        at = clock + draw(st.sampled_from([0, 0, 0, 0, -1, -3, -40, -5000, 5000]))
        value = draw(values)
        kind = draw(st.sampled_from("bbbbvvvvvptad"))
        event: Event
        if kind == "b" and bands.band_of(value):
            event = bands.breach(value, at, f"{number}" * draw(st.sampled_from([1, 1, 200])))
        elif kind == "t":
            event = Tick()
        elif kind == "a":
            event = Acknowledge("Dr A", "seen", draw(st.sampled_from([None, ms(clock + 60), ms(clock - 60)])))
        elif kind == "d":
            event = Discharge()
        else:
            event = Measured(value, ms(at), f"{number}", partial=kind == "p")
        events.append((event, ms(clock)))
    return events


@given(any_events())
def test_whatever_comes_the_state_is_bounded_and_stored_without_loss(events: list[tuple[Event, int]]) -> None:
    state: State | None = None
    for event, clock in events:
        outcome = step(state, event, clock)
        stored = None if state is None else from_dict(json.loads(json.dumps(to_dict(state))))
        assert stored == state
        assert step(stored, event, clock) == outcome
        state = outcome.state
        if state is not None:
            assert len(json.dumps(to_dict(state))) < 3000
            assert len(state.readings) <= KEPT


@given(any_events())
def test_whatever_comes_the_history_is_in_order(events: list[tuple[Event, int]]) -> None:
    state: State | None = None
    phase: Phase | None = None
    severity: Severity | None = None
    for event, clock in events:
        outcome = step(state, event, clock)
        for entry in outcome.transitions:
            assert entry.clock_at == clock
            assert entry.kind in MAY_FOLLOW[phase]
            if entry.kind is Kind.SEVERITY_ROSE:
                assert rank(entry.severity) > rank(severity)
            elif entry.kind is Kind.SEVERITY_FELL:
                assert -1 < rank(entry.severity) < rank(severity)
            elif entry.kind is not Kind.RAISED:
                assert entry.severity == severity
            phase, severity = _after(entry, phase), None if entry.kind in ENDS else entry.severity
        state = outcome.state
        assert (phase, severity) == ((state.phase, state.severity) if state else (None, None))


def rank(severity: Severity | None) -> int:
    return -1 if severity is None else SEVERITIES.index(severity)


def _after(entry: Transition, phase: Phase | None) -> Phase | None:
    if entry.kind in ENDS:
        return None
    if entry.kind is Kind.PENDING:
        return Phase.PENDING
    if entry.kind is Kind.ACKNOWLEDGED:
        return Phase.ACKNOWLEDGED
    return phase if entry.kind in (Kind.SEVERITY_ROSE, Kind.SEVERITY_FELL) else Phase.ACTIVE


@given(any_events())
def test_only_a_new_whole_value_inside_clears(events: list[tuple[Event, int]]) -> None:
    state: State | None = None
    for event, clock in events:
        outcome = step(state, event, clock)
        if state is not None and any(entry.kind is Kind.CLEARED for entry in outcome.transitions):
            assert isinstance(event, Measured)
            assert not event.partial
            assert event.value >= state.clear_at
            assert event.recorded_at >= state.readings[-1].at
        state = outcome.state


@given(any_events())
def test_the_clock_alone_ends_nothing_and_always_comes_to_an_end(events: list[tuple[Event, int]]) -> None:
    state: State | None = None
    for event, clock in events:
        state = step(state, event, clock).state
        ticked = state
        ticks = 0
        while ticked is not None and (due := due_at(ticked)) is not None:
            assert due >= ticked.clock
            ticked = step(ticked, Tick(), due).state
            assert ticked is not None
            ticks += 1
            assert ticks <= 5


@given(any_events())
def test_a_repeat_changes_nothing(events: list[tuple[Event, int]]) -> None:
    """Of the event just told, and of every reading that is known one by one."""
    state: State | None = None
    for number, (event, clock) in enumerate(events):
        state = step(state, event, clock).state
        if state is None:
            continue
        known = {reading.source_id for reading in state.readings}
        for repeat in [event, *(old for old, _ in events[:number])]:
            if isinstance(repeat, Breached | Measured) and (repeat is event or repeat.source_id in known):
                assert step(state, repeat, clock) == Outcome(state)


@given(any_events())
def test_the_clock_that_the_state_keeps_never_goes_back(events: list[tuple[Event, int]]) -> None:
    state: State | None = None
    for event, clock in events:
        before, state = state, step(state, event, clock).state
        if before is not None and state is not None:
            assert state.steady >= before.steady
            assert state.readings[-1].at >= before.readings[-1].at
            assert state.readings[-1].at <= state.steady


@given(
    VITALS,
    st.integers(0, 300),
    st.sampled_from(SEVERITIES),
    st.integers(0, 20),
    st.lists(st.integers(1, 7), min_size=1, max_size=400),
)
def test_a_breach_that_lasts_is_always_raised(
    bands: Bands, delay: int, severity: Severity, latency: int, pauses: list[int]
) -> None:
    """Not later than its delay, or the time that a lone high reading must stand, after its arrival."""
    lasting = replace(bands, bands=((bands.limit - 1, severity, delay),))
    bed = Bedside(lasting)
    value, at = bands.limit - 2, 0
    for pause in pauses:
        bed.ticks_when_due(at + latency)
        bed.reads(at, value, clock=at + latency)
        at += pause
    bed.ticks_when_due(10_000)
    (raised,) = [entry for entry in bed.log if entry.kind is Kind.RAISED]
    stands = bed.alarm().stands_ms if severity == "high" and bed.alarm().continuous else 0
    assert delay * 1000 <= raised.event_at - ms(0) <= max(delay * 1000, stands)
    assert raised.clock_at - ms(latency) <= max(delay * 1000, stands)


@given(st.integers(1, 30), st.integers(0, 60), st.integers(-5000, 5000), st.sampled_from([85, 93, 95]))
def test_a_breach_that_lasts_is_raised_though_the_clock_is_set(
    delay: int, set_after: int, by: int, value: float
) -> None:
    bands = replace(SPO2, bands=tuple((highest, severity, delay) for highest, severity, _ in SPO2.bands))
    bed = Bedside(bands)
    for second in range(100):
        bed.reads(second, value, clock=second if second < set_after else second + by)
    (raised,) = [entry for entry in bed.log if entry.kind is Kind.RAISED]
    assert int(raised.source_id[1:] if raised.source_id else 999) <= delay + 2


@given(st.lists(st.booleans(), max_size=60), st.sampled_from([96, 97, 98]))
def test_a_high_reading_among_readings_in_range_alarms_if_and_only_if_two_of_three_are(
    high: list[bool], inside: float
) -> None:
    bed = Bedside(SPO2)
    for second, is_high in enumerate(high):
        bed.reads(second, 85 if is_high else inside)
        bed.ticks_when_due(second)
    bed.reads_each_second(range(len(high), len(high) + 3), inside)
    agree = any(sum(high[place : place + 3]) > 1 for place in range(len(high)))
    assert bool(bed.raised()) == agree


@given(st.lists(st.booleans(), min_size=1, max_size=25), st.integers(0, 8))
def test_two_of_three_are_found_though_breaches_lag_behind_values(high: list[bool], lag: int) -> None:
    """A new alarm is given the values since its breach, as `step` asks for."""
    values = [85 if is_high else 98 for is_high in [*high, False, False]]
    bed = Bedside(SPO2)
    for second in range(len(values) + lag):
        if bed.state is not None and second < len(values):
            bed.sends(Measured(values[second], ms(second), f"r{second}"), second)
        breach_of = second - lag
        if 0 <= breach_of < len(values) and values[breach_of] == 85:
            began = bed.state is None
            bed.sends(SPO2.breach(85, breach_of, f"r{breach_of}"), second)
            for missed in range(breach_of + 1, min(second + 1, len(values))) if began else ():
                bed.sends(Measured(values[missed], ms(missed), f"r{missed}"), second)
    agree = any(sum(high[place : place + 3]) > 1 for place in range(len(high)))
    assert bool(bed.raised()) == agree


LIVE = st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 2, 5, 20]), SPO2_VALUES), max_size=150)
"""(seconds since the reading before, value)."""

RUNS = st.lists(st.tuples(st.integers(1, 70), SPO2_VALUES), max_size=8).map(
    lambda runs: [(1, value) for length, value in runs for _ in range(length)]
)
"""The same, with values that last."""


def live(readings: Sequence[tuple[int, float]], bands: Bands = SPO2, halves: str = "vb") -> Bedside:
    """Each reading at its own time, the clock told whenever it is due."""
    bed, at = Bedside(bands, halves), 0
    for pause, value in readings:
        at += pause
        bed.ticks_when_due(at)
        bed.reads(at, value)
    bed.ticks_when_due(at + 1000)
    return bed


@given(LIVE | RUNS, st.integers(0, 10))
def test_a_backlog_is_judged_as_it_would_have_been_live(readings: list[tuple[int, float]], tick_each: int) -> None:
    """Whether the clock is told in the middle of it or not."""
    backlog, at, clock = Bedside(SPO2), 0, 1_000_000
    for number, (pause, value) in enumerate(readings):
        at += pause
        backlog.reads(at, value, clock=clock)
        if tick_each and number % tick_each == 0:
            backlog.tick(clock)
    backlog.ticks_when_due(clock + 1000)
    assert backlog.said() == live(readings).said()


@given(LIVE | RUNS)
def test_the_order_of_value_and_breach_of_one_reading_does_not_matter(readings: list[tuple[int, float]]) -> None:
    both = live(readings, halves="vb").said()
    assert both == live(readings, halves="bv").said()
    assert both == live(readings, halves="b").said()
    assert both == live(readings, halves="vbvb").said()


@given(RUNS)
def test_an_alarm_clears_only_after_its_readings_were_inside_for_the_time(readings: list[tuple[int, float]]) -> None:
    for at in (at for kind, at, _ in live(readings).said() if kind == Kind.CLEARED):
        seconds = range(int(at) - CLEAR_SECONDS, int(at) + 1)
        assert all(readings[second - 1][1] >= 97 for second in seconds)


@given(RUNS)
def test_an_open_alarm_always_clears_after_enough_readings_inside(readings: list[tuple[int, float]]) -> None:
    bed = live([*readings, *[(1, 98)] * (CLEAR_SECONDS + 1)])
    assert bed.state is None


@given(LIVE | RUNS)
def test_severity_never_falls_within_the_delay(readings: list[tuple[int, float]]) -> None:
    """Since the last reading that was as severe as the alarm, counted from the reading after it."""
    at, severities = 0, []
    for pause, value in readings:
        at += pause
        if band := SPO2.band_of(value):
            severities.append((at, rank(band[0])))
    delays = {severity: delay for _, severity, delay in SPO2.bands}
    history = live(readings).said()
    for (_, _, before), (kind, fell_at, after) in pairwise(history):
        if kind == Kind.SEVERITY_FELL and after is not None:
            last = max(at for at, severity in severities if at <= fell_at and severity >= rank(before))
            first_milder = min(at for at, _ in severities if at > last)
            assert fell_at - first_milder >= max(FALL_SECONDS, delays[after])


@given(LIVE | RUNS, st.integers(1, 40))
def test_an_acknowledgement_never_hides_a_rise(readings: list[tuple[int, float]], acknowledge_each: int) -> None:
    bed, at = Bedside(SPO2), 0
    acknowledged: Severity | None = None
    for number, (pause, value) in enumerate(readings):
        at += pause
        bed.ticks_when_due(at)
        bed.reads(at, value)
        if number % acknowledge_each == 0 and bed.state is not None:
            bed.sends(Acknowledge("Dr A", "seen"), at)
            acknowledged = bed.alarm().severity
        if bed.state is not None and bed.alarm().phase is Phase.ACKNOWLEDGED:
            assert rank(bed.alarm().severity) <= rank(acknowledged)
    for entry, after in pairwise([*bed.log, None]):
        if entry is not None and entry.kind is Kind.SEVERITY_ROSE and acknowledged_before(bed, entry):
            assert after is not None
            assert after.kind is Kind.ACKNOWLEDGEMENT_ENDED


def acknowledged_before(bed: Bedside, entry: Transition) -> bool:
    """Whether an acknowledgement held when that happened."""
    turns = (Kind.ACKNOWLEDGED, Kind.ACKNOWLEDGEMENT_ENDED, *ENDS)
    earlier = bed.log[: next(place for place, each in enumerate(bed.log) if each is entry)]
    return next((each.kind is Kind.ACKNOWLEDGED for each in reversed(earlier) if each.kind in turns), False)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40), SPO2_VALUES), max_size=80))
def test_late_readings_never_clear_or_lower_what_stands(late: list[tuple[int, int, float]]) -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(900, 930), 93)
    bed.reads_each_second(range(930, 960), 96)
    for number, (back, pause, value) in enumerate(late):
        severity = bed.alarm().severity
        bed.reads(959 - back - (number + 1) / 100, value, clock=960 + pause)
        assert rank(bed.alarm().severity) >= rank(severity)
        assert bed.alarm().readings[-1].at == ms(959)
