"""What the oracle of the fault suite finds in histories: each rule with a history that breaks it."""

from __future__ import annotations

import pytest

from alerts.bedside import Value
from clinical.messages import Breach
from tests.faults.histories import (
    Episode,
    Step,
    episodes,
    overlapping,
    repeated_though_acknowledged,
    untold,
    without_alarm,
)
from tests.unit.alerts.breaches import RECORDED
from tests.unit.alerts.test_book import Desk

GROUP_MS = 30_000
KEYS = dict.fromkeys(("first", "second"), ("P-1", "spo2", "low")) | {"other": ("P-2", "spo2", "low")}
MAIL = {"notification_id": "mail"}


def test_an_alarm_after_the_end_of_the_one_before_does_not_overlap_it() -> None:
    steps = [Step("first", 1, "pending"), Step("first", 2, "cleared"), Step("second", 2, "pending")]
    assert overlapping(steps, KEYS) == set()


def test_an_alarm_that_begins_while_another_of_its_kind_lasts_overlaps_it() -> None:
    steps = [Step("first", 1, "pending"), Step("first", 2, "raised"), Step("second", 3, "pending")]
    assert overlapping(steps, KEYS) == {"second"}


def test_alarms_of_two_patients_do_not_overlap() -> None:
    assert overlapping([Step("first", 1, "pending"), Step("other", 2, "pending")], KEYS) == set()


def test_an_alarm_whose_beginning_was_mailed_was_told() -> None:
    assert untold([Step("first", 1, "raised"), Step("first", 30_001, "raised", **MAIL)], ["first"], GROUP_MS) == set()


def test_an_alarm_without_any_mail_was_not_told() -> None:
    assert untold([Step("first", 1, "raised"), Step("first", 2, "cleared")], ["first"], GROUP_MS) == {"first"}


def over_untold(*looks: int) -> set[str]:
    """An alarm that rose at 0, was over after 40 s, and of whose end alone people were told; the engine did something
    else at `looks`."""
    steps = [Step("first", 0, "raised"), Step("first", 40_000, "cleared"), Step("first", 70_000, "resolved", **MAIL)]
    return untold([*steps, *(Step("other", at, "pending") for at in looks)], ["first"], GROUP_MS)


def test_the_end_alone_is_told_of_an_alarm_that_was_over_before_its_beginning_was_due() -> None:
    assert over_untold(29_999, 40_000) == set()


def test_an_alarm_whose_beginning_was_due_when_the_engine_looked_was_not_told_by_its_end() -> None:
    assert over_untold(30_000) == {"first"}


def test_an_alarm_that_rose_again_is_due_a_group_after_it_rose_last() -> None:
    steps = [Step("first", 0, "raised"), Step("first", 20_000, "severity_rose"), Step("other", 45_000, "pending")]
    over = [Step("first", 60_000, "cleared"), Step("first", 90_000, "resolved", **MAIL)]
    assert untold([*steps, *over], ["first"], GROUP_MS) == set()


def test_a_reminder_of_an_acknowledged_alarm_is_found() -> None:
    steps = [Step("first", 1, "acknowledged"), Step("first", 2, "reminder", **MAIL)]
    assert repeated_though_acknowledged(steps) == {"first"}


def test_an_escalation_of_an_acknowledged_alarm_is_found() -> None:
    steps = [Step("first", 1, "acknowledged"), Step("first", 2, "escalated", **MAIL)]
    assert repeated_though_acknowledged(steps) == {"first"}


def test_a_reminder_before_an_acknowledgement_or_after_its_end_is_none() -> None:
    before = [Step("first", 1, "reminder", **MAIL), Step("first", 2, "acknowledged")]
    after = [Step("first", 3, "acknowledgement_ended"), Step("first", 3, "reminder", **MAIL)]
    assert repeated_though_acknowledged([*before, *after]) == set()


def test_the_end_of_an_acknowledged_alarm_is_no_reminder() -> None:
    steps = [Step("first", 1, "acknowledged"), Step("first", 2, "cleared"), Step("first", 3, "resolved", **MAIL)]
    assert repeated_though_acknowledged(steps) == set()


def test_an_episode_lasts_from_its_first_to_its_last_reading_out_of_range() -> None:
    readings = [(3, True), (1, False), (2, True), (4, False), (6, True), (5, False)]
    assert episodes(readings) == [Episode(2, 3), Episode(6, 6)]


def test_an_episode_is_without_alarm_when_none_lasted_in_any_part_of_it() -> None:
    alarms = [(0, 9), (31, None)]
    assert without_alarm([Episode(10, 30)], alarms) == [Episode(10, 30)]
    assert without_alarm([Episode(9, 30), Episode(10, 31)], alarms) == []


def engines_own(*, late: bool) -> Desk:
    """A saturation too low for a minute, then well until its end is told; its breaches come at once, or after all."""
    desk, kept = Desk(), list[Breach]()
    for second in range(180):
        value, source_id = 85.0 if second < 60 else 98.0, str(second)
        desk.now = RECORDED + second * 1000
        one = Value("spo2", value, desk.now, source_id)
        desk.bedside.see("P-1", [one], desk.now)
        desk.book.value("P-1", one, desk.now)
        found = desk.breach_of(
            value, patient="P-1", attribute="spo2", at=desk.now, source_id=source_id, delay_seconds=15, clear_margin=1.0
        )
        kept += [found] if found else []
        if not late:
            for breach in kept:
                desk.book.breach(breach, desk.now)
            kept.clear()
        desk.close()
    for breach in kept:
        desk.book.breach(breach, desk.now)
    desk.close()
    desk.now += 2 * GROUP_MS
    desk.close()
    return desk


@pytest.mark.parametrize("late", [False, True])
def test_what_the_engine_writes_of_an_episode_is_in_order(late: bool) -> None:
    desk = engines_own(late=late)
    steps = [Step(one.alarm_id, one.at, one.what, one.breach_id, one.notification_id) for one in desk.events]
    raised = [alarm for alarm in desk.alarms.values() if alarm.raised_at is not None]
    assert raised
    assert overlapping(steps, {alarm.alarm_id: alarm.key for alarm in desk.alarms.values()}) == set()
    assert untold(steps, [alarm.alarm_id for alarm in raised], GROUP_MS) == set()
    assert (
        without_alarm([Episode(RECORDED, RECORDED + 59_000)], [(one.started_at, one.ended_at) for one in raised]) == []
    )
    assert len({step.breach_id for step in steps if step.what == "pending"}) == len(desk.alarms)
