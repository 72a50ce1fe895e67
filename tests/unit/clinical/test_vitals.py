"""The catalogue of vital signs."""

from decimal import Decimal

import pytest

from clinical.vitals import JUDGED, VITALS, round_half_up


def test_every_measured_vital_has_a_code_a_unit_and_a_plausible_range() -> None:
    for vital in VITALS.values():
        assert vital.loinc
        assert vital.ucum
        assert vital.low < vital.high


def test_zero_is_plausible_where_it_can_mean_an_asystole_or_an_apnoea() -> None:
    for attribute in ("heart_rate", "respiratory_rate", "systolic_bp", "spo2"):
        assert VITALS[attribute].low == 0


def test_derived_attributes_are_judged_beside_the_measured_ones() -> None:
    assert set(VITALS) < set(JUDGED)
    assert {"news2", "glucose_mean_10m"} <= set(JUDGED)


@pytest.mark.parametrize(
    ("value", "scale", "rounded"),
    [("50.5", 0, "51"), ("50.4999", 0, "50"), ("38.05", 1, "38.1"), ("69.95", 1, "70.0"), ("0.5", 0, "1")],
)
def test_a_value_is_rounded_half_up_to_its_resolution(value: str, scale: int, rounded: str) -> None:
    assert round_half_up(Decimal(value), scale) == Decimal(rounded)
