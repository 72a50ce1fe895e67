"""Keys and cells of recent readings: newest first, one patient's apart from another's, and nothing lost on the way."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clinical.vitals import CONSCIOUSNESS, DERIVED, MEASURED
from hbase.recent_rows import (
    LATEST_MS,
    DerivedValue,
    Reading,
    derived_cell,
    derived_of_cell,
    derived_of_message,
    key_parts,
    prefix,
    reading_cell,
    reading_of_cell,
    row_key,
    scan_range,
)

TEXTS = st.text(st.characters(codec="utf-8"))
PATIENTS = st.text(st.characters(codec="utf-8"), min_size=1)
TIMES = st.integers(0, LATEST_MS)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
READINGS = st.builds(
    Reading,
    PATIENTS,
    st.integers(-(2**63), 2**63 - 1),
    TIMES,
    st.dictionaries(st.sampled_from(list(MEASURED)), NUMBERS),
    st.none() | TEXTS,
    st.none() | st.booleans(),
    st.none() | st.sampled_from(CONSCIOUSNESS),
)
COUNTS = st.integers(0, 100)
DERIVED_VALUES = st.builds(DerivedValue, PATIENTS, st.sampled_from(list(DERIVED)), TIMES, NUMBERS, COUNTS, COUNTS)
MESSAGE = {
    "derived_id": "P1|news2|1763838000000|3|7",
    "patient_id": "P1",
    "attribute": "news2",
    "value": 3,
    "computed_for": 1_763_838_000_000,
    "inputs_used": 7,
    "inputs_expected": 7,
}


@given(PATIENTS, TIMES, TIMES)
def test_a_later_row_of_a_patient_comes_first(patient: str, one: int, other: int) -> None:
    assume(one < other)
    assert row_key(patient, other) < row_key(patient, one)


@given(PATIENTS, PATIENTS, TIMES)
def test_no_patients_prefix_begins_a_row_of_another(one: str, other: str, at: int) -> None:
    assume(one != other)
    assert not row_key(other, at).startswith(prefix(one))


@pytest.mark.parametrize("other", ["P11", "P1ÿ", "P1\x00", "P1 ", "P19999999999999", "p1"])
def test_ids_that_begin_alike_are_kept_apart(other: str) -> None:
    assert not row_key(other, 0).startswith(prefix("P1"))
    assert not row_key("P1", 0).startswith(prefix(other))


@given(PATIENTS, TIMES)
def test_a_key_tells_patient_and_time(patient: str, at: int) -> None:
    assert key_parts(row_key(patient, at)) == (patient, at)


@given(PATIENTS, TIMES, st.integers(-10, LATEST_MS + 10), st.integers(-10, LATEST_MS + 10))
def test_a_range_holds_the_rows_from_its_start_to_before_its_end(patient: str, at: int, start: int, end: int) -> None:
    first, stop = scan_range(patient, start, end)
    assert (first <= row_key(patient, at) < stop) == (start <= at < end)


@pytest.mark.parametrize("at", [-1, LATEST_MS + 1])
def test_a_time_that_no_key_can_hold_is_refused(at: int) -> None:
    with pytest.raises(ValueError, match="between 1970 and 2286"):
        row_key("P1", at)


@given(READINGS)
def test_a_reading_comes_back_from_its_cell(reading: Reading) -> None:
    assert reading_of_cell(reading.patient_id, *reading_cell(reading)) == reading


@given(READINGS)
def test_the_same_reading_gives_the_same_bytes_in_whatever_order_its_values_come(reading: Reading) -> None:
    turned = Reading(**{**vars(reading), "values": dict(reversed(list(reading.values.items())))})
    assert reading_cell(turned) == reading_cell(reading)


@given(DERIVED_VALUES)
def test_a_computed_value_comes_back_from_its_cell(derived: DerivedValue) -> None:
    assert derived_of_cell(derived.patient_id, derived.computed_for, *derived_cell(derived)) == derived


def test_a_score_that_lacks_inputs_is_partial() -> None:
    whole = derived_of_message(orjson.dumps(MESSAGE))
    partial = derived_of_message(orjson.dumps({**MESSAGE, "inputs_used": 6}))
    assert whole == DerivedValue("P1", "news2", 1_763_838_000_000, 3.0, 7, 7)
    assert partial is not None
    assert (whole.is_partial, partial.is_partial) == (False, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"not JSON",
        b"[]",
        b"{}",
        orjson.dumps({**MESSAGE, "attribute": "heart_rate"}),
        orjson.dumps({**MESSAGE, "attribute": ["news2"]}),
        orjson.dumps({**MESSAGE, "value": "3"}),
        orjson.dumps({**MESSAGE, "value": None}),
        orjson.dumps({**MESSAGE, "computed_for": -1}),
        orjson.dumps({**MESSAGE, "computed_for": 1.5}),
        orjson.dumps({**MESSAGE, "patient_id": ""}),
        orjson.dumps({**MESSAGE, "inputs_used": True}),
    ],
)
def test_what_is_no_computed_value_is_none(raw: bytes) -> None:
    assert derived_of_message(raw) is None
