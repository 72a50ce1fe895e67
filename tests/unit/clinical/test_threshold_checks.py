"""Each way in which a threshold table can be wrong is found, and a right one passes."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.thresholds import check_table, judge, judging_bands, parse_rows, read_table
from clinical.vitals import JUDGED
from hbase.files import DEFAULT_TABLE, keyed, read_csv

Cells = dict[str, dict[str, str]]


def table() -> Cells:
    return {
        key: {**row, "updated_by": "ops"}
        for key, row in keyed(read_csv(DEFAULT_TABLE)).items()
        if row["attribute"] in ("heart_rate", "spo2", "temperature")
    }


def problems_after(key: str, **cells: str) -> list[str]:
    changed = table()
    changed[key] = changed[key] | cells
    return [str(problem) for problem in read_table(changed)[1]]


def test_the_table_that_the_cases_start_from_is_right() -> None:
    assert read_table(table())[1] == []


@pytest.mark.parametrize(
    ("key", "cells", "reason"),
    [
        ("spo2#001", {"high_value": "ninety"}, "spo2#001: high_value is 'ninety', which is no number"),
        ("spo2#001", {"high_value": "90,5"}, "no number"),
        ("spo2#001", {"high_value": "nan"}, "no number"),
        ("spo2#001", {"high_value": "9e1"}, "no number"),
        ("spo2#001", {"low_age_limit": ""}, "low_age_limit is ''"),
        ("spo2#001", {"delay_seconds": "1.5"}, "whole seconds"),
        ("spo2#001", {"delay_seconds": "-1"}, "whole seconds"),
        ("spo2#001", {"clear_margin": "-1"}, "clear_margin -1 is below 0"),
        ("spo2#001", {"alert_flag": "yes"}, "alert_flag is 'yes': use one of 0, 1"),
        ("spo2#001", {"severity": "urgent"}, "severity is 'urgent': use one of high, medium, low"),
        ("spo2#001", {"severity": ""}, "severity is ''"),
        ("spo2#001", {"direction": "down"}, "direction is 'down'"),
        ("spo2#001", {"alert_message": " "}, "alert_message is blank"),
        ("spo2#001", {"alert_message": "two\nlines"}, "line break"),
        ("spo2#001", {"low_valu": "3"}, "'low_valu' is no column"),
        ("spo2#003", {"alert_flag": "1", "severity": "low"}, "a normal band cannot alarm"),
        ("spo2#001", {"attribute": ""}, "attribute is blank"),
        ("spo2#001", {"attribute": "heart_rate"}, "the row key does not fit its attribute 'heart_rate'"),
        ("heart_rate#002", {"low_value": "95"}, "heart_rate#002: low_value 95 is above high_value 90"),
        ("heart_rate#001", {"high_value": "80.5"}, "finer than the resolution of heart_rate, which is 1"),
        ("temperature#001", {"high_value": "34.95"}, "finer than the resolution of temperature, which is 0.1"),
        ("heart_rate#001", {"low_age_limit": "-1"}, "below 0"),
        ("heart_rate#001", {"high_age_limit": "0"}, "high_age_limit 0 is not above low_age_limit 0"),
        ("heart_rate#002", {"low_value": "80"}, "overlaps heart_rate#001: both hold the value 80"),
        ("heart_rate#002", {"low_value": "83"}, "no row covers the values 81 to 82, between heart_rate#001"),
        ("heart_rate#001", {"low_value": "0"}, "no row covers the values below 0"),
        ("heart_rate#007", {"high_value": "300"}, "no row covers the values above 300"),
        ("heart_rate#004", {"direction": "high"}, "ages from 0 to below 0.25: there is no normal band"),
        ("heart_rate#003", {"direction": "normal", "alert_flag": "0"}, "a second normal band beside heart_rate#003"),
        ("heart_rate#003", {"direction": "high"}, "lies below the normal band heart_rate#004, so its direction is low"),
        ("heart_rate#005", {"direction": "low"}, "lies above the normal band heart_rate#004, so its direction is high"),
        ("heart_rate#003", {"clear_margin": "39"}, "the alarm would never clear"),
        ("spo2#001", {"clear_margin": "10"}, "the alarm would never clear"),
        ("heart_rate#001", {"high_age_limit": "0.5"}, "ages from 0.25 to below 0.5: overlaps"),
        ("heart_rate#001", {"low_age_limit": "0.1"}, "ages from 0 to below 0.1: no row covers the values below 81"),
    ],
)
def test_each_kind_of_break_is_named(key: str, cells: dict[str, str], reason: str) -> None:
    found = problems_after(key, **cells)
    assert any(reason in problem for problem in found), found


def test_an_empty_table_is_a_problem_of_the_table() -> None:
    (problem,) = read_table({})[1]
    assert problem.row_key == ""
    assert "no rows" in problem.reason
    assert check_table([]) == [problem]


def test_an_unknown_attribute_is_named_with_those_that_are_known() -> None:
    cells = table()
    cells["lactate#001"] = cells["spo2#003"] | {"attribute": "lactate", "low_value": ""}
    (problem,) = read_table(cells)[1]
    assert problem.row_key == "lactate#001"
    assert "heart_rate" in problem.reason


def test_a_deleted_row_leaves_a_hole_and_a_deleted_age_group_too() -> None:
    cells = table()
    del cells["heart_rate#002"]
    assert ["heart_rate#003: " in str(p) and "81 to 90" in str(p) for p in read_table(cells)[1]] == [True]
    children = {k: v for k, v in table().items() if v["attribute"] != "spo2" or v["low_age_limit"] == "16"}
    (problem,) = read_table(children)[1]
    assert "spo2, ages from 0 to below 16: no row covers these ages" in str(problem)
    adults = {k: v for k, v in table().items() if v["attribute"] != "spo2" or v["low_age_limit"] == "0"}
    (problem,) = read_table(adults)[1]
    assert "spo2, ages from 16: no row covers these ages" in str(problem)


def test_deleting_every_row_of_an_attribute_is_allowed() -> None:
    assert read_table({k: v for k, v in table().items() if v["attribute"] != "spo2"})[1] == []


def test_an_unreadable_row_is_reported_without_the_holes_that_it_leaves() -> None:
    assert len(problems_after("heart_rate#002", low_value="x")) == 1


def test_a_problem_over_neighbouring_ages_is_reported_once() -> None:
    cells = table()
    for key in [key for key in cells if key.startswith("spo2")]:
        del cells[key]
    row = {**table()["spo2#003"], "high_age_limit": "", "low_value": "90"}
    low = {**table()["spo2#001"], "high_age_limit": "", "high_value": "80"}
    split = {**low, "low_age_limit": "0", "high_age_limit": "5"}
    cells |= {"spo2#001": split, "spo2#002": {**low, "low_age_limit": "5"}, "spo2#003": row}
    found = [str(problem) for problem in read_table(cells)[1]]
    assert len(found) == 2
    assert all("81 to 89" in problem for problem in found)


def with_own_limits(**cells: str) -> Cells:
    """The table with limits of one patient for oxygen saturation, at any age; `cells` change the lower band."""
    own = {"low_age_limit": "0", "high_age_limit": "", "patient_id": "P-7", "reason": "COPD", "updated_by": "Dr Jane"}
    low = {**table()["spo2#001"], **own, "high_value": "87", **cells}
    return {**table(), "spo2#008": low, "spo2#009": {**table()["spo2#003"], **own, "low_value": "88"}}


def test_a_patients_own_limits_are_a_table_of_their_own_beside_the_general_one() -> None:
    rows, problems = read_table(with_own_limits())
    assert problems == []
    assert [row.patient_id for row in rows if row.row_key in ("spo2#007", "spo2#008")] == [None, "P-7"]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"reason": " "}, "spo2#008: reason is blank: limits of one patient need the reason"),
        ({"updated_by": ""}, "spo2#008: updated_by is blank: limits of one patient need an author"),
        ({"high_value": "80"}, "spo2#009: spo2 of patient P-7, ages from 0: no row covers the values 81 to 87"),
        ({"high_value": "88"}, "spo2#009: spo2 of patient P-7, ages from 0: overlaps spo2#008"),
        ({"high_age_limit": "70"}, "spo2#009: spo2 of patient P-7, ages from 70: no row covers the values below 88"),
        ({"patient_id": "P-8"}, "spo2#008: spo2 of patient P-8, ages from 0: there is no normal band"),
        ({"patient_id": ""}, "spo2#001: spo2, ages from 0 to below 16: overlaps spo2#008"),
        ({"patient_id": "P\n7"}, "spo2#008: patient_id holds a line break"),
    ],
)
def test_each_way_in_which_one_patients_limits_are_wrong_is_named_with_row_and_patient(
    cells: dict[str, str], problem: str
) -> None:
    found = [str(one) for one in read_table(with_own_limits(**cells))[1]]
    assert any(one.startswith(problem) for one in found), found


def test_one_patients_limits_do_not_fill_a_hole_in_the_general_ones() -> None:
    cells = with_own_limits()
    del cells["spo2#001"]
    assert any(str(problem).startswith("spo2#002: spo2, ages") for problem in read_table(cells)[1])


def test_surrounding_blanks_do_not_count() -> None:
    assert problems_after("spo2#001", high_value=" 90 ", direction="low ") == []


@st.composite
def right_tables(draw: st.DrawFn) -> Cells:
    """Any right table: for some attributes, general or of one patient, age groups that follow each other, each cut into
    bands."""
    rows: list[dict[str, str]] = []
    groups = st.tuples(st.sampled_from(sorted(JUDGED)), st.sampled_from(["", "", "P-1", "P-2"]))
    for attribute, patient in draw(st.lists(groups, min_size=1, max_size=4, unique=True)):
        scale = JUDGED[attribute].scale
        quarters = sorted(draw(st.sets(st.integers(1, 400), max_size=3)))
        ages = ["0", *(str(Decimal(n) / 4) for n in quarters), ""]
        for low_age, high_age in pairwise(ages):
            cuts = sorted(draw(st.sets(st.integers(-50, 5000), max_size=6)))
            limits: list[int | None] = [None, *cuts, None]
            normal = draw(st.integers(0, len(limits) - 2))
            for number, (low, high) in enumerate(pairwise(limits)):
                first = None if low is None else low + 1
                side = "normal" if number == normal else "low" if number < normal else "high"
                flag = "0" if side == "normal" else draw(st.sampled_from("01"))
                rows.append(
                    {
                        "attribute": attribute,
                        "low_age_limit": low_age,
                        "high_age_limit": high_age,
                        "direction": side,
                        "low_value": "" if first is None else str(Decimal(first).scaleb(-scale)),
                        "high_value": "" if high is None else str(Decimal(high).scaleb(-scale)),
                        "alert_flag": flag,
                        "severity": "high" if flag == "1" else "",
                        "delay_seconds": "15",
                        "clear_margin": "0",
                        "alert_message": "message",
                        "source": "generated",
                        "patient_id": patient,
                        "reason": "test",
                        "updated_by": "test",
                    }
                )
    return keyed(draw(st.permutations(rows)))


@settings(max_examples=60)
@given(right_tables(), st.data())
def test_any_right_table_passes_and_judges_each_value_by_one_row(cells: Cells, data: st.DataObject) -> None:
    rows, problems = read_table(cells)
    assert problems == []
    whose = sorted({(row.attribute, row.patient_id or "") for row in rows})
    attribute, patient = data.draw(st.sampled_from(whose))
    value = Decimal(data.draw(st.integers(-60, 5010))).scaleb(-JUDGED[attribute].scale)
    age = data.draw(st.floats(0, 120, allow_nan=False))
    row = judge(rows, attribute, value, age, patient)
    assert row is not None
    assert (row.patient_id or "") == patient
    bands = [
        band
        for band in judging_bands(rows)
        if (band.row.attribute, band.row.patient_id or "") == (attribute, patient)
        and float(band.low_age) <= age
        and (band.high_age is None or age < float(band.high_age))
        and (band.row.low_value is None or band.row.low_value <= value)
        and (band.row.high_value is None or value <= band.row.high_value)
    ]
    assert [band.row for band in bands] == ([row] if row.alert_flag else [])


@settings(max_examples=60)
@given(right_tables(), st.data())
def test_taking_any_row_out_of_a_right_table_is_noticed_unless_its_attribute_goes_with_it(
    cells: Cells, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(cells)))
    whose = cells[key]["attribute"], cells[key]["patient_id"]
    left = {other: row for other, row in cells.items() if other != key}
    others = any((row["attribute"], row["patient_id"]) == whose for row in left.values())
    problems = read_table(left)[1]
    assert bool(problems) == (others or not left)


@settings(max_examples=60)
@given(right_tables(), st.data())
def test_putting_any_row_in_twice_is_noticed_as_an_overlap(cells: Cells, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(cells)))
    twice = cells | {f"{cells[key]['attribute']}#999": cells[key]}
    assert any("overlaps" in problem.reason for problem in read_table(twice)[1])


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=12), st.dictionaries(st.text(max_size=12), st.text(max_size=12))))
def test_any_text_at_all_gives_rows_or_problems_and_never_an_exception(cells: Cells) -> None:
    rows, problems = parse_rows(cells)
    assert len(rows) + len(problems) == len(cells)
    read_table(cells)
