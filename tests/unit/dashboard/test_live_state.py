"""What all open pages know: readings, who is admitted, alarms, and how old all that is."""

from __future__ import annotations

from alerts.no_signal import signal_key
from clinical.messages import WATCHDOG_PATIENT
from clinical.presence import Signal
from dashboard.live.patient import KEPT_MS
from dashboard.live.series import KEPT
from dashboard.live.state import LiveState, patient_of
from tests.unit.dashboard.beds import NOW, Clock, admit, alarm, monitor, reading, score, technical


def beds(live: LiveState) -> set[str]:
    with live.look() as wards:
        return wards.beds()


def test_data_is_as_old_as_the_newest_reading_of_anybody() -> None:
    live = LiveState(Clock())
    assert live.age_seconds() is None
    monitor(live, "A", end=NOW - 9000)
    monitor(live, "B", end=NOW - 4000)
    assert live.age_seconds() == 4


def test_what_was_sent_before_the_page_started_makes_nothing_young() -> None:
    live = LiveState(Clock())
    monitor(live, "A", end=NOW - 60_000)
    assert live.age_seconds() == 60


def test_a_reading_from_the_future_does_not_keep_the_page_young() -> None:
    clock = Clock()
    live = LiveState(clock)
    live.take([reading("A", NOW + 3_600_000, heart_rate=70)])
    clock.ms += 20_000
    assert live.age_seconds() == 20


def test_after_the_clock_was_set_back_what_came_before_hides_nothing() -> None:
    clock = Clock()
    live = LiveState(clock)
    live.caught_up()
    monitor(live, "A", seconds=60)
    live.take([score("A", NOW, 2)])
    clock.ms -= 3_600_000
    assert live.take(()) == 3600
    assert live.age_seconds() is None
    with live.look() as wards:
        assert not wards.caught_up
        assert not wards.patients
    for _ in range(300):
        clock.ms += 1000
        assert live.take([reading("A", clock.ms, heart_rate=190)]) == 0
    live.take([score("A", clock.ms, 9)])
    with live.look() as wards:
        patient = wards.patients["A"]
        assert patient.series["heart_rate"].newest() == 190
        assert patient.score is not None
        assert patient.score.value == 9
    clock.ms += 600_000
    live.take(())
    assert live.age_seconds() == 600
    with live.look() as wards:
        assert wards.patients["A"].standing(clock.ms).silent


def test_a_clock_that_is_put_right_by_a_second_is_not_set_back() -> None:
    clock = Clock()
    live = LiveState(clock)
    monitor(live, "A")
    clock.ms -= 1000
    assert live.take(()) == 0
    assert beds(live) == {"A"}


def test_scores_and_the_watchdog_are_no_readings_of_anybody() -> None:
    live = LiveState(Clock())
    live.take([score("A", NOW, 3), reading(WATCHDOG_PATIENT, NOW, heart_rate=400)])
    assert live.age_seconds() is None
    assert beds(live) == {"A"}


def test_a_bed_is_there_for_whoever_is_admitted_sends_or_has_an_alarm() -> None:
    live = LiveState(Clock())
    admit(live, silent="ICU")
    monitor(live, "stranger")
    live.set_alarms([alarm("alarmed"), technical("no_signal", signal_key(Signal("lost", "spo2")))])
    assert beds(live) == {"silent", "stranger", "alarmed", "lost"}


def test_the_bed_of_a_discharged_patient_disappears_though_the_monitor_goes_on() -> None:
    live = LiveState(Clock())
    monitor(live, "gone")
    live.set_contacts({}, ["gone"])
    monitor(live, "gone")
    assert beds(live) == set()


def test_whoever_has_a_clinical_alarm_keeps_the_bed_though_discharged() -> None:
    live = LiveState(Clock())
    for patient in ("alarmed", "gone"):
        monitor(live, patient)
    live.set_contacts({}, ["alarmed", "gone"])
    live.set_alarms([alarm("alarmed"), technical("no_signal", signal_key(Signal("gone")))])
    assert beds(live) == {"alarmed"}
    live.set_alarms([])
    assert beds(live) == set()


def test_memory_is_given_back_of_those_of_whom_nothing_comes() -> None:
    clock = Clock()
    live = LiveState(clock)
    for number in range(100):
        live.take([reading(f"P{number}", NOW, heart_rate=70), score(f"P{number}", NOW, 1)])
    clock.ms += KEPT_MS + 1000
    monitor(live, "other", end=clock.ms)
    with live.look() as wards:
        assert set(wards.patients) == {"other"}


def test_short_trends_are_filled_with_older_values_which_are_no_signal() -> None:
    live = LiveState(Clock())
    monitor(live, "A", seconds=25, heart_rate=70)
    live.take([reading("A", NOW - 60_000, systolic_bp=120)])
    assert live.short_trends() == set()
    live.caught_up()
    assert live.short_trends() == {("A", "systolic_bp")}
    older = [(NOW - 60_000 - minutes * 300_000, 100.0 + minutes) for minutes in range(-10, 30)]
    live.fill("A", "systolic_bp", older)
    live.fill("gone", "systolic_bp", older)
    with live.look() as wards:
        patient = wards.patients["A"]
        series = patient.series["systolic_bp"]
        assert len(series.values) == KEPT
        assert series.newest() == 120
        assert series.inserted_at == NOW - 60_000
        assert "systolic_bp" not in patient.standing(NOW).lost
    assert live.short_trends() == set()


def test_technical_alarms_belong_to_the_patient_whom_their_key_names() -> None:
    odd = "P:1%"
    assert patient_of(technical("no_signal", signal_key(Signal(odd)))) == odd
    assert patient_of(technical("no_signal", signal_key(Signal(odd, "spo2")))) == odd
    assert patient_of(technical("battery_low", "battery_low:P7")) == "P7"
    assert patient_of(technical("contact_missing", "contact_missing:P7")) is None
    assert patient_of(technical("ward_without_subscriber", "ward_without_subscriber:ICU")) is None
