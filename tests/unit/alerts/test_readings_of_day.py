"""Rows of Hive's tables as series of arrays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alerts.message import UNKNOWN_WARD
from alerts.readings_of_day import Window, as_history, rows_of
from alerts.rehearsal import Patient
from clinical.vitals import SIGNAL_QUALITY, VITALS

START = datetime(2026, 1, 31, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
LEAST = 20.0
KNOWN = {"P1": Patient("P1", "ICU", 50.0)}
NUMBER = pa.decimal128(10, 3)
TIME = pa.timestamp("us", "UTC")


def readings(*rows: tuple[str, int, dict[str, str]]) -> pa.Table:
    """Patient, second, vitals."""
    columns = {
        "patient_id": pa.array([patient for patient, _, _ in rows], pa.string()),
        "recorded_at": pa.array([START + timedelta(seconds=second) for _, second, _ in rows], TIME),
    }
    for name in (*VITALS, SIGNAL_QUALITY):
        values = [Decimal(vitals[name]) if name in vitals else None for _, _, vitals in rows]
        columns[name] = pa.array(values, NUMBER)
    return pa.table(columns)


def derived(*rows: tuple[str, int, str, str, int, int]) -> pa.Table:
    """Patient, second, attribute, value, inputs used and expected."""
    patients, seconds, attributes, values, used, expected = zip(*rows, strict=True) if rows else ((),) * 6
    return pa.table(
        {
            "patient_id": pa.array(patients, pa.string()),
            "computed_for": pa.array([START + timedelta(seconds=second) for second in seconds], TIME),
            "attribute": pa.array(attributes, pa.string()),
            "value": pa.array([Decimal(value) for value in values], NUMBER),
            "inputs_used": pa.array(used, pa.int64()),
            "inputs_expected": pa.array(expected, pa.int64()),
        }
    )


def test_each_patient_has_a_series_of_each_vital_that_was_measured_by_time() -> None:
    rows = readings(
        ("P1", 2, {"heart_rate": "71"}),
        ("P2", 1, {"heart_rate": "80", "temperature": "38.05"}),
        ("P1", 1, {"heart_rate": "70"}),
        ("P1", 3, {"spo2": "97"}),
    )
    found = as_history(rows, derived(), KNOWN, 9, LEAST)
    assert found.until == 9
    (first, its), (second, others) = found.patients
    assert (first, second) == (KNOWN["P1"], Patient("P2", UNKNOWN_WARD, None))
    assert [(one.attribute, ((one.recorded_at - START_MS) // 1000).tolist(), one.values.tolist()) for one in its] == [
        ("heart_rate", [1, 2], [70.0, 71.0]),
        ("spo2", [3], [97.0]),
    ]
    assert [(one.attribute, one.values.tolist()) for one in others] == [
        ("heart_rate", [80.0]),
        ("temperature", [38.05]),
    ]


def test_derived_values_say_which_of_them_are_partial() -> None:
    rows = derived(
        ("P1", 20, "news2", "5", 7, 7), ("P1", 10, "news2", "3", 5, 7), ("P1", 10, "glucose_mean_10m", "99.5", 2, 2)
    )
    ((_, series),) = as_history(readings(("P1", 0, {})), rows, KNOWN, 0, LEAST).patients
    mean, score = series
    assert (mean.attribute, mean.values.tolist()) == ("glucose_mean_10m", [99.5])
    assert (score.attribute, score.values.tolist()) == ("news2", [3.0, 5.0])
    assert score.partial is not None
    assert score.partial.tolist() == [True, False]


def test_a_patient_of_whom_only_derived_values_are_left_is_there_too() -> None:
    found = as_history(readings(), derived(("P9", 0, "news2", "5", 7, 7)), KNOWN, 0, LEAST)
    assert [patient.patient_id for patient, _ in found.patients] == ["P9"]
    assert found.patients[0][1][0].recorded_at.dtype == np.int64


def test_what_came_without_contact_is_left_out_and_what_a_cuff_measured_then_is_not() -> None:
    rows = readings(
        ("P1", 1, {"heart_rate": "0", "systolic_bp": "120", SIGNAL_QUALITY: "19.999"}),
        ("P1", 2, {"heart_rate": "70", SIGNAL_QUALITY: "20"}),
        ("P1", 3, {"heart_rate": "71"}),
    )
    ((_, series),) = as_history(rows, derived(), KNOWN, 0, LEAST).patients
    assert {one.attribute: one.values.tolist() for one in series} == {
        "heart_rate": [70.0, 71.0],
        "systolic_bp": [120.0],
    }


def test_a_file_of_before_a_column_existed_has_none_of_it(tmp_path: Path) -> None:
    """As it is read: a file object, of which columns are asked for that it does not have."""
    pq.write_table(readings(("P1", 1, {"heart_rate": "70"})).drop_columns([SIGNAL_QUALITY]), tmp_path / "old.parquet")
    with (tmp_path / "old.parquet").open("rb") as file:
        new = rows_of(file, ["heart_rate", SIGNAL_QUALITY])
    assert new.column_names == ["heart_rate", SIGNAL_QUALITY]
    assert (new["heart_rate"].to_pylist(), new[SIGNAL_QUALITY].to_pylist()) == ([Decimal("70.000")], [None])
    assert new.schema.field(SIGNAL_QUALITY).type == NUMBER


def test_a_window_takes_its_begin_and_not_its_end_and_only_what_was_asked_for() -> None:
    rows = readings(*(("P1", second, {"heart_rate": str(60 + second)}) for second in (9, 10, 19, 20)))
    window = Window(START + timedelta(seconds=10), START + timedelta(seconds=20), frozenset({"heart_rate"}))
    inside = window.of(rows, "recorded_at").select(["patient_id", "recorded_at", "heart_rate", SIGNAL_QUALITY])
    ((_, series),) = as_history(inside, derived(), KNOWN, 0, LEAST).patients
    assert [(one.attribute, one.values.tolist()) for one in series] == [("heart_rate", [70.0, 79.0])]
    assert window.of(derived(), "computed_for").num_rows == 0
    assert window.of(pa.table({"recorded_at": pa.array([], pa.string())}), "recorded_at").num_rows == 0
