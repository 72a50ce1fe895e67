"""Limits of one patient are written under free keys, replaced and taken away, and refused with one sentence."""

from __future__ import annotations

import pytest

from clinical.thresholds import judge
from hbase.edits import RefusedError, check, companions, limits_left, plan_delete, plan_import, plan_set
from hbase.files import DEFAULT_TABLE, HOME_GLUCOSE, keyed, read_csv
from hbase.patient_edits import plan_patient, plan_patient_removal
from hbase.table import Cells
from infra.errors import ConfigurationError

DEFAULTS = read_csv(DEFAULT_TABLE)
BOTH = ["glucose", "glucose_mean_10m"]


def table() -> Cells:
    return {key: {**row, "updated_by": "first"} for key, row in keyed(DEFAULTS).items()}


def with_limits(cells: Cells, patient: str = "P-7", attribute: str = "spo2", normal: str = "88:92") -> Cells:
    return plan_patient(cells, patient, attribute, normal, "Dr Jane", "COPD").applied_to(cells)


def own(cells: Cells, patient: str = "P-7") -> Cells:
    return {key: row for key, row in cells.items() if row.get("patient_id") == patient}


def as_file(cells: Cells) -> list[dict[str, str]]:
    return [{column: text for column, text in row.items() if column != "updated_by"} for row in cells.values()]


def test_a_patients_limits_stand_under_the_next_free_keys_with_author_and_reason() -> None:
    cells = with_limits(table())
    assert list(own(cells)) == [f"spo2#{number:03d}" for number in range(8, 13)]
    assert {(row["updated_by"], row["reason"]) for row in own(cells).values()} == {("Dr Jane", "COPD")}
    row = judge(check(table(), plan_patient(table(), "P-7", "spo2", "88:", "A", "R")), "spo2", 88, 70, "P-7")
    assert row is not None
    assert row.direction == "normal"


def test_limits_of_another_patient_come_behind_and_new_ones_take_the_place_of_the_old() -> None:
    cells = with_limits(with_limits(table()), "P-8")
    assert next(iter(own(cells, "P-8"))) == "spo2#013"
    again = plan_patient(cells, "P-7", "spo2", "86:", "Dr Bo", "COPD")
    assert set(again.puts) <= set(own(cells))
    assert len(again.deletes) == 1, "there is no band above any more"
    assert own(again.applied_to(cells), "P-8") == own(cells, "P-8")
    assert not plan_patient(cells, "P-7", "spo2", "88:92", "Dr Bo", "COPD"), "they say so already"


def test_limits_that_are_taken_away_leave_the_general_ones() -> None:
    cells = with_limits(with_limits(table()), "P-8")
    assert plan_patient_removal(cells, "P-8", "spo2").applied_to(cells) == with_limits(table())
    for patient, attribute in (("P-9", "spo2"), ("P-7", "glucose"), ("", "spo2")):
        with pytest.raises(ConfigurationError, match="has no limits of their own"):
            plan_patient_removal(cells, patient, attribute)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("P-7", "spo2", "88:92", " ", "COPD"), "need an author: add --author"),
        (("P-7", "spo2", "88:92", "Dr Jane", ""), "need a reason: add --reason"),
        ((" ", "spo2", "88:92", "Dr Jane", "COPD"), "need a patient"),
        (("P-7", "spo2", "92:88", "Dr Jane", "COPD"), "lower limit 92 is above the upper limit 88"),
        (("P-7", "sp02", "88:92", "Dr Jane", "COPD"), "'sp02' is no attribute"),
        (("P-7", "spo2", "88", "Dr Jane", "COPD"), "write LOW:HIGH, for example 88:92"),
        (("P-7", "spo2", ":", "Dr Jane", "COPD"), "write LOW:HIGH"),
        (("P-7", "spo2", "88-92", "Dr Jane", "COPD"), "write LOW:HIGH"),
        (("P-7", "spo2", "", "Dr Jane", "COPD"), "write LOW:HIGH"),
    ],
)
def test_what_is_missing_or_makes_no_sense_is_refused(words: tuple[str, str, str, str, str], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        plan_patient(table(), *words)


def test_a_band_of_one_patient_cannot_be_left_with_a_hole_and_the_command_offered_moves_that_patients_bands_alone() -> (
    None
):
    cells = with_limits(table())
    edit = plan_set(cells, ["spo2#008", "high_value=80"])
    with pytest.raises(RefusedError, match="spo2 of patient P-7, ages from 0: no row covers the values 81 to 83"):
        check(cells, edit)
    whole = companions(cells, edit)
    assert whole is not None
    assert whole.puts == {"spo2#008": {"high_value": "80"}, "spo2#009": {"low_value": "81"}}
    with pytest.raises(RefusedError, match="P-7"):
        check(cells, plan_delete(cells, ["spo2#010"]))


def test_a_table_that_is_not_right_is_not_made_the_base_of_limits() -> None:
    cells = table()
    cells["spo2#001"]["high_value"] = "ninety"
    with pytest.raises(RefusedError, match="ninety"):
        with_limits(cells)


def test_an_import_leaves_limits_of_patients_that_the_file_does_not_have() -> None:
    cells = with_limits(with_limits(table()), "P-7", "glucose", "80:200")
    assert not plan_import(cells, DEFAULTS), "an export from before they were set"
    assert limits_left(cells, DEFAULTS) == [("glucose", "P-7"), ("spo2", "P-7")]
    home = plan_import(cells, read_csv(HOME_GLUCOSE), BOTH)
    check(cells, home)
    assert own(home.applied_to(cells)) == own(cells)
    assert limits_left(cells, read_csv(HOME_GLUCOSE), BOTH) == [("glucose", "P-7")]
    assert not set(home.puts) & set(own(cells))


def test_an_export_with_limits_of_patients_changes_nothing_and_brings_them_back() -> None:
    cells = with_limits(with_limits(table()), "P-8")
    assert not plan_import(cells, as_file(cells))
    assert limits_left(cells, as_file(cells)) == []
    back = plan_import(table(), as_file(cells)).signed("ops")
    check(table(), back)
    assert set(back.puts) == set(own(cells)) | set(own(cells, "P-8")), "each group has keys of its own"


def test_a_file_with_limits_of_one_patient_alone_leaves_the_general_rows() -> None:
    edit = plan_import(table(), as_file(own(with_limits(table()))), ["spo2"]).signed("ops")
    check(table(), edit)
    assert edit.deletes == ()
    assert set(edit.puts) == set(own(with_limits(table())))
