"""Two threshold sets on one history: what is counted, missed, new and of another severity."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from alerts.comparison import Comparison, Count, History, compare, replay_on
from alerts.rehearsal import Alarm, Patient, Rehearsal, Series
from clinical.messages import Severity
from clinical.notices import Rule
from clinical.thresholds import ThresholdRow, check_table, read_table
from hbase.files import DEFAULT_TABLE, keyed, read_csv

ROWS = read_table(keyed(read_csv(DEFAULT_TABLE)))[0]
RULE = Rule()


def history(**values: list[float]) -> History:
    """Of one adult, a reading a second."""
    series = [
        Series(name, 1000 * np.arange(len(numbers), dtype=np.int64), np.array(numbers, dtype=np.float64))
        for name, numbers in values.items()
    ]
    return History([(Patient("P1", "ICU", 50.0), series)], 3_600_000)


def with_spo2_limit(limit: int) -> list[ThresholdRow]:
    """The high band of an adult's saturation ends at `limit` instead of 91."""
    moved = []
    for row in ROWS:
        if row.attribute == "spo2" and row.low_age == 16 and row.severity in ("high", "medium"):
            is_high = row.severity == "high"
            row = replace(row, high_value=Decimal(limit)) if is_high else replace(row, low_value=Decimal(limit + 1))
        moved.append(row)
    assert check_table(moved) == []
    return moved


def alarm(began: int, ended: int | None, peak: Severity | None = "high", patient: str = "P1") -> Alarm:
    return Alarm(patient, "spo2", "low", began, raised_at=began if peak else None, peak=peak, ended_at=ended)


def compared(before: list[Alarm], after: list[Alarm]) -> Comparison:
    return compare(Rehearsal(alarms=before), Rehearsal(alarms=after), RULE)


DIP = [98.0] * 30 + [85.0] * 20 + [98.0] * 60


def test_the_same_table_changes_nothing() -> None:
    found = replay_on(history(spo2=DIP), ROWS, ROWS, RULE)
    assert found.alarms == {("spo2", "high"): Count(1, 1)}
    assert found.mails == {"high": Count(2, 2)}
    assert (found.missed, found.new, found.severity) == ([], [], [])


def test_both_tables_are_replayed_with_the_intervals_of_the_site() -> None:
    spike = history(systolic_bp=[120.0] * 30 + [60.0] + [120.0] * 60)
    assert replay_on(spike, ROWS, ROWS, RULE).mails == {"high": Count(2, 2)}
    assert replay_on(spike, ROWS, ROWS, RULE, changed_seconds={"systolic_bp": 1.0}).mails == {}


def test_an_episode_that_is_too_short_for_the_other_table_is_missed_and_the_other_way_round_new() -> None:
    slow = [replace(row, delay_seconds=60) if row.alert_flag else row for row in ROWS]
    missed = replay_on(history(spo2=DIP), ROWS, slow, RULE).missed
    assert [(one.alarm.began_at, one.before, one.after) for one in missed] == [(30_000, "high", None)]
    new = replay_on(history(spo2=DIP), slow, ROWS, RULE).new
    assert [(one.alarm.began_at, one.before, one.after) for one in new] == [(30_000, None, "high")]


def test_an_episode_that_both_tell_with_another_severity_is_neither_missed_nor_new() -> None:
    found = replay_on(history(spo2=[98.0] * 30 + [90.0] * 60), ROWS, with_spo2_limit(88), RULE)
    assert [(one.before, one.after) for one in found.severity] == [("high", "medium")]
    assert (found.missed, found.new) == ([], [])
    assert found.alarms == {("spo2", "high"): Count(1, 0), ("spo2", "medium"): Count(0, 1)}


def test_an_attribute_that_the_other_table_does_not_judge_is_missed() -> None:
    found = replay_on(history(spo2=DIP), ROWS, [row for row in ROWS if row.attribute != "spo2"], RULE)
    assert len(found.missed) == 1
    assert found.mails == {"high": Count(2, 0)}


@pytest.mark.parametrize(
    ("other", "is_missed"),
    [
        (alarm(150, 250), False),
        (alarm(0, None), False),
        (alarm(200, 300), False),
        (alarm(201, 300), True),
        (alarm(0, 99), True),
        (alarm(100, 200, "low"), True),
        (alarm(100, 200, None), True),
        (alarm(100, 200, patient="P2"), True),
    ],
)
def test_an_episode_is_met_by_a_mailed_alarm_of_the_same_kind_at_the_same_time(other: Alarm, is_missed: bool) -> None:
    assert bool(compared([alarm(100, 200)], [other]).missed) is is_missed


def test_two_alarms_in_place_of_one_are_of_their_highest_severity() -> None:
    found = compared([alarm(100, 400)], [alarm(100, 200, "medium"), alarm(300, 400)])
    assert (found.missed, found.new, found.severity) == ([], [], [])


def test_low_alarms_are_counted_and_are_no_episodes() -> None:
    found = compared([alarm(100, 200, "low")], [])
    assert found.alarms == {("spo2", "low"): Count(1, 0)}
    assert found.missed == []


def test_who_waits_hears_of_each_patient() -> None:
    told: list[int] = []
    twice = History([*history(spo2=DIP).patients] * 2, 0)
    replay_on(twice, ROWS, ROWS, RULE, told.append)
    assert told == [1, 2]
