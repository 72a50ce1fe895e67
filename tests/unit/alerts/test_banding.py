"""Bands over arrays: the same judgement as `clinical.thresholds.judge`, value by value."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.banding import NO_BREACH, BandTable, steps_of
from clinical.ages import ADULT_YEARS
from clinical.thresholds import ThresholdRow, judge, read_table
from clinical.vitals import JUDGED, round_half_up
from hbase.files import DEFAULT_TABLE, HOME_GLUCOSE, keyed, read_csv

DEFAULTS = read_table(keyed(read_csv(DEFAULT_TABLE)))[0]
GLUCOSE = read_table(keyed(read_csv(HOME_GLUCOSE)))[0]
TABLES = {id(rows): (rows, BandTable(rows)) for rows in (DEFAULTS, GLUCOSE)}
AGES = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 1.0, 4.0, 12.0, 16.0, 40.0]), st.floats(-1, 110))


def row_found(table: BandTable, attribute: str, value: float, age: float | None) -> ThresholdRow | None:
    bands = table.at_age(attribute, age)
    _, (place,) = bands.find(np.array([value]))
    return None if place == NO_BREACH else bands.bands[place].row


@given(st.sampled_from(sorted(TABLES)), st.sampled_from(sorted(JUDGED)), AGES, st.data())
def test_a_value_meets_the_band_that_judge_finds(
    which: int, attribute: str, age: float | None, data: st.DataObject
) -> None:
    rows, table = TABLES[which]
    vital = JUDGED[attribute]
    value = float(data.draw(st.decimals(vital.low, vital.high, places=data.draw(st.integers(0, 6)))))
    judged = judge(rows, attribute, value, age)
    alerting = judged if judged is not None and judged.alert_flag and judged.direction != "normal" else None
    assert row_found(table, attribute, value, age) is alerting


@pytest.mark.parametrize("attribute", sorted({row.attribute for row in DEFAULTS}))
def test_every_value_of_the_grid_meets_the_band_that_judge_finds(attribute: str) -> None:
    vital, bands = JUDGED[attribute], TABLES[id(DEFAULTS)][1].at_age(attribute, ADULT_YEARS)
    grid = [Decimal(n).scaleb(-vital.scale) for n in range(0, int(vital.high) * 10**vital.scale + 1)]
    _, places = bands.find(np.array([float(value) for value in grid]))
    for value, place in zip(grid, places, strict=True):
        judged = judge(DEFAULTS, attribute, value, ADULT_YEARS)
        assert judged is not None
        assert (bands.bands[place].row is judged) if place != NO_BREACH else not judged.alert_flag


@given(st.lists(st.decimals(-2000, 2000, places=4), min_size=1), st.integers(0, 2))
def test_values_are_rounded_half_up_as_everywhere(values: list[Decimal], scale: int) -> None:
    steps = steps_of(np.array([float(value) for value in values]), scale)
    assert steps.tolist() == [int(round_half_up(value, scale).scaleb(scale)) for value in values]


def test_an_attribute_without_rows_is_never_out_of_range() -> None:
    assert row_found(BandTable(GLUCOSE), "heart_rate", 0, None) is None


def test_a_patient_with_limits_of_their_own_is_judged_by_these_alone() -> None:
    general = [row for row in DEFAULTS if row.attribute == "spo2"]
    own = [
        replace(row, row_key=f"spo2#9{number:02}", patient_id="P-7", alert_flag=False)
        for number, row in enumerate(general)
    ]
    table = BandTable([*DEFAULTS, *own])
    assert table.at_age("spo2", 60.0, "P-7").bands == []
    assert len(table.at_age("spo2", 60.0, "P-8").bands) == len(table.at_age("spo2", 60.0).bands) == 3
