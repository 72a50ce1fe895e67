"""Devices that fall silent: examples."""

from __future__ import annotations

from typing import Any

import pytest

from clinical.presence import AHEAD_SECONDS, FORGOTTEN_SECONDS, Ending, Presence, Signal

T0 = 1_790_000_000
"""Seconds; every time in these tests counts from here."""

MONITOR = ("heart_rate", "spo2", "respiratory_rate")


class Ward:
    """A Presence, fed second by second; `now` is the clock as well as the stream, unless a test parts them."""

    def __init__(self, **options: Any) -> None:
        self.presence = Presence(T0 * 1000, **options)
        self.lost: dict[Signal, int] = {}
        self.ended: dict[Signal, Ending] = {}

    def read(self, second: int, patient: str, attributes: tuple[str, ...] = MONITOR) -> None:
        self.presence.see(patient, attributes, (T0 + second) * 1000)

    def look(self, second: int, behind: bool = False) -> set[Signal]:
        changes = self.presence.changes((T0 + second) * 1000, behind)
        self.lost |= {signal: since // 1000 - T0 for signal, since in changes.lost.items()}
        self.ended |= changes.ended
        return self.presence.silent()

    def run(self, seconds: range, **patients: tuple[str, ...]) -> None:
        """A reading of each patient in each second, looked at each second."""
        for second in seconds:
            self.look(second)
            for patient, attributes in patients.items():
                self.read(second, patient, attributes)
            self.look(second)


@pytest.fixture
def ward() -> Ward:
    return Ward()


def test_a_patient_whose_devices_fall_silent_is_lost_after_thirty_seconds(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.run(range(60, 90), A=MONITOR)
    assert ward.lost == {}
    ward.run(range(90, 91), A=MONITOR)
    assert ward.lost == {Signal("B"): 59}


def test_a_probe_that_is_off_is_a_lost_attribute_while_others_go_on(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR)
    ward.run(range(60, 200), A=("heart_rate", "respiratory_rate"))
    assert ward.lost == {Signal("A", "spo2"): 59}
    assert ward.presence.silent() == {Signal("A", "spo2")}


def test_rows_without_any_value_are_silence(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.run(range(60, 120), A=MONITOR, B=())
    assert ward.presence.silent() == {Signal("B")}


@pytest.mark.parametrize("seconds", [[10], [10, 11], [10, 40, 70], [10, 10, 10, 10]])
def test_a_spot_check_is_not_a_device_that_reports(ward: Ward, seconds: list[int]) -> None:
    for second in seconds:
        ward.read(second, "B")
    ward.run(range(80, 400), A=MONITOR)
    assert ward.lost == {}


def test_a_signal_returns_when_it_reports_again_and_not_by_a_single_value(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.run(range(60, 200), A=MONITOR)
    ward.run(range(200, 201), A=MONITOR, B=MONITOR)
    ward.run(range(201, 300), A=MONITOR)
    assert (ward.presence.silent(), ward.ended) == ({Signal("B")}, {})
    ward.run(range(300, 310), A=MONITOR, B=MONITOR)
    assert (ward.presence.silent(), ward.ended) == (set(), {Signal("B"): Ending.RETURNED})


def test_each_attribute_has_its_own_interval(ward: Ward) -> None:
    for second in range(1300):
        ward.read(second, "A")
        if second <= 600 and second % 60 == 0:
            ward.read(second, "A", ("temperature",))
        if second <= 600 and second % 300 == 0:
            ward.read(second, "A", ("glucose",))
        silent = ward.look(second)
        assert (Signal("A", "temperature") in silent) == (second > 600 + 180)
    assert ward.presence.silent() == {Signal("A", "temperature")}
    ward.run(range(1300, 1502), A=MONITOR)
    assert ward.presence.silent() == {Signal("A", "temperature"), Signal("A", "glucose")}


def test_an_interval_can_be_set_but_not_below_ten_seconds() -> None:
    ward = Ward(changed_seconds={"spo2": 60, "heart_rate": 2})
    ward.run(range(60), A=MONITOR)
    ward.run(range(60, 200), A=("respiratory_rate",))
    assert ward.lost == {Signal("A", "heart_rate"): 59}


def test_a_slow_attribute_is_not_lost_when_the_whole_patient_comes_back(ward: Ward) -> None:
    def minute(second: int, *patients: str) -> None:
        for patient in patients:
            ward.read(second, patient, (*MONITOR, "temperature") if second % 60 == 0 else MONITOR)
        ward.look(second)

    for second in range(300):
        minute(second, "A", "B")
    for second in range(300, 1210):
        minute(second, "A")
    for second in range(1210, 1800):
        minute(second, "A", "B")
    assert ward.lost == {Signal("B"): 299}
    assert ward.ended == {Signal("B"): Ending.RETURNED}


def test_a_cuff_that_goes_on_alone_leaves_the_lost_monitor_lost_and_does_not_flap(ward: Ward) -> None:
    told: list[Signal] = []
    for second in range(4000):
        ward.read(second, "A")
        if second % 300 == 0:
            ward.read(second, "B", ("systolic_bp",))
        if second < 1000:
            ward.read(second, "B")
        told += ward.presence.changes((T0 + second) * 1000).lost
    assert told[0] == Signal("B")
    assert sorted(str(signal.attribute) for signal in told[1:]) == sorted(MONITOR)
    assert ward.presence.silent() == {Signal("B", attribute) for attribute in MONITOR}


def test_attributes_lost_before_are_covered_by_the_patient_and_lost_again_afterwards(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.run(range(60, 200), A=MONITOR, B=("heart_rate",))
    ward.run(range(200, 300), A=MONITOR)
    assert ward.ended == {Signal("B", "spo2"): Ending.COVERED, Signal("B", "respiratory_rate"): Ending.COVERED}
    assert ward.presence.silent() == {Signal("B")}
    ward.run(range(300, 400), A=MONITOR, B=("heart_rate",))
    assert ward.presence.silent() == {Signal("B", "spo2"), Signal("B", "respiratory_rate")}


def test_a_pipeline_that_stops_silences_nobody_and_is_late_itself(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    late = [(second, ward.presence.pipeline_late((T0 + second) * 1000)) for second in range(60, 700)]
    for second in range(60, 700):
        assert ward.look(second) == set()
    assert late[0][1] == 0
    assert next(second for second, seconds in late if seconds) in range(119, 127)
    assert late[-1][1] == 640


def test_a_gap_in_everybodys_readings_is_nobodys_silence_and_gives_each_its_time_again(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.run(range(60, 80), A=MONITOR)
    ward.run(range(1000, 1030), A=MONITOR)
    assert ward.lost == {}
    ward.run(range(1030, 1032), A=MONITOR)
    assert ward.lost == {Signal("B"): 59}


def test_who_was_lost_before_the_gap_stays_lost_over_it(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.run(range(60, 100), A=MONITOR)
    ward.run(range(1000, 1100), A=MONITOR)
    assert (ward.lost, ward.ended) == ({Signal("B"): 59}, {})


def test_one_gap_after_another_does_not_excuse_silence_for_ever(ward: Ward) -> None:
    ward.run(range(60), A=("systolic_bp",), B=MONITOR)
    for second in range(300, 1500, 300):
        ward.read(second, "A", ("systolic_bp",))
        ward.look(second)
    assert ward.lost == {Signal("B"): 59}


def test_a_short_gap_does_not_use_up_the_excuse_of_a_slow_signal(ward: Ward) -> None:
    cuff = ("systolic_bp",)
    for second in range(700):
        ward.look(second)
        ward.read(second, "A")
        if second % 300 == 0:
            ward.read(second, "B", cuff)
    ward.run(range(730, 800), A=MONITOR)
    ward.run(range(1700, 1900), A=MONITOR)
    ward.look(1900)
    ward.read(1900, "B", cuff)
    ward.run(range(1900, 2802), A=MONITOR)
    assert ward.lost == {Signal("B"): 1900}


def test_a_backlog_is_told_of_only_when_it_has_been_seen(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.look(200, behind=True)
    for second in range(60, 200):
        ward.read(second, "A")
    assert ward.look(200, behind=True) == set()
    for second in range(60, 200):
        ward.read(second, "B")
    assert ward.look(200) == set()
    assert ward.lost == {}


def disbelieve(ward: Ward, seconds: range, quality: float = 3) -> None:
    """Patient A's monitor without contact, beside B's with it."""
    for second in seconds:
        ward.read(second, "B")
        ward.presence.see("A", (), (T0 + second) * 1000)
        ward.presence.disbelieve("A", MONITOR, (T0 + second) * 1000, quality)
        ward.look(second)


def test_electrodes_that_never_had_contact_are_lost_as_those_that_had(ward: Ward) -> None:
    disbelieve(ward, range(33))
    assert ward.lost == {}
    disbelieve(ward, range(33, 34))
    assert ward.lost == {Signal("A"): 2}
    assert ward.presence.unbelieved() == {"A": 3}


def test_contact_that_is_lost_is_waited_for_from_the_last_value_that_was_believed(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    disbelieve(ward, range(60, 91))
    assert ward.lost == {Signal("A"): 59}
    ward.run(range(91, 95), A=MONITOR, B=MONITOR)
    assert ward.ended == {Signal("A"): Ending.RETURNED}


def test_one_value_that_is_not_believed_makes_no_device(ward: Ward) -> None:
    disbelieve(ward, range(1))
    ward.run(range(1, 100), B=MONITOR)
    assert ward.lost == {}
    assert ward.presence.unbelieved() == {}


def test_a_monitor_that_is_off_is_no_longer_without_contact(ward: Ward) -> None:
    disbelieve(ward, range(10))
    ward.run(range(10, 60), B=MONITOR)
    assert set(ward.lost) == {Signal("A")}
    assert ward.presence.unbelieved() == {}


def test_a_monitor_that_goes_on_without_contact_is_not_forgotten(ward: Ward) -> None:
    disbelieve(ward, range(60))
    for second in range(60, FORGOTTEN_SECONDS + 600, 10):
        disbelieve(ward, range(second, second + 1))
    assert ward.ended == {}
    assert ward.presence.silent() == {Signal("A")}


def poor(ward: Ward, second: int, attributes: tuple[str, ...] = MONITOR) -> None:
    ward.presence.disbelieve("A", attributes, (T0 + second) * 1000, 3)


def test_a_monitor_with_contact_every_other_time_is_waited_for_though_it_sends_seldom(ward: Ward) -> None:
    for second in range(0, 600, 10):
        if second % 20:
            poor(ward, second)
        else:
            ward.read(second, "A")
        ward.run(range(second, second + 10), B=MONITOR)
    assert ward.lost == {}
    ward.run(range(600, 700), B=MONITOR)
    assert set(ward.lost) == {Signal("A")}


def test_a_row_without_contact_is_one_by_the_interval_of_the_attribute() -> None:
    ward = Ward(changed_seconds={"heart_rate": 30})
    for second in range(0, 240, 30):
        poor(ward, second, ("heart_rate",))
        ward.run(range(second, second + 30), B=MONITOR)
    assert set(ward.lost) == {Signal("A")}
    assert ward.presence.unbelieved() == {"A": 3}


def test_a_monitor_that_is_just_put_on_beside_a_cuff_is_not_lost_at_once(ward: Ward) -> None:
    for second in range(0, 900, 300):
        ward.read(second, "A", ("systolic_bp",))
        ward.run(range(second, second + 300), B=MONITOR)
    for second in range(900, 906):
        poor(ward, second)
        ward.run(range(second, second + 1), B=MONITOR)
    ward.run(range(906, 960), A=MONITOR, B=MONITOR)
    assert ward.lost == {}


def test_one_value_with_contact_does_not_end_what_never_had_it(ward: Ward) -> None:
    ward.run(range(1), A=MONITOR, B=MONITOR)
    disbelieve(ward, range(1, 300))
    ward.run(range(300, 301), A=MONITOR, B=MONITOR)
    disbelieve(ward, range(301, 320))
    assert ward.ended == {}


def test_one_value_of_an_attribute_is_no_device_though_others_come_in_a_row(ward: Ward) -> None:
    for second in range(100):
        poor(ward, second, ("heart_rate",))
        if second == 60:
            poor(ward, second, ("spo2",))
        ward.run(range(second, second + 1), B=MONITOR)
    assert set(ward.lost) == {Signal("A")}
    ward.run(range(100, 200), A=("heart_rate",), B=MONITOR)
    assert Signal("A", "spo2") not in ward.lost


def test_a_discharge_ends_it_and_a_monitor_that_goes_on_is_waited_for_anew(ward: Ward) -> None:
    disbelieve(ward, range(60))
    ward.presence.forget("A")
    disbelieve(ward, range(60, 70))
    assert ward.ended == {Signal("A"): Ending.FORGOTTEN}
    disbelieve(ward, range(70, 100))
    assert ward.presence.silent() == {Signal("A")}


def test_a_discharged_patient_is_waited_for_no_more(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.run(range(60, 100), A=MONITOR)
    ward.presence.forget("B")
    ward.run(range(100, 200), A=MONITOR)
    assert ward.ended == {Signal("B"): Ending.FORGOTTEN}
    assert ward.presence.silent() == set()


def test_a_monitor_that_was_taken_off_is_forgotten_after_half_a_day(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    for second in range(60, 200 + FORGOTTEN_SECONDS, 10):
        ward.read(second, "A")
        ward.look(second)
    assert ward.lost == {Signal("B"): 59}
    assert ward.ended == {Signal("B"): Ending.FORGOTTEN}


def test_a_restart_goes_on_with_what_was_lost(ward: Ward) -> None:
    lost = {Signal("B"): (T0 - 100) * 1000, Signal("A", "spo2"): (T0 - 50) * 1000}
    ward.presence.restore(lost)
    assert ward.look(0) == set(lost)
    ward.run(range(100), A=("heart_rate", "respiratory_rate"))
    assert (ward.presence.silent(), ward.lost, ward.ended) == (set(lost), {}, {})
    ward.run(range(100, 110), A=MONITOR, B=MONITOR)
    assert ward.ended == dict.fromkeys(lost, Ending.RETURNED)


def test_a_time_of_insertion_in_the_future_does_not_silence_the_others(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.read(10**9, "C")
    ward.run(range(60, 200), A=MONITOR, B=MONITOR)
    assert ward.lost == {}
    assert AHEAD_SECONDS < 15, "a jump by more would be taken for a gap in everybody's readings"


def test_a_pipeline_without_readings_since_the_start_cannot_be_called_late(ward: Ward) -> None:
    assert ward.presence.pipeline_late(T0 * 1000) is None
    ward.read(0, "A")
    assert ward.presence.pipeline_late((T0 + 900) * 1000) is None


def test_the_pipeline_is_not_late_when_the_last_patient_has_been_discharged(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR)
    ward.presence.forget("A")
    assert ward.presence.pipeline_late((T0 + 900) * 1000) is None


def test_a_pipeline_that_is_late_stays_so_until_readings_flow(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR)
    ward.presence.pipeline_late((T0 + 130) * 1000)
    ward.look(400)
    ward.read(400, "A")
    assert ward.presence.pipeline_late((T0 + 401) * 1000) == pytest.approx(342)
    ward.read(401, "A")
    ward.read(402, "A")
    assert ward.presence.pipeline_late((T0 + 402) * 1000) == 0


def test_a_backlog_that_is_being_worked_off_is_not_told_at_once_but_a_lasting_one_is(ward: Ward) -> None:
    ward.look(600)
    for second in range(600):
        ward.read(second, "A")
        worked_off = ward.presence.pipeline_late((T0 + 600 + second // 20) * 1000)
        assert not worked_off
    told = []
    for second in range(600, 900):
        ward.look(200 + second)
        ward.read(second, "A")
        told.append(ward.presence.pipeline_late((T0 + 200 + second) * 1000))
    assert told[:50] == [None] * 50
    assert told[-1] == 200


def test_a_start_on_readings_of_long_ago_is_no_late_pipeline(ward: Ward) -> None:
    ward.run(range(60), A=MONITOR)
    days = [ward.presence.pipeline_late((T0 + 3 * 86_400 + second) * 1000) for second in range(100)]
    assert days == [None] * 100


def test_after_the_clock_was_set_back_devices_are_missed_as_soon_as_otherwise(ward: Ward) -> None:
    ward.run(range(3600, 3660), A=MONITOR, B=MONITOR)
    ward.run(range(60), A=MONITOR, B=MONITOR)
    ward.run(range(60, 91), A=MONITOR)
    assert ward.lost == {Signal("B"): 59}
    ward.presence.pipeline_late((T0 + 200) * 1000)
    assert ward.presence.pipeline_late((T0 + 300) * 1000) == 210


def test_what_was_lost_before_the_clock_was_set_back_stays_lost_until_it_returns(ward: Ward) -> None:
    ward.run(range(3600, 3660), A=MONITOR, B=MONITOR)
    ward.run(range(3660, 3700), A=MONITOR)
    assert ward.presence.silent() == {Signal("B")}
    ward.run(range(60), A=MONITOR)
    assert (ward.presence.silent(), ward.ended) == ({Signal("B")}, {})
    ward.run(range(60, 70), A=MONITOR, B=MONITOR)
    assert ward.ended == {Signal("B"): Ending.RETURNED}
