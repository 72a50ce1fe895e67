"""What is told of an alarm and when: grouping, reminders, escalation, the end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.lifecycle_events import SEVERITIES, Kind, Transition
from clinical.lifecycle_state import Phase
from clinical.messages import Severity
from clinical.notices import (
    ENDS,
    UNKNOWN_WARD,
    Item,
    News,
    Notice,
    Plan,
    Rule,
    Standing,
    after,
    from_dict,
    plan,
    rank,
    to_dict,
    told,
)

RULE = Rule()
T0 = 1_790_000_000_000


@dataclass
class Bed:
    """One patient's alarms, told by the rule; `mails`: second -> what each mail told."""

    rule: Rule = RULE
    alarms: dict[str, Standing] = field(default_factory=dict)
    mails: list[tuple[int, list[Item]]] = field(default_factory=list)
    urgent_at: int | None = None
    now: int = T0

    def change(self, second: float, name: str, kind: Kind, severity: Severity | None = "high") -> None:
        """Something happens to an alarm, after everything that was due before has been told."""
        self.until(second)
        known = self.alarms.get(name) or Standing(Notice(), Phase.PENDING, None, "Cardiology")
        silenced = known.silenced_until is not None
        notice = after(
            known.notice, Transition(kind, self.now, self.now, severity, "why"), self.now, self.rule, silenced
        )
        phase = {
            Kind.RAISED: Phase.ACTIVE,
            Kind.ACKNOWLEDGED: Phase.ACKNOWLEDGED,
            Kind.ACKNOWLEDGEMENT_ENDED: Phase.ACTIVE,
            Kind.CLEARED: None,
            Kind.ENDED_BY_DISCHARGE: None,
        }.get(kind, known.phase)
        self.alarms[name] = replace(known, notice=notice, phase=phase, severity=severity)
        self._tell()

    def move(self, second: float, name: str, **fields: Any) -> None:
        self.until(second)
        self.alarms[name] = replace(self.alarms[name], **fields)
        self._tell()

    def until(self, second: float) -> None:
        """Let the clock run."""
        end = T0 + int(second * 1000)
        while (at := plan(self.alarms, self.urgent_at, self.now, self.rule).next_at) is not None and at <= end:
            assert at > self.now, "the same news is due for ever"
            self.now = at
            self._tell()
        self.now = max(self.now, end)

    def _tell(self) -> None:
        for mail in plan(self.alarms, self.urgent_at, self.now, self.rule).mails:
            self.mails.append(((self.now - T0) // 1000, mail))
            for name in {item.key for item in mail}:
                known = self.alarms[name]
                notice = told(known.notice, [item for item in mail if item.key == name], self.now)
                self.alarms[name] = replace(known, notice=notice)
                self.urgent_at = notice.urgent_at or self.urgent_at

    @property
    def said(self) -> list[tuple[int, list[tuple[str, str]]]]:
        return [(second, [(item.key, item.news.value) for item in mail]) for second, mail in self.mails]


def test_the_first_high_alarm_of_a_patient_is_told_at_once() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    assert bed.said == [(0, [("heart", "raised")])]


def test_what_is_high_within_thirty_seconds_of_it_is_one_mail_at_their_end() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(5, "spo2", Kind.RAISED)
    bed.change(20, "breath", Kind.RAISED)
    bed.until(60)
    assert bed.said == [(0, [("heart", "raised")]), (30, [("spo2", "raised"), ("breath", "raised")])]


def test_a_medium_alarm_waits_thirty_seconds_for_company() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED, "medium")
    bed.change(29, "spo2", Kind.RAISED, "medium")
    bed.until(100)
    assert bed.said == [(30, [("heart", "raised"), ("spo2", "raised")])]


def test_a_high_alarm_does_not_wait_for_a_medium_one_and_shares_no_mail_with_it() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED, "medium")
    bed.change(10, "spo2", Kind.RAISED)
    bed.until(100)
    assert bed.said == [(10, [("spo2", "raised")]), (30, [("heart", "raised")])]


def test_a_low_alarm_is_never_told_and_its_end_neither() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED, "low")
    bed.change(500, "heart", Kind.CLEARED, "low")
    bed.until(5000)
    assert bed.said == []


def test_reminders_back_off_up_to_an_hour() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED, "medium")
    bed.until(30 + 300 + 600 + 1200 + 2400 + 3600 + 3600)
    assert [second for second, _ in bed.said] == [30, 330, 930, 2130, 4530, 8130, 11730]


def test_an_unanswered_high_alarm_is_escalated_after_five_minutes_and_again_after_ten() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.until(2000)
    assert bed.said[:3] == [
        (0, [("heart", "raised")]),
        (300, [("heart", "escalated")]),
        (600, [("heart", "escalated")]),
    ]
    assert [mail[0].escalation for _, mail in bed.mails] == [0, 1, 2, 0]
    assert bed.said[3] == (1800, [("heart", "reminder")])


def test_an_acknowledgement_stops_reminders_and_escalation_until_its_time_is_over() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(100, "heart", Kind.ACKNOWLEDGED)
    bed.until(1900)
    assert len(bed.said) == 1
    bed.change(1900, "heart", Kind.ACKNOWLEDGEMENT_ENDED)
    bed.until(2300)
    assert bed.said[1:] == [(1900, [("heart", "reminder")]), (2200, [("heart", "escalated")])]


def test_a_rise_is_told_at_once_and_a_fall_never() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED, "medium")
    bed.change(60, "heart", Kind.SEVERITY_ROSE, "high")
    bed.change(120, "heart", Kind.SEVERITY_FELL, "medium")
    bed.change(150, "heart", Kind.SEVERITY_ROSE, "high")
    bed.until(300)
    assert bed.said == [(30, [("heart", "raised")]), (60, [("heart", "worse")])]


def test_a_rise_after_people_were_reminded_of_less_is_told_again() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(60, "heart", Kind.SEVERITY_FELL, "medium")
    bed.until(301)
    bed.change(400, "heart", Kind.SEVERITY_ROSE, "high")
    assert [news for _, [(_, news)] in bed.said] == ["raised", "reminder", "worse"]


@pytest.mark.parametrize(("quiet", "news"), [(299, ["raised", "escalated"]), (300, ["raised", "again"])])
def test_a_rise_is_told_again_after_a_time_of_a_severity_that_nobody_is_mailed(quiet: int, news: list[str]) -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(60, "heart", Kind.SEVERITY_FELL, "low")
    bed.change(60 + quiet, "heart", Kind.SEVERITY_ROSE, "high")
    assert [told for _, items in bed.said for _, told in items] == news


def test_what_was_quiet_stays_so_while_it_grows_milder_still() -> None:
    bed = Bed(rule=replace(RULE, told=frozenset({"high"})))
    bed.change(0, "heart", Kind.RAISED)
    bed.change(1, "heart", Kind.ACKNOWLEDGED)
    bed.change(60, "heart", Kind.SEVERITY_FELL, "medium")
    bed.change(300, "heart", Kind.SEVERITY_FELL, "low")
    bed.change(361, "heart", Kind.SEVERITY_ROSE, "high")
    assert [told for _, items in bed.said for _, told in items] == ["raised", "again"]


def test_an_asystole_is_told_though_the_alarm_was_told_as_high() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(100, "heart", Kind.ACKNOWLEDGED)
    bed.change(200, "heart", Kind.ARRESTED)
    assert bed.said == [(0, [("heart", "raised")]), (200, [("heart", "arrest")])]


def test_an_asystole_that_waits_for_its_mail_cannot_be_acknowledged_unheard() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(10, "heart", Kind.ARRESTED)
    bed.change(20, "heart", Kind.ACKNOWLEDGED)
    bed.until(60)
    assert bed.said == [(0, [("heart", "raised")]), (30, [("heart", "arrest")])]


def test_an_asystole_before_the_first_mail_is_one_mail_with_it() -> None:
    bed = Bed()
    bed.change(0, "spo2", Kind.RAISED)
    bed.change(5, "heart", Kind.RAISED)
    bed.change(10, "heart", Kind.ARRESTED)
    bed.until(60)
    assert bed.said == [(0, [("spo2", "raised")]), (30, [("heart", "raised")])]


def test_a_high_alarm_does_not_wait_for_the_escalation_of_another() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(301, "spo2", Kind.RAISED)
    assert bed.said[1:] == [(300, [("heart", "escalated")]), (301, [("spo2", "raised")])]


def test_an_alarm_that_became_high_before_it_was_told_is_told_as_high_once() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED, "medium")
    bed.change(10, "heart", Kind.SEVERITY_ROSE, "high")
    bed.until(200)
    assert [(second, mail[0].news, mail[0].severity) for second, mail in bed.mails] == [(10, News.RAISED, "high")]


def test_the_end_is_told_once_with_the_peak_and_the_escalation_that_the_mails_had() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(400, "heart", Kind.SEVERITY_FELL, "medium")
    bed.change(500, "heart", Kind.CLEARED, "medium")
    bed.until(5000)
    second, [item] = bed.mails[-1]
    assert (second, item.news, item.severity, item.escalation) == (530, News.RESOLVED, "high", 1)
    assert [news for _, [(_, news)] in bed.said].count("resolved") == 1


def test_an_alarm_that_ended_before_its_mail_went_out_is_still_told() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED, "medium")
    bed.change(29, "heart", Kind.CLEARED, "medium")
    bed.until(500)
    assert bed.said == [(59, [("heart", "resolved")])]


def test_a_discharge_is_told_to_those_who_were_told_of_the_alarm() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.change(1, "spo2", Kind.RAISED, "medium")
    bed.change(10, "heart", Kind.ENDED_BY_DISCHARGE)
    bed.change(10, "spo2", Kind.ENDED_BY_DISCHARGE, "medium")
    bed.until(500)
    assert bed.said == [(0, [("heart", "raised")]), (40, [("heart", "discharged")])]


def test_a_patient_who_moves_is_told_to_the_new_ward_at_once_and_the_end_to_both() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.move(60, "heart", ward="ICU")
    bed.change(100, "heart", Kind.CLEARED)
    bed.until(500)
    assert [(second, item.news.value, item.ward) for second, mail in bed.mails for item in mail] == [
        (0, "raised", "Cardiology"),
        (60, "reminder", "ICU"),
        (130, "resolved", "Cardiology"),
        (130, "resolved", "ICU"),
    ]


def test_the_ward_that_a_patient_moves_to_is_reminded_and_escalated_as_if_the_alarm_began_there() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.move(1200, "heart", ward="ICU")
    bed.until(2000)
    there = [(second, item.news.value, item.escalation, item.ward) for second, mail in bed.mails for item in mail]
    assert [one for one in there if one[0] >= 1200] == [
        (1200, "reminder", 0, "ICU"),
        (1500, "escalated", 1, "ICU"),
        (1800, "escalated", 2, "ICU"),
    ]


def test_a_patient_who_comes_back_to_a_ward_begins_nothing_anew_there() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.move(1200, "heart", ward="ICU")
    before = bed.alarms["heart"].notice
    bed.move(1260, "heart", ward="Cardiology")
    after_it = bed.alarms["heart"].notice
    assert (after_it.high_at, after_it.steps) == (before.high_at, before.steps)


def test_an_end_is_told_to_nobody_twice_after_the_ward_was_unknown() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.move(60, "heart", ward=UNKNOWN_WARD)
    bed.move(70, "heart", ward="ICU")
    bed.change(100, "heart", Kind.CLEARED)
    bed.until(500)
    assert [(second, item.ward) for second, mail in bed.mails for item in mail if item.news in ENDS] == [
        (130, UNKNOWN_WARD)
    ]


def test_an_end_that_goes_to_two_wards_rides_with_nothing_in_one_of_them() -> None:
    bed = Bed()
    bed.change(0, "glucose", Kind.RAISED, "medium")
    bed.move(60, "glucose", ward="ICU")
    bed.alarms["spo2"] = Standing(Notice(), Phase.PENDING, None, "ICU")
    bed.change(100, "spo2", Kind.RAISED, "medium")
    bed.change(116, "glucose", Kind.CLEARED, "medium")
    bed.until(300)
    ends = [(second, item.ward) for second, mail in bed.mails for item in mail if item.news in ENDS]
    assert ends == [(146, "Cardiology"), (146, "ICU")]


def test_what_is_silenced_is_told_when_the_silence_is_over_if_it_still_lasts() -> None:
    bed = Bed()
    bed.alarms["heart"] = Standing(Notice(), Phase.PENDING, None, "Cardiology", T0 + 600_000)
    bed.change(0, "heart", Kind.RAISED)
    bed.until(599)
    assert bed.said == []
    bed.until(600)
    assert bed.said == [(600, [("heart", "raised")])]


@pytest.mark.parametrize(
    ("severity", "mails"), [("high", [(7200, "high")]), ("medium", [(7200, "medium")]), ("low", [])]
)
def test_what_grew_milder_in_a_silence_is_told_after_it_as_what_it_is(
    severity: Severity, mails: list[tuple[int, str]]
) -> None:
    bed = Bed()
    bed.alarms["heart"] = Standing(Notice(), Phase.PENDING, None, "Cardiology", T0 + 7_200_000)
    bed.change(0, "heart", Kind.RAISED)
    if severity != "high":
        bed.change(60, "heart", Kind.SEVERITY_FELL, severity)
    bed.until(7199)
    assert bed.mails == []
    bed.move(7200, "heart", silenced_until=None)
    bed.until(7240)
    assert [(second, item.severity) for second, mail in bed.mails for item in mail] == mails
    bed.change(7300, "heart", Kind.CLEARED, severity)
    bed.until(8000)
    assert bool(bed.mails) == bool(mails), "whoever was not told that it began is not told that it is over"


def test_what_rose_and_fell_again_in_a_silence_is_not_told_as_worse() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED, "medium")
    bed.move(60, "heart", silenced_until=T0 + 7_200_000)
    bed.change(100, "heart", Kind.SEVERITY_ROSE)
    bed.change(200, "heart", Kind.SEVERITY_FELL, "medium")
    bed.move(7200, "heart", silenced_until=None)
    bed.until(7240)
    told = [(second, item.news.value, item.severity) for second, mail in bed.mails for item in mail]
    assert told == [(30, "raised", "medium"), (7200, "reminder", "medium")]


def test_two_escalations_that_a_silence_held_do_not_come_at_once() -> None:
    bed = Bed()
    bed.change(0, "heart", Kind.RAISED)
    bed.move(60, "heart", silenced_until=T0 + 7_200_000)
    bed.move(7200, "heart", silenced_until=None)
    bed.until(7600)
    escalated = [(second, item.escalation) for second, mail in bed.mails for item in mail if item.escalation]
    assert escalated == [(7200, 1), (7500, 2)]


def test_only_what_is_news_is_told_while_it_is_not_known_whether_an_alarm_lasts() -> None:
    lasts = Notice(told_at=T0, told_severity="high", peak="high", wards=("A",), high_at=T0)
    ended = Notice(owed=News.RESOLVED, owed_since=T0, owed_severity="high", told_at=T0, peak="high", wards=("A",))
    expired = replace(lasts, owed=News.REMINDER, owed_since=T0, owed_severity="high")
    alarms = {
        "lasts": Standing(lasts, Phase.ACTIVE, "high", "A"),
        "acknowledged until then": Standing(expired, Phase.ACTIVE, "high", "A"),
        "ended": Standing(ended, None, None, "A"),
    }
    now = T0 + 2_000_000
    assert [item.key for mail in plan(alarms, None, now, RULE, only_news=True).mails for item in mail] == ["ended"]
    assert {item.key for mail in plan(alarms, None, now, RULE).mails for item in mail} == set(alarms)


def test_what_began_and_ended_in_silence_is_never_told() -> None:
    bed = Bed()
    bed.alarms["heart"] = Standing(Notice(), Phase.PENDING, None, "Cardiology", T0 + 600_000)
    bed.change(0, "heart", Kind.RAISED)
    bed.change(300, "heart", Kind.CLEARED)
    bed.until(2000)
    assert bed.said == []


def test_a_clock_that_was_set_back_does_not_put_reminders_off() -> None:
    notice = Notice(told_at=T0 + 3_600_000, told_severity="medium", peak="medium", wards=("A",))
    later = plan({"heart": Standing(notice, Phase.ACTIVE, "medium", "A")}, None, T0, RULE)
    assert later == Plan([], T0 + 300_000)


def test_a_notice_survives_its_stored_form() -> None:
    notice = Notice(News.WORSE, T0, "high", T0, "medium", "medium", 1, ("A", "B"), T0, T0, 1, 2)
    assert from_dict(to_dict(notice)) == notice
    with pytest.raises(ValueError, match="cannot be read"):
        from_dict({"owed": "nonsense", "wards": []})


CHANGES = st.sampled_from(
    [
        (Kind.SEVERITY_ROSE, "high"),
        (Kind.SEVERITY_FELL, "medium"),
        (Kind.SEVERITY_FELL, "low"),
        (Kind.SEVERITY_ROSE, "medium"),
        (Kind.ACKNOWLEDGED, "high"),
        (Kind.ACKNOWLEDGEMENT_ENDED, "high"),
    ]
)
STORIES = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["heart", "spo2", "breath"]), CHANGES), min_size=1, max_size=12
)


@given(STORIES, st.sampled_from(SEVERITIES))
def test_whatever_happens_what_is_worth_telling_is_told_soon_and_the_end_once(story: Any, first: Severity) -> None:
    bed, second = Bed(), 0
    raised: dict[str, list[Severity]] = {}
    for pause, name, (kind, severity) in story:
        second += pause
        if name not in raised:
            bed.change(second, name, Kind.RAISED, first)
            raised[name] = [first]
            continue
        if kind is Kind.ACKNOWLEDGEMENT_ENDED and bed.alarms[name].phase is not Phase.ACKNOWLEDGED:
            continue
        if kind in (Kind.SEVERITY_ROSE, Kind.SEVERITY_FELL):
            raised[name].append(severity)
        else:
            severity = raised[name][-1]
        bed.change(second, name, kind, severity)
    bed.until(second + 31)
    acknowledged = {name for name, alarm in bed.alarms.items() if alarm.phase is Phase.ACKNOWLEDGED}
    heard = {item.key: item for _, mail in bed.mails for item in mail}
    for name, severities in raised.items():
        if name not in acknowledged and rank(max(severities, key=rank)) >= rank("medium"):
            assert name in heard or bed.alarms[name].notice.owed is None
        bed.change(second + 40, name, Kind.CLEARED, severities[-1])
    bed.until(second + 200)
    ends = [item.key for _, mail in bed.mails for item in mail if item.news in ENDS]
    assert sorted(ends) == sorted(set(heard) & set(raised))
    assert all(alarm.notice.settled for alarm in bed.alarms.values())
    for _, mail in bed.mails:
        assert len({(item.ward, item.severity, item.escalation) for item in mail}) == 1


@given(st.lists(st.tuples(st.floats(0, 120), st.sampled_from(["medium", "high"])), min_size=1, max_size=20))
def test_a_patient_gets_at_most_two_first_mails_of_each_severity_in_half_a_minute(starts: Any) -> None:
    bed = Bed()
    for number, (second, severity) in enumerate(sorted(starts)):
        bed.change(second, f"alarm {number}", Kind.RAISED, severity)
    bed.until(200)
    for severity in ("medium", "high"):
        seconds = [second for second, mail in bed.mails if mail[0].severity == severity]
        assert all(len([one for one in seconds if begin <= one < begin + 30]) <= 2 for begin in range(240))
    assert sum(len(mail) for _, mail in bed.mails) == len(starts)
