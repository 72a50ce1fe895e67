"""What a device says about itself: which of its values are believed, and whose battery is low."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.device import ENOUGH_MORE, LAPSED_SECONDS, PROBED, Batteries, is_believed
from clinical.vitals import DEVICE, JUDGED, VITALS

LOW = 15.0


def test_no_limits_are_set_for_what_a_device_says_of_itself() -> None:
    assert not DEVICE.keys() & JUDGED.keys()


@pytest.mark.parametrize("attribute", VITALS)
def test_only_what_electrodes_and_probes_give_needs_contact(attribute: str) -> None:
    assert is_believed(attribute, 0, 20) == (attribute not in PROBED)
    assert is_believed(attribute, 20, 20)
    assert is_believed(attribute, None, 20)
    assert is_believed(attribute, 0, 0)


def test_a_battery_is_low_from_below_the_limit_until_well_above_it() -> None:
    batteries = Batteries(LOW)
    for at, (percent, low) in enumerate([(15, False), (14.9, True), (20, True), (25, False), (20, False)], 1):
        batteries.see("P1", "m", percent, at)
        assert batteries.low() == ({"P1": percent} if low else {})


def test_an_older_charge_changes_nothing() -> None:
    batteries = Batteries(LOW)
    batteries.see("P1", "m", 50, 10)
    batteries.see("P1", "m", 5, 9)
    assert batteries.low() == {}


def test_of_two_devices_the_lower_charge_counts_whichever_is_heard_last() -> None:
    batteries = Batteries(LOW)
    for at in range(1, 10):
        batteries.see("P1", "patch", 8, at)
        batteries.see("P1", "monitor", 90, at)
        assert batteries.low() == {"P1": 8}


def test_one_that_was_low_before_a_restart_is_low_until_its_devices_were_heard_of() -> None:
    batteries = Batteries(LOW, ["P1", "P3"])
    batteries.caught_up()
    assert batteries.low() == {"P1": None, "P3": None}
    batteries.see("P1", "m", LOW + ENOUGH_MORE, 1)
    batteries.see("P3", "pump", 100, 1)
    batteries.see("P3", "m", LOW + ENOUGH_MORE - 1, 1)
    batteries.caught_up()
    assert batteries.low() == {"P3": LOW + ENOUGH_MORE - 1}


def test_time_passes_by_readings_without_a_charge_too() -> None:
    batteries = Batteries(LOW, ["P0"])
    batteries.see("P1", "m", 5, 1000)
    batteries.pass_to(1001 + LAPSED_SECONDS * 1000)
    assert batteries.low() == {}


def test_a_charge_that_is_not_told_again_says_nothing_in_the_end() -> None:
    batteries = Batteries(LOW, ["P0"])
    batteries.see("P1", "m", 5, 1000)
    batteries.see("P2", "m", 5, 1000 + LAPSED_SECONDS * 1000)
    assert batteries.low().keys() == {"P0", "P1", "P2"}
    batteries.see("P2", "m", 5, 1001 + LAPSED_SECONDS * 1000)
    assert batteries.low() == {"P2": 5}


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 9))))
def test_with_limit_zero_none_is_ever_low(charges: list[tuple[float, int]]) -> None:
    batteries = Batteries(0, ["P1"])
    for percent, at in charges:
        batteries.see("P1", "m", percent, at)
    assert batteries.low() == {}
