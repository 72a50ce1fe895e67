"""Which band a value falls into, on the default table."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from clinical.ages import ADULT_YEARS
from clinical.thresholds import (
    JudgingBand,
    ThresholdRow,
    check_table,
    judge,
    judging_bands,
    own_limits,
    read_table,
    row_cells,
)
from clinical.vitals import JUDGED
from hbase.files import DEFAULT_TABLE, HOME_GLUCOSE, keyed, read_csv

DEFAULTS, PROBLEMS = read_table(keyed(read_csv(DEFAULT_TABLE)))
ATTRIBUTES = sorted({row.attribute for row in DEFAULTS})


def holds(row: ThresholdRow, value: Decimal) -> bool:
    return (row.low_value is None or row.low_value <= value) and (row.high_value is None or value <= row.high_value)


def for_age(band: ThresholdRow | JudgingBand, age: float) -> bool:
    return float(band.low_age) <= age and (band.high_age is None or age < float(band.high_age))


def ages(attribute: str) -> list[float]:
    """Every edge of the attribute's age bands, and just below and above it."""
    edges = {0.0, 17.0, 40.0, 110.0}
    for row in DEFAULTS:
        if row.attribute == attribute:
            edges |= {float(limit) for limit in (row.low_age, row.high_age) if limit is not None}
    return sorted({age for edge in edges for age in (edge, edge + 0.001, max(edge - 0.001, 0.0))})


def grid(attribute: str) -> list[Decimal]:
    """Every value of the attribute's resolution within its plausible range."""
    vital = JUDGED[attribute]
    scale = 10**vital.scale
    return [Decimal(n).scaleb(-vital.scale) for n in range(int(vital.low) * scale, int(vital.high) * scale + 1)]


def test_the_default_table_and_the_home_glucose_set_are_right() -> None:
    assert PROBLEMS == []
    assert len(DEFAULTS) == 155
    assert sum(row.alert_flag for row in DEFAULTS) == 127
    assert read_table(keyed(read_csv(HOME_GLUCOSE)))[1] == []


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_age_and_value_meets_exactly_one_row_and_judge_finds_it(attribute: str) -> None:
    own = [row for row in DEFAULTS if row.attribute == attribute]
    bands = judging_bands(own)
    for age in ages(attribute):
        rows_here = [row for row in own if for_age(row, age)]
        bands_here = [band for band in bands if for_age(band, age)]
        (normal,) = [row for row in rows_here if row.direction == "normal"]
        for value in grid(attribute):
            (expected,) = [row for row in rows_here if holds(row, value)]
            assert judge(own, attribute, value, age) is expected
            alerting = [band for band in bands_here if holds(band.row, value)]
            assert [band.row for band in alerting] == ([expected] if expected.alert_flag else [])
            for band in alerting:
                assert (band.normal_low, band.normal_high) == (normal.low_value, normal.high_value)


@pytest.mark.parametrize(
    ("attribute", "value", "age", "direction", "severity"),
    [
        ("heart_rate", 130.4, 40.0, "high", "medium"),
        ("heart_rate", 130.5, 40.0, "high", "high"),
        ("heart_rate", 90.49, 40.0, "normal", None),
        ("temperature", 35.04, 70.0, "low", "high"),
        ("temperature", 35.05, 70.0, "low", "low"),
        ("temperature", 38.0, 0.2, "high", "high"),
        ("temperature", 38.0, 0.25, "normal", None),
        ("spo2", 91, 15.99, "low", "medium"),
        ("spo2", 91, 16, "low", "high"),
        ("glucose", 69.95, 40, "normal", None),
        ("glucose", 69.94, 40, "low", "medium"),
        ("heart_rate", 0, 40, "low", "high"),
    ],
)
def test_a_value_is_rounded_half_up_before_it_is_compared(
    attribute: str, value: float, age: float, direction: str, severity: str | None
) -> None:
    row = judge(DEFAULTS, attribute, value, age)
    assert row is not None
    assert (row.direction, row.severity) == (direction, severity)


def test_an_unknown_age_is_judged_as_an_adults_and_a_birth_in_the_future_as_age_zero() -> None:
    assert judge(DEFAULTS, "heart_rate", 120, None) == judge(DEFAULTS, "heart_rate", 120, ADULT_YEARS)
    assert judge(DEFAULTS, "heart_rate", 120, -0.01) == judge(DEFAULTS, "heart_rate", 120, 0)


def test_an_attribute_without_rows_is_not_judged() -> None:
    assert judge(DEFAULTS, "glucose_mean_10m", 300, 40) is None


def test_an_unchecked_table_with_a_hole_is_an_error_and_not_a_normal_value() -> None:
    holed = [row for row in DEFAULTS if row.row_key != "spo2#007"]
    with pytest.raises(ValueError, match="was not checked"):
        judge(holed, "spo2", 99, 40)


def test_an_alerting_row_over_two_normal_bands_is_split_at_their_ages() -> None:
    table = rows(
        ("0", "", "low", "", "40", "1"),
        ("0", "16", "normal", "41", "120", "0"),
        ("16", "", "normal", "41", "90", "0"),
        ("0", "16", "high", "121", "", "1"),
        ("16", "", "high", "91", "", "1"),
    )
    bands = [(b.row.row_key, b.low_age, b.high_age, b.normal_high) for b in judging_bands(table)]
    assert bands == [
        ("heart_rate#001", Decimal(0), Decimal(16), Decimal(120)),
        ("heart_rate#001", Decimal(16), None, Decimal(90)),
        ("heart_rate#004", Decimal(0), Decimal(16), Decimal(120)),
        ("heart_rate#005", Decimal(16), None, Decimal(90)),
    ]


def rows(*bands: tuple[str, str, str, str, str, str]) -> list[ThresholdRow]:
    names = ("low_age_limit", "high_age_limit", "direction", "low_value", "high_value", "alert_flag")
    rest = {"severity": "high", "delay_seconds": "0", "clear_margin": "3", "alert_message": "m", "source": "s"}
    cells = keyed({"attribute": "heart_rate", **rest, **dict(zip(names, band, strict=True))} for band in bands)
    table, problems = read_table(cells)
    assert problems == []
    return table


def test_bands_that_do_not_alarm_count_as_normal_up_to_the_next_that_does() -> None:
    table = rows(
        ("0", "", "low", "", "30", "1"),
        ("0", "", "low", "31", "40", "0"),
        ("0", "", "normal", "41", "90", "0"),
        ("0", "16", "high", "91", "110", "1"),
        ("16", "", "high", "91", "100", "0"),
        ("16", "", "high", "101", "110", "0"),
        ("0", "", "high", "111", "", "1"),
    )
    found = {
        (band.row.low_value, band.low_age, band.high_age): (band.normal_low, band.normal_high)
        for band in judging_bands(table)
    }
    child, adult = (Decimal(0), Decimal(16)), (Decimal(16), None)
    assert found == {
        (None, *child): (Decimal(31), Decimal(90)),
        (None, *adult): (Decimal(31), Decimal(110)),
        (Decimal(91), *child): (Decimal(31), Decimal(90)),
        (Decimal(111), *child): (Decimal(31), Decimal(90)),
        (Decimal(111), *adult): (Decimal(31), Decimal(110)),
    }


def test_a_side_of_which_nothing_alarms_is_open() -> None:
    table = rows(
        ("0", "", "low", "", "40", "0"),
        ("0", "", "normal", "41", "90", "0"),
        ("0", "", "high", "91", "", "1"),
    )
    assert [(band.normal_low, band.normal_high) for band in judging_bands(table)] == [(None, Decimal(90))]


def own(number: int, spo2: float, **limits: Any) -> ThresholdRow:
    """The general row for that saturation, with other limits for one patient."""
    row = judge(DEFAULTS, "spo2", spo2, 40)
    assert row is not None
    moved = replace(row, low_age=Decimal(0), **limits)
    return replace(moved, row_key=f"spo2#{number:03d}", patient_id="P-7", reason="COPD", updated_by="Dr Jane")


OWN = [own(8, 80, high_value=Decimal(87)), own(9, 98, low_value=Decimal(88))]
"""A patient whose oxygen saturation is normal from 88 % up, at any age."""

WITH_OWN = [*DEFAULTS, *OWN]


def test_a_patients_own_limits_take_the_place_of_the_general_ones_for_that_attribute_alone() -> None:
    assert check_table(WITH_OWN) == []
    assert judge(WITH_OWN, "spo2", 90, 40, "P-7") is OWN[1]
    assert judge(WITH_OWN, "spo2", 87, 5, "P-7") is OWN[0]
    for others in ("P-70", "", None):
        assert judge(WITH_OWN, "spo2", 90, 40, others) is judge(DEFAULTS, "spo2", 90, 40)
    assert judge(WITH_OWN, "heart_rate", 140, 40, "P-7") is judge(DEFAULTS, "heart_rate", 140, 40)
    assert own_limits(WITH_OWN) == {("P-7", "spo2")}


def test_an_attribute_that_is_judged_for_one_patient_alone_is_not_judged_for_the_others() -> None:
    only = [row for row in WITH_OWN if row.attribute != "spo2" or row.patient_id]
    assert check_table(only) == []
    assert judge(only, "spo2", 80, 40, "P-7") is OWN[0]
    assert judge(only, "spo2", 80, 40, "P-8") is None


def test_a_band_of_one_patient_has_the_normal_limits_of_that_patient_and_leaves_the_general_ones_alone() -> None:
    bands = judging_bands(WITH_OWN)
    assert [(band.row.row_key, band.normal_low) for band in bands if band.row.patient_id] == [("spo2#008", Decimal(88))]
    assert [band for band in bands if band.row.patient_id is None] == judging_bands(DEFAULTS)


def test_the_origin_of_one_patients_limits_tells_their_reason() -> None:
    assert OWN[0].origin == "limits of this patient alone: COPD; NEWS2 (RCP 2017); delay: Gorges 2009"
    assert DEFAULTS[0].origin == DEFAULTS[0].source


def test_rows_written_as_text_read_back_as_the_same_rows() -> None:
    again, problems = read_table({row.row_key: row_cells(row) for row in WITH_OWN})
    assert problems == []
    assert sorted(again, key=lambda row: row.row_key) == sorted(WITH_OWN, key=lambda row: row.row_key)
