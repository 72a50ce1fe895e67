"""Which signals of a patient come, by the rules of clinical.presence and the clock."""

from __future__ import annotations

from dataclasses import replace

from alerts.bedside import Seen, Value
from clinical.presence import expected_intervals
from dashboard.live.patient import KEPT_MS, PatientNow, Score
from tests.unit.dashboard.beds import NOW, observed, reading, score, unbelieved


def monitored(*, until: int = NOW, **vitals: float) -> PatientNow:
    """A reading a second for ten seconds."""
    patient = PatientNow(expected_intervals({}))
    for ago in range(9, -1, -1):
        patient.see(reading("P", until - ago * 1000, **(vitals or {"heart_rate": 70, "spo2": 98})), NOW)
    return patient


def test_a_monitor_that_sends_has_a_signal() -> None:
    standing = monitored().standing(NOW + 25_000)
    assert standing.monitored
    assert not standing.silent
    assert not standing.lost


def test_a_monitor_is_silent_after_thirty_seconds() -> None:
    patient = monitored()
    assert not patient.standing(NOW + 30_000).silent
    standing = patient.standing(NOW + 31_000)
    assert (standing.silent, standing.monitored, standing.since) == (True, False, NOW)


def test_the_clock_alone_makes_it_silent_so_that_a_dead_pipeline_shows_no_values_as_if_they_were_of_now() -> None:
    assert monitored(until=NOW - 120_000).standing(NOW).silent


def test_a_value_that_no_longer_comes_is_lost_while_others_come() -> None:
    patient = monitored()
    for second in range(1, 41):
        patient.see(reading("P", NOW + second * 1000, heart_rate=70), NOW + second * 1000)
    standing = patient.standing(NOW + 40_000)
    assert standing.monitored
    assert standing.lost == {"spo2": NOW}


def test_a_cuff_between_two_measurements_is_not_lost() -> None:
    patient = PatientNow(expected_intervals({}))
    for minutes in (15, 10, 5):
        patient.see(reading("P", NOW - minutes * 60_000, systolic_bp=120), NOW)
    assert patient.standing(NOW).monitored
    assert patient.standing(NOW + 11 * 60_000).silent


def test_single_readings_are_neither_a_monitor_nor_its_silence() -> None:
    patient = PatientNow(expected_intervals({}))
    patient.see(reading("P", NOW, temperature=37.1), NOW)
    standing = patient.standing(NOW + 120_000)
    assert (standing.silent, standing.monitored, standing.since) == (False, False, NOW)


def test_values_that_are_not_believed_are_no_signal() -> None:
    patient = monitored()
    for second in range(1, 41):
        patient.see(unbelieved("P", NOW + second * 1000, "heart_rate", "spo2"), NOW + second * 1000)
    assert patient.standing(NOW + 40_000).silent
    assert patient.quality == 5


def test_old_values_are_forgotten_and_then_nothing_is_known() -> None:
    patient = monitored()
    patient.see(score("P", NOW + KEPT_MS, 3), NOW + KEPT_MS)
    assert not patient.forget_old(NOW + KEPT_MS + 1)
    assert not patient.series
    assert patient.standing(NOW + KEPT_MS + 1).since is None
    assert patient.forget_old(NOW + 2 * KEPT_MS + 1)


def test_what_people_enter_is_kept_as_long_as_a_value_and_is_no_signal() -> None:
    patient = PatientNow(expected_intervals({}))
    patient.see(observed("P", NOW, on_oxygen=1), NOW)
    patient.see(observed("P", NOW - 60_000, on_oxygen=0, consciousness=1), NOW)
    assert patient.observed["on_oxygen"].newest() == 1
    assert (patient.last_at, patient.standing(NOW).monitored) == (None, False)
    patient.forget_old(NOW + KEPT_MS - 60_000 + 1)
    assert set(patient.observed) == {"on_oxygen"}
    assert patient.forget_old(NOW + KEPT_MS + 1)
    assert not patient.observed


def test_the_newest_score_counts_whatever_the_order() -> None:
    patient = monitored()
    patient.see(score("P", NOW, 5, used=6), NOW)
    patient.see(score("P", NOW - 60_000, 9), NOW)
    assert patient.score == Score(5, True, NOW)


def test_a_device_whose_clock_is_ahead_does_not_hide_what_comes_later() -> None:
    patient = PatientNow(expected_intervals({}))
    for second in range(30):
        at = NOW + second * 1000
        ahead = Value("spo2", 97, at + 240_000, "1")
        patient.see(Seen("P", at, (ahead,), device_id="monitor", signal_quality=95), at)
    patient.see(reading("P", NOW + 31_000, spo2=80), NOW + 31_000)
    assert patient.series["spo2"].values[-1] == 80


def test_a_score_for_a_time_ahead_does_not_hide_what_comes_later() -> None:
    patient = PatientNow(expected_intervals({}))
    patient.see(replace(score("P", NOW + 240_000, 2), inserted_at=NOW), NOW)
    assert patient.score == Score(2, False, NOW)
    patient.see(score("P", NOW + 10_000, 9), NOW + 10_000)
    assert patient.score == Score(9, False, NOW + 10_000)
