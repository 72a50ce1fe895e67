"""The bands behind a patient's chart are those by which the patient is judged."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from clinical.patient_limits import patient_rows
from clinical.thresholds import ThresholdRow, judge, parse_rows
from clinical.vitals import JUDGED
from dashboard.patient.bands import Band, axis_range, bands_of
from hbase.files import DEFAULT_TABLE, keyed, read_csv

ROWS, _PROBLEMS = parse_rows(keyed(read_csv(DEFAULT_TABLE)))
OWN = [
    replace(row, row_key=f"spo2#9{place:02}")
    for place, row in enumerate(patient_rows(ROWS, "spo2", Decimal(88), Decimal(92), "copd", "COPD"))
]


def band_at(bands: list[Band], value: float) -> Band:
    found = [
        band for band in bands if (band.low is None or band.low < value) and (band.high is None or value < band.high)
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("attribute", sorted({row.attribute for row in ROWS}))
@pytest.mark.parametrize("age", [0.1, 3.0, 9.0, 40.0, None])
def test_a_value_lies_in_the_band_that_judges_it(attribute: str, age: float | None) -> None:
    bands = bands_of(ROWS, attribute, "somebody", age)
    vital = JUDGED[attribute]
    step = Decimal(1).scaleb(-vital.scale)
    value = vital.low
    while value <= vital.high:
        judged: ThresholdRow | None = judge(ROWS, attribute, value, age)
        assert judged is not None
        drawn = band_at(bands, float(value))
        assert drawn.is_normal == (judged.direction == "normal")
        assert drawn.severity == ((judged.severity or "") if judged.alert_flag else "")
        value += max(step, (vital.high - vital.low) / 400 // step * step)


def test_bands_touch_each_other() -> None:
    bands = bands_of(ROWS, "temperature", "somebody", 40)
    assert len(bands) > 2
    assert [band.high for band in bands[:-1]] == pytest.approx([band.low for band in bands[1:]])


def test_a_patients_own_limits_take_the_place_of_the_general_ones() -> None:
    own = bands_of([*ROWS, *OWN], "spo2", "copd", 70)
    assert all(band.is_own for band in own)
    assert next(band.text for band in own if band.is_normal) == "88 to 92 %"
    assert not any(band.is_own for band in bands_of([*ROWS, *OWN], "spo2", "another", 70))


def test_a_vital_without_limits_has_no_bands() -> None:
    assert bands_of([], "spo2", "somebody", 40) == []


def test_the_axis_holds_all_values_and_the_normal_band() -> None:
    bands = bands_of(ROWS, "heart_rate", "somebody", 40)
    normal = next(band for band in bands if band.is_normal)
    assert normal.low is not None
    assert normal.high is not None
    low, high = axis_range([30, 75], bands, "heart_rate")
    assert low < 30
    assert high > normal.high
    assert axis_range([], [], "spo2") == (0, 100)
