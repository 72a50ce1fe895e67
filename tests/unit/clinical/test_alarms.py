"""The rule of when a breach is told."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.alarms import RANK, AlarmState, Notice, Rule, Verdict, judge
from clinical.messages import Severity

RULE = Rule(reminder_seconds=300, told=frozenset({"high", "medium"}))
START = 1_700_000_000_000
SECOND = 1000


@dataclass
class Ward:
    """Judges breaches one after the other; times in seconds after START."""

    state: AlarmState | None = None

    def breach(self, recorded: float, severity: Severity = "high", clock: float | None = None) -> Verdict:
        now = recorded if clock is None else clock
        verdict = judge(self.state, START + int(recorded * SECOND), severity, START + int(now * SECOND), RULE)
        self.state = verdict.state
        return verdict


def test_the_first_breach_is_told_at_once() -> None:
    verdict = Ward().breach(0)
    assert verdict.began
    assert verdict.notice is Notice.FIRST


def test_a_breach_every_second_gives_one_reminder_in_five_minutes() -> None:
    ward = Ward()
    notices = [(second, ward.breach(second).notice) for second in range(901)]
    told = [(second, notice) for second, notice in notices if notice is not Notice.NONE]
    assert told == [(0, Notice.FIRST), (300, Notice.REMINDER), (600, Notice.REMINDER), (900, Notice.REMINDER)]


def test_after_the_clock_was_set_back_reminders_go_on_from_then() -> None:
    ward = Ward()
    assert ward.breach(0).notice is Notice.FIRST
    notices = [(second, ward.breach(second, clock=second - 3600).notice) for second in range(10, 701, 10)]
    assert [entry for entry in notices if entry[1] is not Notice.NONE] == [
        (310, Notice.REMINDER),
        (610, Notice.REMINDER),
    ]


def test_after_the_clock_was_set_forward_an_alarm_is_told_at_most_once_more() -> None:
    ward = Ward()
    assert ward.breach(0).notice is Notice.FIRST
    notices = [ward.breach(second, clock=second + 3600).notice for second in range(10, 300, 10)]
    assert [notice for notice in notices if notice is not Notice.NONE] == []
    assert ward.breach(300, clock=3900).notice is Notice.REMINDER


def test_low_severity_is_recorded_and_not_told() -> None:
    verdict = Ward().breach(0, "low")
    assert verdict.began
    assert verdict.notice is Notice.NONE


def test_the_first_severe_breach_of_an_alarm_that_began_low_is_told_as_the_first() -> None:
    ward = Ward()
    ward.breach(0, "low")
    verdict = ward.breach(10, "medium")
    assert not verdict.began
    assert verdict.notice is Notice.FIRST


def test_a_rise_in_severity_is_told_at_once_and_a_fall_is_not() -> None:
    ward = Ward()
    notices = [ward.breach(second, severity).notice for second, severity in enumerate(("medium", "high", "medium"))]
    assert notices == [Notice.FIRST, Notice.WORSE, Notice.NONE]


def test_a_value_on_the_border_of_two_severities_does_not_flood() -> None:
    ward = Ward()
    severities: tuple[Severity, Severity] = ("medium", "high")
    told = sum(ward.breach(second, severities[second % 2]).notice is not Notice.NONE for second in range(300))
    assert told == 2


def test_a_low_breach_never_reminds_of_a_high_one() -> None:
    ward = Ward()
    ward.breach(0, "high")
    assert ward.breach(400, "low").notice is Notice.NONE


def test_a_breach_after_a_long_silence_begins_a_new_alarm() -> None:
    ward = Ward()
    ward.breach(0)
    verdict = ward.breach(RULE.lapse_seconds)
    assert verdict.began
    assert verdict.notice is Notice.FIRST
    assert verdict.state.breaches == 1


def test_a_breach_within_the_lapse_continues_the_alarm() -> None:
    ward = Ward()
    ward.breach(0)
    verdict = ward.breach(RULE.lapse_seconds - 1)
    assert not verdict.began
    assert verdict.notice is Notice.REMINDER


def test_a_backlog_worked_off_in_a_moment_gives_no_reminders() -> None:
    ward = Ward()
    notices = [ward.breach(second, clock=7200).notice for second in range(3600)]
    assert [notice for notice in notices if notice is not Notice.NONE] == [Notice.FIRST]


def test_a_late_breach_neither_begins_an_alarm_nor_moves_it_back_nor_reminds() -> None:
    ward = Ward()
    ward.breach(10_000)
    before = ward.state
    verdict = ward.breach(100, clock=10_400)
    assert before is not None
    assert not verdict.began
    assert verdict.notice is Notice.NONE
    assert verdict.state.last_breach_at == before.last_breach_at


def test_a_late_breach_that_is_more_severe_is_told() -> None:
    ward = Ward()
    ward.breach(100, "medium")
    verdict = ward.breach(90, "high", clock=101)
    assert verdict.notice is Notice.WORSE
    assert verdict.state.severity == "medium"


def test_a_device_whose_clock_runs_ahead_does_not_put_reminders_off() -> None:
    ward = Ward()
    ward.breach(290, clock=0)
    assert ward.breach(300, clock=300).notice is Notice.REMINDER


@pytest.mark.parametrize("times", [3, 10])
def test_a_repeat_that_slips_through_tells_nothing_new(times: int) -> None:
    ward = Ward()
    ward.breach(0)
    assert {ward.breach(0).notice for _ in range(times)} == {Notice.NONE}


SEVERITIES: st.SearchStrategy[Severity] = st.sampled_from(["low", "medium", "high"])
STREAMS = st.lists(st.tuples(st.integers(0, 400), st.integers(-1000, 300), SEVERITIES), max_size=60)
"""(seconds by the clock since the breach before, lateness of the recording, severity)."""


@given(STREAMS)
def test_reminders_are_never_closer_than_the_setting(stream: list[tuple[int, int, Severity]]) -> None:
    ward, clock, told = Ward(), 0, []
    for pause, lateness, severity in stream:
        clock += pause
        verdict = ward.breach(clock + lateness, severity, clock)
        if verdict.notice is not Notice.NONE:
            told.append((clock, verdict.notice))
    for (before, _), (after, notice) in pairwise(told):
        assert notice is not Notice.REMINDER or after - before >= RULE.reminder_seconds


@given(STREAMS)
def test_between_two_reminders_only_rises_are_told(stream: list[tuple[int, int, Severity]]) -> None:
    ward, clock = Ward(), 0
    last: Severity | None = None
    for pause, lateness, severity in stream:
        clock += pause
        verdict = ward.breach(clock + lateness, severity, clock)
        if verdict.notice is Notice.WORSE:
            assert last is not None
            assert RANK[severity] > RANK[last]
        if verdict.notice is not Notice.NONE:
            last = severity
        assert verdict.notice is Notice.NONE or severity in RULE.told


@given(STREAMS)
def test_the_first_severe_breach_of_every_alarm_is_told(stream: list[tuple[int, int, Severity]]) -> None:
    ward, clock, told_in_this_alarm = Ward(), 0, False
    for pause, lateness, severity in stream:
        clock += pause
        verdict = ward.breach(clock + lateness, severity, clock)
        told_in_this_alarm = told_in_this_alarm and not verdict.began
        if severity in RULE.told:
            assert told_in_this_alarm or verdict.notice is Notice.FIRST
            told_in_this_alarm = True


@given(st.lists(st.tuples(st.integers(1, 100), st.sampled_from(["medium", "high"])), min_size=1, max_size=60))
def test_while_breaches_come_in_time_nobody_is_left_without_news_for_longer_than_a_reminder(
    stream: list[tuple[int, Severity]],
) -> None:
    ward, clock, told_at = Ward(), 0, 0
    for pause, severity in stream:
        clock += pause
        if ward.breach(clock, severity).notice is not Notice.NONE:
            told_at = clock
        assert clock - told_at < RULE.reminder_seconds


@given(STREAMS)
def test_event_time_of_an_alarm_never_goes_back(stream: list[tuple[int, int, Severity]]) -> None:
    ward, clock = Ward(), 0
    for pause, lateness, severity in stream:
        clock += pause
        before = ward.state
        verdict = ward.breach(clock + lateness, severity, clock)
        assert before is None or verdict.state.last_breach_at >= before.last_breach_at
        assert verdict.state.breaches == 1 if verdict.began else before is not None
