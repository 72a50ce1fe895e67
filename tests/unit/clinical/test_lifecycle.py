"""The life of an alarm, by examples."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import pytest

from clinical.lifecycle import step
from clinical.lifecycle_events import Acknowledge, Discharge, Kind, Measured, Tick, breached
from clinical.lifecycle_state import Phase, State, from_dict, to_dict
from clinical.messages import Breach
from tests.unit.clinical.bedside import GLUCOSE, HEART_RATE, SPO2, START, TEMPERATURE, Bedside, ms, said

HIGH, MEDIUM, LOW, INSIDE, MARGIN = 85, 93, 95, 98, 96
"""SpO2 of an adult: a value of each band, inside by the margin and inside without it."""


def test_a_breach_begins_a_pending_alarm() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, MEDIUM)
    assert bed.kinds() == [Kind.PENDING]
    assert bed.alarm().phase is Phase.PENDING
    assert bed.alarm().severity is None


def test_without_a_breach_nothing_begins() -> None:
    for event in (Measured(85, START, "1"), Tick(), Acknowledge("Dr A", "seen"), Discharge()):
        assert step(None, event, START).state is None


def test_a_breach_that_lasts_its_delay_is_raised() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(20), MEDIUM)
    assert bed.said() == [("pending", 0, None), ("raised", 15, "medium")]


def test_a_breach_that_ends_before_its_delay_is_dropped() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(14), MEDIUM)
    bed.reads_each_second(range(14, 17), INSIDE)
    assert bed.said() == [("pending", 0, None), ("dropped", 15, None)]


def test_one_reading_in_range_does_not_begin_the_delay_anew() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(20), MEDIUM, except_at={7: INSIDE})
    assert bed.said()[-1] == ("raised", 15, "medium")


def test_two_readings_in_range_begin_the_delay_anew() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(30), MEDIUM, except_at={7: INSIDE, 8: MARGIN})
    assert bed.said()[-2:] == [("pending", 9, None), ("raised", 24, "medium")]


def test_a_single_reading_in_range_that_stood_begins_the_delay_anew() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, MEDIUM)
    bed.reads(1, INSIDE)
    bed.reads(3600, MEDIUM)
    assert bed.kinds() == [Kind.PENDING]


def test_a_deeper_band_shortens_the_delay() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(40), LOW)
    assert bed.kinds() == [Kind.PENDING]
    bed.reads(40, MEDIUM)
    assert bed.said()[-1] == ("raised", 40, "medium")


@pytest.mark.parametrize("halves", ["vb", "bv", "b"])
def test_a_delay_is_not_applied_to_readings_before_it_was_told(halves: str) -> None:
    bed = Bedside(SPO2, halves)
    bed.reads(2, LOW)
    bed.reads(22, HIGH)
    bed.reads(23, MEDIUM)
    assert bed.raised() == [(23, "medium")]


def test_a_deeper_reading_counts_for_the_shallower_band() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(16), MEDIUM, except_at={15: HIGH})
    assert bed.said()[-1] == ("raised", 15, "medium")


def test_a_single_high_reading_of_a_continuous_vital_is_not_raised() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, HIGH)
    bed.reads_each_second(range(1, 60), INSIDE)
    assert bed.said() == [("pending", 0, None), ("dropped", 2, None)]


@pytest.mark.parametrize("between", [HIGH, MEDIUM, INSIDE])
def test_two_of_three_high_readings_are_raised(between: float) -> None:
    bed = Bedside(SPO2)
    bed.reads(0, HIGH)
    bed.reads(1, between)
    bed.reads(2, HIGH)
    assert bed.raised() == [(1 if between == HIGH else 2, "high")]


def test_two_of_four_high_readings_are_not_raised_as_high() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(4), MEDIUM, except_at={0: HIGH, 3: HIGH})
    assert bed.raised() == []


def test_high_with_a_delay_needs_both_the_delay_and_two_of_three() -> None:
    slow = replace(SPO2, bands=((91, "high", 20), *SPO2.bands[1:]))
    bed = Bedside(slow)
    bed.reads_each_second(range(21), HIGH)
    assert bed.raised() == [(20, "high")]
    bed = Bedside(slow)
    bed.reads_each_second(range(15), LOW)
    bed.reads(15, HIGH)
    bed.reads_each_second(range(16, 22), LOW)
    assert bed.raised() == []


@pytest.mark.parametrize("delay", [0, 15])
@pytest.mark.parametrize("attribute", ["heart_rate", "respiratory_rate"])
def test_an_asystole_or_an_apnoea_is_raised_at_once_whatever_the_delay(attribute: str, delay: int) -> None:
    bed = Bedside(replace(HEART_RATE, attribute=attribute, bands=((40, "high", delay), *HEART_RATE.bands[1:])))
    bed.reads(0, 0)
    assert bed.raised() == [(0, "high")]


@pytest.mark.parametrize("acknowledged", [False, True])
def test_an_asystole_in_an_alarm_that_is_high_already_is_told_and_ends_an_acknowledgement(acknowledged: bool) -> None:
    bed = Bedside(HEART_RATE, raised=True)
    if acknowledged:
        bed.sends(Acknowledge("Dr A", "seen"), 90)
    bed.reads_each_second(range(100, 160), 0)
    told = [("arrested", 100, "high"), ("acknowledgement_ended", 100, "high")]
    assert bed.said()[3 if acknowledged else 2 :] == told[: 1 + acknowledged]
    assert bed.alarm().phase is Phase.ACTIVE


def test_an_asystole_that_raised_the_alarm_is_not_told_twice() -> None:
    bed = Bedside(HEART_RATE)
    bed.reads_each_second(range(60), 0)
    assert bed.said() == [("pending", 0, None), ("raised", 0, "high")]


@pytest.mark.parametrize("halves", ["vb", "bv", "b"])
def test_an_asystole_that_comes_again_is_told_when_there_was_a_heart_rate_for_thirty_seconds(halves: str) -> None:
    bed = Bedside(HEART_RATE, halves)
    bed.reads_each_second(range(60), 38, except_at={0: 0, 29: 0, 59: 0})
    assert bed.kinds().count(Kind.ARRESTED) == 0
    bed.reads_each_second(range(60, 90), 38)
    bed.reads(90, 0)
    assert bed.said()[-1] == ("arrested", 90, "high")


def test_an_asystole_whose_breach_comes_late_is_told() -> None:
    bed = Bedside(HEART_RATE, raised=True)
    bed.sends(HEART_RATE.breach(38, 100, "a"), 100)
    bed.sends(HEART_RATE.breach(38, 104, "c"), 104)
    bed.sends(HEART_RATE.breach(0, 102, "b"), 105)
    assert bed.said()[-1] == ("arrested", 102, "high")
    assert bed.alarm().arrest_over_since == ms(104)


def test_a_zero_of_another_vital_waits_for_the_second_reading() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, 0)
    assert bed.raised() == []


def test_a_high_reading_of_a_seldom_vital_is_raised_at_once() -> None:
    bed = Bedside(GLUCOSE)
    bed.reads(0, 40)
    assert bed.raised() == [(0, "high")]


def test_a_spot_reading_is_raised_by_the_clock() -> None:
    bed = Bedside(GLUCOSE)
    bed.reads(0, 60)
    assert bed.due() == 15
    bed.tick(14.999)
    assert bed.raised() == []
    bed.tick(15)
    assert bed.raised() == [(15, "medium")]
    assert bed.due() is None


def test_a_single_high_reading_after_which_nothing_came_is_raised_by_the_clock() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, HIGH)
    assert bed.due() == 10
    bed.tick(10)
    assert bed.raised() == [(10, "high")]


def test_a_minutely_vital_stands_for_three_of_its_intervals() -> None:
    bed = Bedside(TEMPERATURE)
    bed.reads(0, 34.0)
    assert bed.due() == 180


def test_the_clock_counts_from_the_arrival_of_a_reading() -> None:
    bed = Bedside(GLUCOSE)
    bed.reads(0, 60, clock=7200)
    bed.tick(7214)
    assert bed.raised() == []
    assert bed.due() == 7215


def test_a_delay_that_ended_between_two_readings_has_ended() -> None:
    bed = Bedside(GLUCOSE)
    bed.reads(0, 60)
    bed.reads(300, 100)
    assert bed.said() == [("pending", 0, None), ("raised", 15, "medium"), ("cleared", 300, "medium")]


def test_severity_rises_when_the_condition_of_the_deeper_band_is_met() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(20), MEDIUM)
    bed.reads_each_second(range(20, 30), HIGH)
    assert bed.said()[-1] == ("severity_rose", 21, "high")


def test_severity_falls_after_the_delay_of_the_milder_band() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(2), HIGH)
    bed.reads_each_second(range(2, 120), LOW)
    assert bed.said()[-1] == ("severity_fell", 62, "low")


def test_severity_falls_after_thirty_seconds_at_least() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(2), HIGH)
    bed.reads_each_second(range(2, 120), MEDIUM)
    assert bed.said()[-1] == ("severity_fell", 32, "medium")


def test_one_deep_reading_puts_the_fall_off() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(2), HIGH)
    bed.reads_each_second(range(2, 120), MEDIUM, except_at={20: HIGH})
    assert bed.said()[-1] == ("severity_fell", 51, "medium")


def test_severity_falls_to_the_deepest_of_the_milder_bands() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(2), HIGH)
    bed.reads_each_second(range(2, 80), LOW, except_at={10: MEDIUM})
    assert bed.said()[-1] == ("severity_fell", 32, "medium")
    bed.reads_each_second(range(80, 100), LOW)
    assert bed.said()[-1] == ("severity_fell", 92, "low")


def test_severity_never_falls_by_the_clock() -> None:
    bed = Bedside(GLUCOSE)
    bed.reads(0, 40)
    bed.reads(300, 60)
    bed.tick(10_000)
    assert bed.alarm().severity == "high"
    bed.reads(10_000, 60)
    assert bed.alarm().severity == "medium"


def test_an_alarm_clears_after_thirty_seconds_inside() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads_each_second(range(100, 130), INSIDE)
    assert bed.state is not None
    bed.reads(130, INSIDE)
    assert bed.said()[-1] == ("cleared", 130, "high")
    assert bed.state is None


@pytest.mark.parametrize("value", [MARGIN, LOW, HIGH])
def test_one_reading_that_is_not_inside_begins_the_thirty_seconds_anew(value: float) -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads_each_second(range(100, 170), INSIDE, except_at={129: value})
    assert bed.said()[-1] == ("cleared", 160, "high")


def test_after_a_silence_the_thirty_seconds_begin_anew() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads(100, INSIDE)
    bed.reads_each_second(range(700, 730), INSIDE)
    assert bed.state is not None
    bed.reads(730, INSIDE)
    assert bed.said()[-1] == ("cleared", 730, "high")


def test_after_a_silence_the_wait_for_a_falling_severity_begins_anew() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads(100, LOW)
    bed.reads(700, LOW)
    assert bed.alarm().severity == "high"


def test_a_device_that_is_mostly_slow_clears_its_alarm_too() -> None:
    bed = Bedside(SPO2, raised=True)
    for second in (60, 120, 180):
        bed.reads(second, HIGH)
    for second in (240, 300):
        bed.reads(second, INSIDE)
    assert bed.said()[-1] == ("cleared", 300, "high")


def test_a_device_with_times_around_those_of_a_silence_clears_its_alarm_too() -> None:
    bed = Bedside(SPO2, raised=True)
    for number in range(10, 40):
        bed.reads(int(number * 10.45), HIGH if number < 20 else INSIDE)
    assert bed.kinds()[-1] is Kind.CLEARED


def test_after_a_change_from_a_monitor_to_checks_every_four_hours_the_third_normal_one_clears() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads_each_second(range(10, 70), HIGH)
    hours = [4 * 3600 * number for number in range(1, 4)]
    for second in hours[:2]:
        bed.reads(second, INSIDE)
    assert bed.state is not None
    bed.reads(hours[2], INSIDE)
    assert bed.said()[-1] == ("cleared", hours[2], "high")


def test_values_between_limit_and_margin_never_clear() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads_each_second(range(100, 1000), MARGIN)
    assert bed.alarm().severity == "high"


def test_one_reading_inside_clears_the_alarm_of_a_seldom_vital() -> None:
    bed = Bedside(GLUCOSE, raised=True)
    bed.reads(400, 73)
    assert bed.state is not None
    bed.reads(700, 75)
    assert bed.said()[-1] == ("cleared", 700, "high")


def test_a_margin_in_decimals_is_met_exactly() -> None:
    bed = Bedside(TEMPERATURE, raised=True)
    assert 36.1 + 0.2 > 36.3
    bed.reads(1000, 36.3)
    bed.reads(1060, 36.3)
    assert bed.kinds()[-1] is Kind.CLEARED


def test_a_value_beyond_the_other_limit_is_back_from_this_direction() -> None:
    bed = Bedside(HEART_RATE, raised=True)
    bed.reads_each_second(range(100, 131), 200)
    assert bed.kinds()[-1] is Kind.CLEARED


def test_a_breach_in_the_other_direction_is_one_more_value() -> None:
    bed = Bedside(HEART_RATE, raised=True)
    for second in range(100, 131):
        bed.sends(
            replace(HEART_RATE.breach(0, second, "0"), direction="high", value=200, source_id=str(second)), second
        )
    assert bed.kinds()[-1] is Kind.CLEARED


def test_silence_never_clears() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads(100, INSIDE)
    bed.tick(100_000)
    assert bed.alarm().phase is Phase.ACTIVE


def test_a_partial_score_never_clears_and_begins_the_thirty_seconds_anew() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads_each_second(range(100, 200), INSIDE, partial=True)
    assert bed.state is not None
    bed.reads_each_second(range(200, 225), INSIDE)
    bed.reads(225, INSIDE, partial=True)
    bed.reads_each_second(range(226, 256), INSIDE)
    assert bed.state is not None
    bed.reads(256, INSIDE)
    assert bed.state is None


def test_a_partial_score_in_range_drops_nothing() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, HIGH)
    bed.reads_each_second(range(1, 9), INSIDE, partial=True)
    bed.tick(10)
    assert bed.raised() == [(10, "high")]


def test_an_alarm_keeps_the_limits_it_was_raised_under() -> None:
    bed = Bedside(SPO2, raised=True)
    for second in range(100, 140):
        breach = replace(SPO2.breach(INSIDE, second, f"b{second}"), severity="medium", limit=99)
        bed.sends(breach, second)
        bed.sends(Measured(INSIDE, breach.recorded_at, breach.source_id), second)
    assert (bed.alarm().limit, bed.alarm().clear_at) == (96, 97)
    assert bed.alarm().phase is Phase.ACTIVE
    bed.values_only_each_second(range(140, 171), INSIDE)
    assert bed.kinds()[-1] is Kind.CLEARED


def test_with_its_row_removed_a_value_still_out_of_range_keeps_the_alarm() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.values_only_each_second(range(100, 400), MEDIUM)
    assert bed.alarm().severity == "high"


def test_with_its_row_removed_a_pending_breach_goes_on() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, MEDIUM)
    bed.values_only_each_second(range(1, 40), MEDIUM)
    assert bed.raised() == [(15, "medium")]
    bed = Bedside(SPO2)
    bed.reads(0, HIGH)
    bed.values_only_each_second(range(1, 40), HIGH)
    assert bed.raised() == [(10, "high")]


def test_a_breach_that_comes_after_its_value_and_after_later_values_still_counts() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, HIGH)
    bed.sends(Measured(HIGH, START + 1000, "x"), 1)
    bed.values_only_each_second(range(2, 6), INSIDE)
    assert bed.kinds() == [Kind.PENDING]
    bed.sends(SPO2.breach(HIGH, 1, "x"), 6)
    assert bed.raised() == [(1, "high")]


def test_a_late_deep_reading_raises() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, HIGH)
    bed.reads_each_second(range(2, 8), LOW)
    bed.reads(1, HIGH, clock=8)
    assert bed.raised() == [(1, "high")]


def test_a_late_reading_inside_neither_clears_nor_drops() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads(131, HIGH)
    bed.reads_each_second(range(100, 131), INSIDE, clock=131)
    assert bed.alarm().phase is Phase.ACTIVE
    bed = Bedside(SPO2)
    bed.reads(50, MEDIUM)
    bed.reads_each_second(range(40, 50), INSIDE, clock=50)
    assert bed.kinds() == [Kind.PENDING]


def test_a_late_reading_out_of_range_puts_clearing_off() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads_each_second(range(100, 128), INSIDE)
    bed.reads(125.5, MEDIUM, clock=128)
    bed.reads_each_second(range(128, 170), INSIDE)
    assert bed.said()[-1] == ("cleared", 156, "high")


def test_a_reading_too_late_to_be_placed_puts_clearing_off() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.reads_each_second(range(100, 128), INSIDE)
    bed.reads(101.5, MEDIUM, clock=128)
    bed.reads_each_second(range(128, 170), INSIDE)
    assert bed.said()[-1] == ("cleared", 142, "high")


def test_of_high_breaches_too_late_to_be_placed_the_second_raises() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(100, 160), MEDIUM)
    bed.reads(50, HIGH, clock=160)
    bed.reads(50, HIGH, clock=160)
    assert bed.alarm().severity == "medium"
    bed.reads(51, HIGH, clock=161)
    assert bed.alarm().severity == "high"


def test_an_asystole_too_late_to_be_placed_raises_at_once() -> None:
    bed = Bedside(HEART_RATE)
    bed.reads_each_second(range(100, 200), 45)
    assert bed.alarm().severity == "low"
    bed.reads(50, 0, clock=200)
    assert bed.alarm().severity == "high"


def test_the_alarm_goes_on_when_the_clock_is_set_back() -> None:
    bed = Bedside(GLUCOSE)
    bed.reads(0, 60)
    bed.tick(10)
    bed.tick(-3600)
    assert bed.due() == -3595
    bed.tick(-3595)
    assert bed.raised() == [(15, "medium")]


def test_readings_count_on_when_the_clock_is_set_back() -> None:
    bed = Bedside(SPO2)
    for second in range(20):
        bed.reads(second, MEDIUM, clock=second if second < 5 else second - 3600)
    assert [severity for _, severity in bed.raised()] == ["medium"]


def test_a_clock_set_back_and_right_again_does_not_clear_early() -> None:
    bed = Bedside(SPO2, raised=True)
    for second in range(100, 129):
        bed.reads(second, INSIDE, clock=second if second % 7 else second - 3600)
    assert bed.state is not None


def test_a_recording_in_the_future_counts_as_now() -> None:
    bed = Bedside(SPO2)
    bed.reads(3600, MEDIUM, clock=0)
    bed.reads(3601, MEDIUM, clock=1)
    assert bed.raised() == []
    bed.reads_each_second(range(2, 16), MEDIUM)
    assert bed.raised() == [(15, "medium")]


def test_an_acknowledgement_ends_by_the_clock_after_thirty_minutes() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.sends(Acknowledge("Dr A", "on my way"), 100)
    assert bed.alarm().phase is Phase.ACKNOWLEDGED
    said = bed.log[-1]
    assert (said.author, said.reason, said.until) == ("Dr A", "on my way", START + 1_900_000)
    assert bed.due() == 1900
    bed.tick(1899)
    assert bed.alarm().phase is Phase.ACKNOWLEDGED
    bed.tick(1900)
    assert bed.said()[-1] == ("acknowledgement_ended", 1900, "high")
    assert bed.alarm().phase is Phase.ACTIVE


def test_a_second_acknowledgement_replaces_the_first() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.sends(Acknowledge("Dr A", "seen"), 100)
    bed.sends(Acknowledge("Dr B", "treated", START + 200_000), 110)
    assert bed.log[-1].author == "Dr B"
    assert bed.due() == 200


def test_an_acknowledgement_until_a_time_that_has_passed_ends_at_once() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.sends(Acknowledge("Dr A", "seen", START), 100)
    assert bed.kinds()[-2:] == [Kind.ACKNOWLEDGED, Kind.ACKNOWLEDGEMENT_ENDED]
    assert bed.alarm().phase is Phase.ACTIVE


def test_an_acknowledgement_ends_no_later_when_the_clock_is_set_back() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.sends(Acknowledge("Dr A", "seen", START + 160_000), 100)
    bed.tick(110)
    bed.tick(-3600)
    assert bed.due() == -3550


def test_an_acknowledgement_ends_when_the_severity_rises() -> None:
    bed = Bedside(SPO2)
    bed.reads_each_second(range(20), MEDIUM)
    bed.sends(Acknowledge("Dr A", "seen"), 20)
    bed.reads_each_second(range(21, 23), HIGH)
    assert bed.said()[-2:] == [("severity_rose", 22, "high"), ("acknowledgement_ended", 22, "high")]
    assert bed.alarm().acknowledged_until is None


def test_an_acknowledged_alarm_clears() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.sends(Acknowledge("Dr A", "seen"), 99)
    bed.reads_each_second(range(100, 131), INSIDE)
    assert bed.kinds()[-2:] == [Kind.ACKNOWLEDGED, Kind.CLEARED]


def test_what_is_pending_cannot_be_acknowledged() -> None:
    bed = Bedside(SPO2)
    bed.reads(0, HIGH)
    bed.sends(Acknowledge("Dr A", "seen"), 0)
    assert bed.kinds() == [Kind.PENDING]


@pytest.mark.parametrize("raised", [False, True])
def test_a_discharge_ends_the_alarm_and_says_so(raised: bool) -> None:
    bed = Bedside(SPO2, raised=raised)
    bed.reads(90, HIGH)
    bed.sends(Discharge(), 200)
    assert bed.state is None
    assert bed.said()[-1] == ("ended_by_discharge", 200, "high" if raised else None)


def test_an_unknown_version_of_a_stored_state_is_named() -> None:
    stored = to_dict(Bedside(SPO2, raised=True).alarm())
    with pytest.raises(ValueError, match="version 99 is stored; this program reads version 1"):
        from_dict({**stored, "version": 99})
    with pytest.raises(ValueError, match="out_since"):
        from_dict({name: cell for name, cell in stored.items() if name != "out_since"})


def test_a_state_that_was_stored_before_a_value_of_0_was_news_is_read() -> None:
    state = Bedside(HEART_RATE, raised=True).alarm()
    assert _without_arrests(state) == state


def test_a_stored_state_that_a_value_of_0_raised_does_not_tell_it_again() -> None:
    bed = Bedside(HEART_RATE)
    bed.reads_each_second(range(5), 0)
    bed.reads_each_second(range(5, 8), 38)
    found = _without_arrests(bed.alarm())
    assert (found.arrested, found.arrest_over_since) == (True, ms(5))


def _without_arrests(state: State) -> State:
    """Read as an older version stored it."""
    added = ("arrested", "arrest_over_since")
    return from_dict({name: cell for name, cell in to_dict(state).items() if name not in added})


def test_a_stored_state_is_small_even_of_long_ids() -> None:
    bed = Bedside(SPO2)
    for second in range(40):
        bed.sends(SPO2.breach(MEDIUM, second, f"{second}\ud800" + "x" * 10_000), second)
    assert len(json.dumps(to_dict(bed.alarm()))) < 3000


def message(**changes: object) -> Breach:
    breach: dict[str, object] = {
        "attribute": "glucose",
        "direction": "high",
        "value": 260.0,
        "severity": "medium",
        "delay_seconds": 15,
        "normal_low": 70.0,
        "normal_high": 180.0,
        "clear_margin": 5.0,
        "recorded_at": START,
        "source_id": "7",
    }
    return cast(Breach, breach | changes)


def test_a_message_gives_the_limit_of_its_direction_and_the_interval_of_its_vital() -> None:
    event = breached(message(), {})
    assert (event.limit, event.interval_seconds, event.delay_seconds) == (180.0, 300, 15)
    state = step(None, event, START).state
    assert isinstance(state, State)
    assert state.clear_at == 175.0


def test_a_vital_that_a_site_measures_all_the_time_is_continuous_in_its_alarms() -> None:
    state = step(None, breached(message(severity="high", delay_seconds=0), {"glucose": 60.0}), START).state
    assert isinstance(state, State)
    assert (state.phase, state.continuous, state.stands_ms) == (Phase.PENDING, True, 180_000)
    assert from_dict(json.loads(json.dumps(to_dict(state)))) == state


def test_the_interval_of_one_vital_leaves_the_others_as_they_are() -> None:
    assert breached(message(), {"systolic_bp": 1.0}).interval_seconds == 300


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"normal_high": None}, "no normal limit on that side"),
        ({"attribute": "mood"}, "'mood'; known are heart_rate"),
        ({"value": float("nan")}, "value is nan"),
        ({"delay_seconds": -1}, "delay_seconds of a breach is -1"),
        ({"direction": "normal"}, "must be low or high"),
        ({"severity": "severe"}, "one of low, medium, high"),
    ],
)
def test_a_message_that_cannot_be_judged_is_refused_with_the_reason(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        breached(message(**changes), {})


def test_no_reason_names_a_person() -> None:
    bed = Bedside(SPO2, raised=True)
    bed.sends(Acknowledge("Dr Ada", "ask Mr Smith"), 99)
    assert not any(name in transition.why for transition in bed.log for name in ("Ada", "Smith"))
    assert said(bed.log)[-1][0] == "acknowledged"
