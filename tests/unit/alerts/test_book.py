"""The book of alarms: from breaches and values to alarms, audit and outbox."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.bedside import Bedside, Value
from alerts.book import AlarmBook
from alerts.decide import Alarm, Changes, Event, Notification
from alerts.manner import Manner
from alerts.message import Style
from alerts.orders import Order
from alerts.silences import Silence
from clinical.messages import Breach
from clinical.notices import Rule
from tests.unit.alerts.breaches import RECORDED, breach

STYLE = Style(ZoneInfo("UTC"))
LIMITS = {"heart_rate": (51.0, 90.0), "spo2": (96.0, None), "glucose": (70.0, 180.0)}


@dataclass
class Desk:
    """A book whose changes are written down as MySQL would have them; seconds are counted from RECORDED."""

    rule: Rule = field(default_factory=Rule)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    mails: list[Notification] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    now: int = RECORDED
    changed_seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bedside = Bedside()
        self.book = AlarmBook(Manner(self.rule, STYLE), self.bedside, self.changed_seconds)

    def reads(
        self,
        second: float,
        value: float,
        patient: str = "P-1",
        attribute: str = "heart_rate",
        behind: int = 0,
        **more: Any,
    ) -> None:
        """A value arrives, and its breach with it if it is one. The device's clock is so many seconds `behind`."""
        self.now = RECORDED + int(second * 1000)
        at = self.now - behind * 1000
        source_id = str(next(self.numbers))
        one = Value(attribute, value, at, source_id)
        for shows in self.bedside.see(patient, [one], self.now):
            self.book.set_back(patient, shows, self.now)
        self.book.value(patient, one, self.now)
        found = self.breach_of(value, patient=patient, attribute=attribute, at=at, source_id=source_id, **more)
        if found is not None:
            self.book.breach(found, self.now)
        self.close()

    def breach_of(self, value: float, *, patient: str, attribute: str, at: int, **more: Any) -> Breach | None:
        low, high = LIMITS[attribute]
        if (low is None or value >= low) and (high is None or value <= high):
            return None
        direction = "low" if low is not None and value < low else "high"
        return breach(
            patient_id=patient,
            attribute=attribute,
            value=value,
            direction=direction,
            normal_low=low,
            normal_high=high,
            recorded_at=at,
            **{"clear_margin": 3.0, **more},
        )

    def close(self) -> Changes:
        changes = self.book.close(self.now)
        self.alarms.update(changes.alarms)
        self.events += changes.events
        self.mails += changes.notifications
        return changes

    def clock(self, second: float) -> None:
        """Let the clock run to that second, as the engine does when nothing arrives."""
        end = RECORDED + int(second * 1000)
        while self.now < end:
            self.now = min(self.now + 1000, end)
            self.book.tick(self.now)
            self.close()

    @property
    def told(self) -> list[tuple[int, str, str, str]]:
        return [((m.created_at - RECORDED) // 1000, m.notice, m.severity, m.attribute) for m in self.mails]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def raised(desk: Desk, patient: str = "P-1", second: float = 0, **more: Any) -> Alarm:
    """A high alarm: two high readings in a row."""
    desk.reads(second, 140, patient, **more)
    desk.reads(second + 1, 141, patient, **more)
    [alarm] = [one for one in desk.alarms.values() if one.patient_id == patient and one.state is not None]
    return alarm


def test_two_high_readings_make_an_alarm_a_mail_and_their_audit(desk: Desk) -> None:
    alarm = raised(desk)
    assert (alarm.severity, alarm.peak, alarm.breaches) == ("high", "high", 2)
    assert desk.told == [(1, "raised", "high", "heart_rate")]
    [mail] = desk.mails
    assert (mail.ward, mail.priority, mail.kind, mail.escalation) == ("Cardiology", 0, "clinical", 0)
    assert mail.notification_id in mail.body
    assert [event.what for event in desk.events] == ["pending", "raised", "raised"]
    assert desk.events[-1].notification_id == mail.notification_id


def test_a_mail_shows_the_last_ten_values_and_the_other_current_vitals(desk: Desk) -> None:
    desk.bedside.see("P-1", [Value("news2", 5.0, RECORDED, "score", 5, 7)], RECORDED)
    for second in range(12):
        desk.reads(second, second + (70 if second < 10 else 130))
    [mail] = desk.mails
    lines = mail.body.splitlines()
    assert (
        "Last values:  141 (14:13:31), 140 (:30), 79 (:29), 78 (:28), 77 (:27), 76 (:26), 75 (:25), 74 (:24), 73 (:23),"
        " 72 (:22)"
    ) in lines
    assert "NEWS2 score:  >= 5, 5 of 7 inputs" in lines


def test_a_single_spike_is_recorded_and_told_to_nobody(desk: Desk) -> None:
    desk.reads(0, 72)
    desk.reads(1, 150)
    desk.reads(2, 73)
    desk.reads(3, 72)
    desk.clock(120)
    [alarm] = desk.alarms.values()
    assert (alarm.end_reason, alarm.breaches, alarm.raised_at, alarm.state) == ("dropped", 1, None, None)
    assert desk.mails == []


@pytest.mark.parametrize("lasts", [1, 5])
@pytest.mark.parametrize("late", [20, 31, 60, 200])
def test_a_spike_or_a_motion_whose_breach_comes_late_is_told_to_nobody(desk: Desk, lasts: int, late: int) -> None:
    for second in range(late + 1):
        value = Value("heart_rate", 150 if second < lasts else 72, RECORDED + second * 1000, str(second))
        desk.bedside.see("P-1", [value], value.recorded_at)
    desk.now = RECORDED + late * 1000
    for second in range(lasts):
        at = RECORDED + second * 1000
        late_one = desk.breach_of(
            150, patient="P-1", attribute="heart_rate", at=at, source_id=str(second), delay_seconds=15
        )
        assert late_one is not None
        desk.book.breach(late_one, desk.now)
    desk.close()
    assert desk.mails == []
    assert all(alarm.end_reason == "dropped" for alarm in desk.alarms.values())


def test_what_lasts_is_told_although_its_breaches_come_half_a_minute_late(desk: Desk) -> None:
    for second in range(32):
        at = RECORDED + second * 1000
        desk.bedside.see("P-1", [Value("heart_rate", 150, at, str(second))], at)
    desk.now = RECORDED + 31_000
    first = desk.breach_of(150, patient="P-1", attribute="heart_rate", at=RECORDED, source_id="0", delay_seconds=15)
    assert first is not None
    desk.book.breach(first, desk.now)
    desk.close()
    assert [(news, severity) for _, news, severity, _ in desk.told] == [("raised", "high")]


def late_breaches(desk: Desk, seconds: range, **more: Any) -> None:
    """The breaches of heart rates of 150 that were read at these seconds come now."""
    for second in seconds:
        at = RECORDED + second * 1000
        one = desk.breach_of(150, patient="P-1", attribute="heart_rate", at=at, source_id=f"read {second}", **more)
        assert one is not None
        desk.book.breach(one, desk.now)
    desk.close()


def over_episode(desk: Desk) -> None:
    """A heart rate of 150 for a minute, then one of 72 for as long, whose breaches have not come."""
    for second in range(120):
        value = Value("heart_rate", 150 if second < 60 else 72, RECORDED + second * 1000, f"read {second}")
        desk.bedside.see("P-1", [value], value.recorded_at)
    desk.now = RECORDED + 120_000


@pytest.mark.parametrize("severity", ["high", "medium", "low"])
def test_an_episode_that_was_over_before_its_breaches_came_is_one_alarm(desk: Desk, severity: str) -> None:
    over_episode(desk)
    late_breaches(desk, range(60), severity=severity, delay_seconds=15)
    desk.clock(300)
    [alarm] = desk.alarms.values()
    assert (alarm.breaches, alarm.peak, alarm.end_reason, alarm.state) == (60, severity, "cleared", None)
    assert [(news, told) for _, news, told, _ in desk.told] == ([("resolved", severity)] if severity != "low" else [])


def test_breaches_that_come_when_the_end_was_told_are_counted_and_nothing_more_is_told(desk: Desk) -> None:
    over_episode(desk)
    late_breaches(desk, range(10), delay_seconds=15)
    desk.clock(300)
    late_breaches(desk, range(10, 60), delay_seconds=15)
    desk.clock(600)
    [alarm] = desk.alarms.values()
    assert alarm.breaches == 60
    assert [news for _, news, _, _ in desk.told] == ["resolved"]


def test_an_alarm_that_is_over_and_was_loaded_takes_its_late_breaches_too(desk: Desk) -> None:
    over_episode(desk)
    late_breaches(desk, range(10), delay_seconds=15)
    desk.book = AlarmBook(Manner(desk.rule, STYLE), desk.bedside, {})
    desk.book.load(desk.alarms.values(), desk.now)
    late_breaches(desk, range(10, 60), delay_seconds=15)
    desk.clock(300)
    [alarm] = desk.alarms.values()
    assert alarm.breaches == 60


def test_late_breaches_that_were_worse_than_the_alarm_that_is_over_make_one_of_their_own(desk: Desk) -> None:
    over_episode(desk)
    late_breaches(desk, range(10), severity="medium", delay_seconds=0)
    late_breaches(desk, range(10, 60), severity="high", delay_seconds=0)
    assert [(alarm.peak, alarm.breaches) for alarm in desk.alarms.values()] == [("medium", 10), ("high", 50)]


def test_a_breach_after_the_end_begins_an_alarm_of_its_own(desk: Desk) -> None:
    over_episode(desk)
    late_breaches(desk, range(60), delay_seconds=15)
    desk.reads(125, 150, delay_seconds=15)
    assert [alarm.breaches for alarm in desk.alarms.values()] == [60, 1]


def test_a_rise_that_waits_for_company_is_told_although_what_came_before_was_acknowledged(desk: Desk) -> None:
    for second in range(41):
        desk.reads(second, 120, severity="medium", delay_seconds=0)
    for second in (41, 42):
        desk.reads(second, 80, attribute="spo2")
    for second in (45, 46):
        desk.reads(second, 150)
    [heart] = [one for one in desk.alarms.values() if one.attribute == "heart_rate"]
    assert heart.severity == "high"
    desk.book.acknowledge(Order(1, heart.alarm_id, "Dr Jane Doe", False, "seen", None, desk.now), desk.now)
    for second in range(47, 121):
        desk.reads(second, 150)
    assert [what[1:] for what in desk.told if what[3] == "heart_rate"] == [
        ("raised", "medium", "heart_rate"),
        ("worse", "high", "heart_rate"),
    ]


def test_a_patient_who_moves_while_acknowledged_is_told_there_and_the_end_in_both(desk: Desk) -> None:
    alarm = raised(desk)
    until = desk.now + 3_600_000
    desk.book.acknowledge(Order(1, alarm.alarm_id, "Dr Jane Doe", False, "seen", until, desk.now), desk.now)
    desk.reads(3, 145, ward="ICU")
    assert [mail.ward for mail in desk.mails] == ["Cardiology", "ICU"]
    assert "was acknowledged before" in desk.mails[1].body
    for second in range(4, 100):
        desk.reads(second, 72)
    assert sorted(mail.ward for mail in desk.mails[2:]) == ["Cardiology", "ICU"]


def test_the_audit_says_that_a_name_was_only_claimed(desk: Desk) -> None:
    alarm = raised(desk)
    desk.book.acknowledge(Order(1, alarm.alarm_id, "Dr Jane Doe", True, "on my way", None, desk.now), desk.now)
    desk.close()
    [event] = [one for one in desk.events if one.what == "acknowledged"]
    assert (event.who, event.why.startswith("on my way (by the link in a mail")) == ("Dr Jane Doe", True)


def test_a_seldom_vital_alarms_by_the_clock_although_nothing_else_arrives(desk: Desk) -> None:
    desk.reads(0, 60, attribute="glucose", severity="medium", delay_seconds=15)
    desk.clock(14)
    assert desk.alarms[next(iter(desk.alarms))].severity is None
    desk.clock(50)
    assert desk.told == [(45, "raised", "medium", "glucose")]


def test_a_single_high_value_of_a_vital_that_a_site_measures_all_the_time_alarms_nobody() -> None:
    monitored = Desk(changed_seconds={"glucose": 1.0})
    for desk in (monitored, Desk()):
        desk.reads(0, 40, attribute="glucose")
        assert bool(desk.told) == (desk is not monitored)
    monitored.reads(1, 40, attribute="glucose")
    assert monitored.told == [(1, "raised", "high", "glucose")]


@pytest.mark.parametrize("back", [5, 20, 60, 300, 3600])
def test_what_lasts_is_told_although_the_devices_clock_was_set_back_before_it(desk: Desk, back: int) -> None:
    for second in range(300):
        desk.reads(second, 72)
    for second in range(300, 330):
        desk.reads(second, 150, behind=back, delay_seconds=15)
    [(second, news, severity, _)] = desk.told
    assert (news, severity) == ("raised", "high")
    assert second <= 320


@pytest.mark.parametrize("back", [20, 300, 3600])
def test_after_the_devices_clock_was_set_back_an_alarm_that_was_raised_grows_worse_and_ends_as_any_other(
    desk: Desk, back: int
) -> None:
    more: dict[str, Any] = {"severity": "medium", "delay_seconds": 10, "low_value": 91.0, "high_value": 110.0}
    for second in range(60):
        desk.reads(second, 100, **more)
    for second in range(60, 90):
        desk.reads(second, 150, behind=back, delay_seconds=15)
    for second in range(90, 130):
        desk.reads(second, 72, behind=back)
    desk.clock(200)
    [(raised, *first), (worse, *second_mail), (_, *last)] = desk.told
    assert (first[:2], second_mail[:2], last[:2]) == (["raised", "medium"], ["worse", "high"], ["resolved", "high"])
    assert raised <= 45
    assert worse <= 85
    [alarm] = desk.alarms.values()
    assert alarm.end_reason == "cleared"
    assert alarm.raised_at is not None
    assert alarm.ended_at is not None
    assert alarm.started_at <= alarm.raised_at <= alarm.ended_at
    assert "It lasted 0 s" not in desk.mails[-1].body


def test_rows_that_are_sent_again_neither_end_an_alarm_nor_put_it_off(desk: Desk) -> None:
    for second in range(13):
        desk.reads(second, 150, delay_seconds=15)
    for second in range(60):
        old = Value("heart_rate", 72, RECORDED - 3_600_000 + second * 1000, f"old {second}")
        assert desk.bedside.see("P-1", [old], old.recorded_at) == []
        desk.book.value("P-1", old, desk.now)
    for second in range(13, 60):
        desk.reads(second, 150, delay_seconds=15)
    assert [(second, news) for second, news, _, _ in desk.told] == [(15, "raised")]


def test_a_heart_that_stops_is_told_at_once_although_the_severity_had_fallen_since_a_high_mail(desk: Desk) -> None:
    low: dict[str, Any] = {"severity": "low", "delay_seconds": 60, "low_value": 41.0, "high_value": 50.0}
    for second in range(30):
        desk.reads(second, 38, severity="high", delay_seconds=0)
    for second in range(30, 120):
        desk.reads(second, 45, **low)
    desk.reads(120, 0, severity="high", delay_seconds=0)
    assert [(second, news) for second, news, _, _ in desk.told] == [(1, "raised"), (120, "arrest")]


def test_a_late_breach_that_makes_an_alarm_worse_is_what_the_mail_shows(desk: Desk) -> None:
    more: dict[str, Any] = {"severity": "medium", "delay_seconds": 0, "low_value": 111.0, "high_value": 130.0}
    for second in range(60):
        desk.reads(second, 112, **more)
    for number, measured_ms in enumerate((50_300, 50_600)):
        at = RECORDED + measured_ms
        late = desk.breach_of(
            170, patient="P-1", attribute="heart_rate", at=at, source_id=f"late {number}", delay_seconds=0
        )
        assert late is not None
        desk.book.breach(late, desk.now)
    desk.close()
    assert desk.mails[-1].subject.startswith("[HIGH] worse: Heart rate 170 /min high")


def test_an_alarm_that_begins_late_is_given_the_values_read_before_its_breach(desk: Desk) -> None:
    spike = desk.breach_of(150, patient="P-1", attribute="heart_rate", at=RECORDED, source_id="1")
    assert spike is not None
    for second, value in enumerate((150, 72, 73)):
        at = RECORDED + second * 1000
        desk.bedside.see("P-1", [Value("heart_rate", value, at, str(second + 1))], at)
    desk.now = RECORDED + 5000
    desk.book.breach(spike, desk.now)
    desk.close()
    [alarm] = desk.alarms.values()
    assert alarm.end_reason == "dropped"


def test_the_values_of_other_patients_and_attributes_change_nothing(desk: Desk) -> None:
    alarm = raised(desk)
    for second in range(2, 60):
        desk.reads(second, 72, "P-2")
    assert desk.alarms[alarm.alarm_id].state is not None


def test_values_back_in_range_for_half_a_minute_end_the_alarm_and_it_is_told(desk: Desk) -> None:
    alarm = raised(desk)
    for second in range(2, 40):
        desk.reads(second, 72)
    over = desk.alarms[alarm.alarm_id]
    assert (over.end_reason, over.ended_at) == ("cleared", RECORDED + 32_000)
    desk.clock(100)
    assert [(notice, severity) for _, notice, severity, _ in desk.told] == [("raised", "high"), ("resolved", "high")]
    assert desk.alarms[alarm.alarm_id].notice.settled
    assert not desk.book.is_watched("P-1")


def test_silence_never_clears(desk: Desk) -> None:
    alarm = raised(desk)
    desk.clock(4000)
    assert desk.alarms[alarm.alarm_id].state is not None
    assert [notice for _, notice, _, _ in desk.told] == ["raised", "escalated", "escalated", "reminder"]


def test_an_acknowledged_alarm_is_quiet_until_its_time_is_over(desk: Desk) -> None:
    alarm = raised(desk)
    order = Order(1, alarm.alarm_id, "Dr Jane Doe", False, "on my way", desk.now + 600_000, desk.now)
    assert desk.book.acknowledge(order, desk.now).startswith("Acknowledged until 20")
    desk.close()
    acknowledged = desk.alarms[alarm.alarm_id]
    assert (acknowledged.acknowledged_by, acknowledged.acknowledged_at) == ("Dr Jane Doe", desk.now)
    [event] = [one for one in desk.events if one.what == "acknowledged"]
    assert (event.who, "on my way" in event.why) == ("Dr Jane Doe", True)
    desk.clock(600)
    assert len(desk.mails) == 1
    desk.clock(602)
    assert desk.told[1:] == [(601, "reminder", "high", "heart_rate")]


@pytest.mark.parametrize("shown", ["medium", ""])
def test_what_rose_after_it_was_shown_is_not_acknowledged(desk: Desk, shown: str) -> None:
    alarm = raised(desk)
    order = Order(1, alarm.alarm_id, "Dr Jane Doe", False, "seen", None, desk.now, shown)
    assert "more severe" in desk.book.acknowledge(order, desk.now)
    assert desk.book.acknowledge(replace(order, severity="high"), desk.now).startswith("Acknowledged")


def test_an_asystole_after_the_form_was_shown_is_not_acknowledged_by_it(desk: Desk) -> None:
    for second in range(3):
        desk.reads(second, 38, severity="high", delay_seconds=0)
    [alarm] = desk.alarms.values()
    for second in range(3, 6):
        desk.reads(second, 0, severity="high", delay_seconds=0)
    order = Order(1, alarm.alarm_id, "Dr Jane Doe", False, "seen", None, desk.now, "high")
    assert "more severe" in desk.book.acknowledge(order, desk.now)
    assert desk.book.acknowledge(replace(order, severity="arrest"), desk.now).startswith("Acknowledged")


def test_what_is_pending_or_over_cannot_be_acknowledged(desk: Desk) -> None:
    desk.reads(0, 150)
    [pending] = desk.alarms.values()
    order = Order(1, pending.alarm_id, "Dr Jane Doe", False, "why", None, desk.now)
    assert "pending" in desk.book.acknowledge(order, desk.now)
    unknown = Order(2, "0" * 32, "Dr Jane Doe", False, "why", None, desk.now)
    assert "no such open alarm" in desk.book.acknowledge(unknown, desk.now)


def test_a_discharge_ends_alarms_that_began_before_it_and_says_so(desk: Desk) -> None:
    raised(desk)
    desk.book.discharge("P-1", desk.now, desk.now)
    desk.close()
    desk.clock(60)
    assert [notice for _, notice, _, _ in desk.told] == ["raised", "discharged"]
    again = raised(desk, second=100)
    desk.book.discharge("P-1", RECORDED + 50_000, desk.now)
    desk.close()
    assert desk.alarms[again.alarm_id].state is not None


def test_a_patient_moved_to_another_ward_is_told_there_and_the_end_in_both(desk: Desk) -> None:
    raised(desk)
    desk.reads(2, 142, ward="ICU")
    for second in range(3, 40):
        desk.reads(second, 72)
    desk.clock(100)
    assert [(mail.notice, mail.ward) for mail in desk.mails] == [
        ("raised", "Cardiology"),
        ("reminder", "ICU"),
        ("resolved", "Cardiology"),
        ("resolved", "ICU"),
    ]


def test_the_ward_stays_known_when_a_later_breach_lacks_it(desk: Desk) -> None:
    alarm = raised(desk)
    desk.reads(2, 143, ward=None)
    assert desk.alarms[alarm.alarm_id].ward == "Cardiology"


def test_a_patient_without_ward_is_told_under_the_unknown_ward(desk: Desk) -> None:
    raised(desk, ward=None, contact_missing=True)
    assert [mail.ward for mail in desk.mails] == ["ward unknown"]


def test_alarms_of_one_patient_within_half_a_minute_share_a_mail_and_a_group(desk: Desk) -> None:
    raised(desk)
    desk.reads(5, 80, attribute="spo2")
    desk.reads(6, 80, attribute="spo2")
    desk.reads(7, 40, attribute="glucose")
    desk.clock(40)
    assert desk.told == [(1, "raised", "high", "heart_rate"), (31, "raised", "high", "spo2,glucose")]
    assert len({mail.group_key for mail in desk.mails}) == 1
    told = {event.alarm_id for event in desk.events if event.notification_id == desk.mails[1].notification_id}
    assert len(told) == 2


def test_a_silenced_patient_alarms_and_nobody_is_told_until_the_silence_is_lifted(desk: Desk) -> None:
    silence = Silence(1, "silence", "P-1", None, None, RECORDED, RECORDED + 3_600_000, "Dr Jane Doe", "washing")
    desk.book.silence([silence])
    alarm = raised(desk)
    desk.clock(100)
    assert (desk.alarms[alarm.alarm_id].severity, desk.mails) == ("high", [])
    desk.book.silence([])
    desk.close()
    assert desk.told == [(100, "raised", "high", "heart_rate")]


def test_after_a_move_an_alarm_without_further_breaches_is_told_to_the_new_ward(desk: Desk) -> None:
    desk.reads(0, 300, attribute="glucose", ward="A", clear_margin=5.0)
    desk.clock(700)
    desk.book.moved("P-1", "B")
    desk.close()
    assert [mail.ward for mail in desk.mails if mail.created_at == desk.now] == ["B"]
    [alarm] = desk.alarms.values()
    assert alarm.ward == "B"


@pytest.mark.parametrize("behind", [0, 900])
def test_breaches_that_name_the_ward_before_a_move_until_the_next_import_take_nothing_back(
    desk: Desk, behind: int
) -> None:
    """Also those of a device whose clock is slow."""
    for second in range(300):
        desk.reads(second, 140, ward="A", behind=behind)
        if second >= 60 and second % 10 == 0:
            desk.book.moved("P-1", "B")
    for second in range(300, 310):
        desk.reads(second, 140, ward="B", behind=behind)
    assert [(mail.ward, mail.notice) for mail in desk.mails] == [("A", "raised"), ("B", "reminder")]


def test_a_patient_who_moves_on_and_back_is_told_to_each_ward_in_turn(desk: Desk) -> None:
    wards = {0: "A", 100: "B", 200: "A"}
    imported = {0: "A", 150: "B", 250: "A"}
    for second in range(300):
        at = max(begin for begin in imported if begin <= second)
        desk.reads(second, 140, ward=imported[at])
        if second in wards:
            desk.book.moved("P-1", wards[second])
    assert [mail.ward for mail in desk.mails] == ["A", "B", "A"]


def test_a_breach_that_names_a_third_ward_knows_better(desk: Desk) -> None:
    raised(desk, ward="A")
    desk.book.moved("P-1", "B")
    desk.reads(10, 140, ward="C")
    [alarm] = desk.alarms.values()
    assert alarm.ward == "C"


def test_a_heart_that_stood_still_in_a_silence_is_told_after_it_though_it_beats_again(desk: Desk) -> None:
    silence = Silence(1, "silence", "P-1", None, None, RECORDED, RECORDED + 3_600_000, "Dr Jane Doe", "washing")
    desk.book.silence([silence])
    for second in range(3600):
        value, severity = (0, "high") if second < 20 else (45, "medium")
        desk.reads(second, value, severity=severity)
    assert desk.mails == []
    desk.book.silence([])
    desk.close()
    assert [(notice, severity) for _, notice, severity, _ in desk.told] == [("raised", "high")]


def test_nobody_is_reminded_before_what_came_in_an_outage_has_been_read(desk: Desk) -> None:
    raised(desk)
    before = len(desk.mails)
    desk.now = RECORDED + 1_300_000
    for second in range(2, 60):
        desk.now += 10
        desk.book.value("P-1", Value("heart_rate", 72, RECORDED + second * 1000, f"read late {second}"), desk.now)
        assert desk.book.close(desk.now, only_news=True).notifications == []
    desk.clock(1400)
    assert [notice for _, notice, *_ in desk.told[before:]] == ["resolved"]


def test_a_reminder_that_waited_for_an_outage_to_be_read_comes_when_the_alarm_lasts(desk: Desk) -> None:
    raised(desk)
    before = len(desk.mails)
    desk.now = RECORDED + 1_300_000
    assert desk.book.close(desk.now, only_news=True).notifications == []
    desk.clock(1302)
    assert [notice for _, notice, *_ in desk.told[before:]] == ["escalated"]


def test_audit_and_subject_hold_no_direct_identifier(desk: Desk) -> None:
    raised(desk)
    texts = [event.why for event in desk.events] + [desk.mails[0].subject]
    for identifier in ("Zoë", "Łukasz", "+47", "Harbour"):
        assert not any(identifier in text for text in texts)


def test_a_book_loaded_from_what_was_stored_goes_on_as_if_nothing_had_been(desk: Desk) -> None:
    alarm = raised(desk)
    later = Desk(now=desk.now, numbers=desk.numbers)
    later.book.load([desk.alarms[alarm.alarm_id]], later.now)
    later.close()
    assert later.mails == []
    later.clock(301)
    assert [
        (notice, escalation.escalation) for (_, notice, _, _), escalation in zip(later.told, later.mails, strict=True)
    ] == [("escalated", 1)]


def test_a_clock_set_back_by_an_hour_delays_nothing(desk: Desk) -> None:
    raised(desk)
    desk.now -= 3_600_000
    for _ in range(302):
        desk.now += 1000
        desk.book.tick(desk.now)
        desk.close()
    assert [mail.notice for mail in desk.mails] == ["raised", "escalated"]


def test_a_book_loaded_after_the_clock_was_set_back_waits_for_nothing_longer(desk: Desk) -> None:
    desk.reads(0, 60, attribute="glucose", severity="medium", delay_seconds=60)
    [pending] = desk.alarms.values()
    later = Desk(now=desk.now - 3_600_000, numbers=desk.numbers)
    later.book.load([pending], later.now)
    for _ in range(120):
        later.now += 1000
        later.book.tick(later.now)
        later.close()
    assert [mail.notice for mail in later.mails] == ["raised"]


def test_an_alarm_that_began_after_the_discharge_is_over_when_nothing_more_comes(desk: Desk) -> None:
    left_at = desk.now - 1000
    alarm = raised(desk)
    desk.book.discharge("P-1", left_at, desk.now + 1_790_000)
    desk.close()
    assert desk.alarms[alarm.alarm_id].state is not None
    desk.book.discharge("P-1", left_at, desk.now + 1_802_000)
    desk.close()
    assert desk.alarms[alarm.alarm_id].end_reason == "discharged"
