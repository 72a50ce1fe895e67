"""Limits of one patient: the general bands, moved."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.news2 import SCALES, SPO2_SCALE_2_ON_AIR
from clinical.patient_limits import UnfitLimitsError, patient_rows
from clinical.thresholds import ThresholdRow, check_table, judge, read_table
from clinical.vitals import JUDGED
from hbase.files import DEFAULT_TABLE, keyed, read_csv

DEFAULTS = read_table(keyed(read_csv(DEFAULT_TABLE)))[0]


def made(attribute: str, low: str = "", high: str = "", age: float = 40) -> list[ThresholdRow]:
    lowest, highest = (Decimal(limit) if limit else None for limit in (low, high))
    return patient_rows(DEFAULTS, attribute, lowest, highest, "P-7", "COPD", age)


def written(rows: list[ThresholdRow]) -> list[ThresholdRow]:
    """The default table with the rows under keys and with an author."""
    own = [replace(row, row_key=f"{row.attribute}#{n}", updated_by="Dr Jane") for n, row in enumerate(rows, 500)]
    return [*DEFAULTS, *own]


def bands(rows: list[ThresholdRow]) -> list[tuple[str | None, str | None, str | None, int]]:
    return [
        (
            None if row.low_value is None else str(row.low_value),
            None if row.high_value is None else str(row.high_value),
            row.severity,
            row.delay_seconds,
        )
        for row in rows
    ]


def test_a_copd_patient_at_88_to_92_per_cent_is_judged_as_by_scale_2_of_news2() -> None:
    rows = made("spo2", "88", "92")
    assert bands(rows) == [
        (None, "83", "high", 15),
        ("84", "85", "medium", 15),
        ("86", "87", "low", 60),
        ("88", "92", None, 0),
        ("93", None, "low", 60),
    ]
    assert check_table(written(rows)) == []
    assert {(row.patient_id, row.reason, row.low_age, row.high_age) for row in rows} == {
        ("P-7", "COPD", Decimal(0), None)
    }
    assert rows[0].alert_message == "Below this patient's own range"
    assert rows[0].source == "NEWS2 (RCP 2017); delay: Gorges 2009, moved along with this patient's normal range"


def test_the_bands_below_are_those_that_news2_publishes_for_scale_2() -> None:
    general = [row for row in DEFAULTS if row.attribute == "spo2" and row.high_age is None]
    points = {"high": 3, "medium": 2, "low": 1, None: 0}
    for rows, scale in ((general, SCALES["spo2"]), (made("spo2", "88"), SPO2_SCALE_2_ON_AIR)):
        edges = [(row.low_value, row.high_value, points[row.severity]) for row in rows]
        assert edges == [(band.low, band.high, band.points) for band in scale]


def test_a_side_that_is_left_out_stays_as_in_the_general_rows() -> None:
    assert bands(made("spo2", "88"))[-1] == ("88", None, None, 0)
    slow = made("heart_rate", "45")
    general = [row for row in DEFAULTS if row.attribute == "heart_rate" and row.high_age is None]
    assert bands(slow)[:3] == [(None, "34", "high", 15), ("35", "44", "low", 60), ("45", "90", None, 0)]
    assert bands(slow)[3:] == bands(general)[3:]
    assert [row.alert_message for row in slow[3:]] == [row.alert_message for row in general[3:]]


def test_the_bands_of_another_age_are_moved_on_request() -> None:
    assert bands(made("heart_rate", "55", "100", age=10))[0] == (None, "34", "high", 15)
    assert bands(made("heart_rate", "55", "100", age=40))[0] == (None, "44", "high", 15)


@pytest.mark.parametrize(
    ("attribute", "low", "high", "reason"),
    [
        ("lactate", "1", "2", "'lactate' is no attribute that is judged: use one of heart_rate"),
        ("spo2", "92", "88", "The lower limit 92 is above the upper limit 88."),
        ("heart_rate", "95", "", "The lower limit 95 is above the upper limit 90, one of which is the general limit"),
        ("spo2", "88", "101", "101 is no plausible spo2: its values go from 0 to 100"),
        ("spo2", "88.5", "", "88.5 is finer than the resolution of spo2, which is 1"),
        ("glucose_mean_10m", "70", "105", "The general rows alert for no glucose_mean_10m at age 40"),
        ("respiratory_rate", "3", "", "no respiratory_rate could reach the band 'Severe bradypnoea' any more: .* 4,"),
        ("news2", "", "18", "no news2 could reach the band 'NEWS2 7 or more: .* go no further than 17,"),
    ],
)
def test_limits_that_make_no_sense_are_refused_with_one_sentence(
    attribute: str, low: str, high: str, reason: str
) -> None:
    with pytest.raises(UnfitLimitsError, match=reason):
        made(attribute, low, high)


@given(st.sampled_from(sorted(JUDGED)), st.integers(0, 15000), st.integers(0, 15000), st.sampled_from([0.1, 5, 40]))
def test_whatever_is_not_refused_is_a_right_table_in_which_an_extreme_value_is_as_severe_as_in_general(
    attribute: str, low: int, high: int, age: float
) -> None:
    vital = JUDGED[attribute]
    lowest, highest = (str(Decimal(units).scaleb(-vital.scale)) for units in (low, high))
    try:
        table = written(made(attribute, lowest, highest, age))
    except UnfitLimitsError:
        return
    problems = [str(problem) for problem in check_table(table)]
    assert all("would never clear" in problem for problem in problems)
    if problems:
        return
    for extreme in (vital.low, vital.high):
        own, general = (judge(table, attribute, extreme, age, whose) for whose in ("P-7", None))
        assert own is not None
        assert general is not None
        if general.alert_flag and own.direction == general.direction:
            assert own.severity == general.severity
