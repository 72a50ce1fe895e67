"""The alarm path on history: the same life of alarms as reading by reading, and the mails that follow."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.banding import BandTable
from alerts.rehearsal import TRANSPORT_MS, Mail, Patient, Rehearsal, Series, rehearse
from clinical.lifecycle import step
from clinical.lifecycle_events import Breached, Event, Measured, Transition
from clinical.notices import Rule
from clinical.thresholds import judge, read_table
from clinical.vitals import JUDGED
from hbase.files import DEFAULT_TABLE, keyed, read_csv

ROWS = read_table(keyed(read_csv(DEFAULT_TABLE)))[0]
TABLE = BandTable(ROWS)
ADULT = Patient("P1", "ICU", 50.0)
START = 1_700_000_000_000
RULE = Rule()


def series(attribute: str, values: list[float], every: int = 1, first: int = 0) -> Series:
    times = START + 1000 * (first + every * np.arange(len(values), dtype=np.int64))
    return Series(attribute, times, np.array(values, dtype=np.float64))


def play(*parts: Series, until: int = 7200) -> Rehearsal:
    return rehearse(ADULT, parts, TABLE, RULE, START + until * 1000)


def told(mails: list[Mail]) -> list[tuple[float, str, list[str]]]:
    """Second of the clock, severity, and news of each alarm."""
    return [((mail.at - START) / 1000, mail.severity, [str(news) for news in mail.news]) for mail in mails]


def one_by_one(part: Series, direction: str) -> list[Transition]:
    """The history of that direction, by `step` on every single reading."""
    normal = next(
        row for row in ROWS if row.attribute == part.attribute and row.direction == "normal" and row.low_age == 16
    )
    state = None
    history: list[Transition] = []
    for place, (at, value) in enumerate(zip(part.recorded_at.tolist(), part.values.tolist(), strict=True)):
        row = judge(ROWS, part.attribute, value, ADULT.age_years)
        assert row is not None
        event: Event = Measured(value, at, str(place))
        if row.direction == direction and row.alert_flag:
            limit = normal.low_value if direction == "low" else normal.high_value
            event = Breached(
                part.attribute, row.direction, value, row.severity or "low", row.delay_seconds, float(limit or 0),
                float(row.clear_margin), JUDGED[part.attribute].monitor_seconds, at, str(place),
            )  # fmt: skip
        outcome = step(state, event, at + TRANSPORT_MS)
        state = outcome.state
        history += outcome.transitions
    return history


def without_clock(history: list[Transition]) -> list[tuple[object, ...]]:
    """What is the same whether a standing reading fires by a tick or by the next reading."""
    return [(change.kind, change.event_at, change.severity, change.value, change.source_id) for change in history]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(28, 140), st.integers(1, 40)), max_size=12), st.sampled_from(["low", "high"]))
def test_alarms_live_as_they_do_when_every_reading_is_looked_at(runs: list[tuple[int, int]], direction: str) -> None:
    part = series("heart_rate", [float(value) for value, times in runs for _ in range(times)])
    until = int(part.recorded_at[-1]) + TRANSPORT_MS if len(part.recorded_at) else START
    found = rehearse(ADULT, [part], TABLE, RULE, until)
    history = [change for alarm in found.alarms if alarm.direction == direction for change in alarm.history]
    assert without_clock(history) == without_clock(one_by_one(part, direction))


def test_a_minute_of_low_saturation_is_one_mail_after_its_delay_and_one_when_it_is_over() -> None:
    found = play(series("spo2", [98.0] * 60 + [85.0] * 60 + [98.0] * 120))
    (alarm,) = found.alarms
    assert (alarm.peak, alarm.end_reason) == ("high", "cleared")
    assert (alarm.began_at - START, alarm.ended_at) == (60_000, START + 150_000)
    assert told(found.mails) == [(75.2, "high", ["raised"]), (180.2, "high", ["resolved"])]


def test_a_single_spike_is_no_mail() -> None:
    found = play(series("spo2", [98.0] * 30 + [60.0] + [98.0] * 60))
    assert [alarm.end_reason for alarm in found.alarms] == ["dropped"]
    assert found.alarms[0].raised_at is None
    assert found.mails == []


def test_low_severity_is_an_alarm_and_no_mail() -> None:
    found = play(series("heart_rate", [95.0] * 300))
    assert [alarm.peak for alarm in found.alarms] == ["low"]
    assert found.mails == []


def test_a_reading_that_nothing_follows_alarms_by_the_clock() -> None:
    found = play(series("heart_rate", [70.0] * 10 + [150.0]), until=60)
    assert told(found.mails) == [(25.2, "high", ["raised"])]
    assert play(series("heart_rate", [70.0] * 10 + [150.0]), until=25).mails == []


def test_a_glucose_measured_once_an_hour_alarms_between_two_readings() -> None:
    found = play(series("glucose", [100.0, 65.0, 100.0], every=3600), until=8000)
    assert told(found.mails) == [(3645.2, "medium", ["raised"]), *told(found.mails)[1:]]
    assert found.alarms[0].end_reason == "cleared"


def test_a_pressure_that_a_site_measures_each_second_alarms_by_more_than_one_value() -> None:
    spike = series("systolic_bp", [120.0] * 30 + [60.0] + [120.0] * 60)
    once, line = (
        rehearse(ADULT, [spike], TABLE, RULE, START + 90_000, changed_seconds=changed)
        for changed in ({}, {"systolic_bp": 1.0})
    )
    assert [str(news) for mail in once.mails for news in mail.news] == ["raised", "resolved"]
    assert (line.mails, [alarm.end_reason for alarm in line.alarms]) == ([], ["dropped"])


def test_what_goes_wrong_together_is_one_mail_of_each_severity() -> None:
    found = play(series("heart_rate", [120.0] * 100), series("systolic_bp", [95.0] * 100), until=100)
    assert told(found.mails) == [(45.2, "medium", ["raised", "raised"])]


def test_an_alarm_that_nobody_acknowledges_is_escalated_and_reminded_of_until_the_end() -> None:
    found = play(series("spo2", [80.0] * 1200), until=1200)
    assert [alarm.ended_at for alarm in found.alarms] == [None]
    assert [mail.escalation for mail in found.mails] == [0, 1, 2]
    assert [(mail.at - found.mails[0].at) / 1000 for mail in found.mails] == [0, 300, 600]


def test_both_directions_of_a_vital_have_alarms_of_their_own() -> None:
    found = play(series("heart_rate", [30.0] * 20 + [150.0] * 20))
    assert {(alarm.direction, alarm.peak) for alarm in found.alarms} == {("low", "high"), ("high", "high")}


def test_a_partial_score_in_range_clears_nothing() -> None:
    times = START + 10_000 * np.arange(30, dtype=np.int64)
    values = np.array([6.0] * 3 + [2.0] * 27)
    partial = np.array([False] * 3 + [True] * 27)
    assert [alarm.ended_at for alarm in play(Series("news2", times, values, partial)).alarms] == [None]
    assert play(Series("news2", times, values)).alarms[0].end_reason == "cleared"


def test_what_happened_to_two_patients_is_added_up() -> None:
    whole = Rehearsal()
    for _ in range(2):
        whole.add(play(series("spo2", [85.0] * 60)))
    assert (whole.values, whole.breaches, len(whole.alarms)) == (120, 120, 2)


def test_an_alarm_that_is_acknowledged_is_quiet_until_that_is_over_and_is_acknowledged_again() -> None:
    low = series("glucose", [40.0] + [45.0] * 20, every=300)
    found = rehearse(ADULT, [low], TABLE, RULE, START + 6000 * 1000, answered_after_seconds=120)
    assert [(int(second), news) for second, _, news in told(found.mails)] == [
        (0, ["raised"]),
        (1920, ["reminder"]),
        (3840, ["reminder"]),
        (5760, ["reminder"]),
    ]
