"""Which rows the page shows, and whether the table is in force."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from clinical.thresholds import read_table
from dashboard.limits import in_force
from dashboard.limits.chosen import (
    ALL_AGES,
    age_choices,
    attributes_of,
    first_age,
    lanes_shown,
    patients_of,
    rows_shown,
)
from dashboard.limits.draft import Draft
from dashboard.limits.lanes import lanes_of
from hbase.edits import Edit
from hbase.patient_edits import plan_patient
from hbase.snapshots import content_hash, new_snapshot
from hbase.table import Cells
from tests.unit.dashboard.threshold_tables import default_cells, state_of

GENERAL = ("spo2", "")
UTC = ZoneInfo("UTC")


def keys(draft: Draft, age: str = ALL_AGES, group: tuple[str, str] = GENERAL) -> list[str]:
    return [shown.row_key for shown in rows_shown(draft.base.cells, draft.cells, group, age)]


def draft() -> Draft:
    return Draft(state_of(default_cells()), "ops")


def test_rows_of_an_age_group_are_shown_lowest_values_first() -> None:
    assert keys(draft()) == [f"spo2#00{number}" for number in range(1, 8)]
    assert keys(draft(), "16") == ["spo2#004", "spo2#005", "spo2#006", "spo2#007"]
    assert keys(draft(), "0") == ["spo2#001", "spo2#002", "spo2#003"]


def test_what_the_draft_changed_or_left_out_is_shown_at_any_age() -> None:
    one = draft()
    one.delete("spo2#001")
    one.set("spo2#002", {"delay_seconds": "9"})
    found = rows_shown(one.base.cells, one.cells, GENERAL, "16")
    shown = {row.row_key: (row.is_deleted, row.is_changed) for row in found}
    assert shown["spo2#001"] == (True, True)
    assert shown["spo2#002"] == (False, True)
    assert shown["spo2#004"] == (False, False)


def test_a_row_that_cannot_be_read_is_shown_at_any_age_and_first() -> None:
    one = draft()
    one.set("spo2#003", {"high_value": "ninety"})
    first = rows_shown(one.base.cells, one.cells, GENERAL, "16")[0]
    assert (first.row_key, first.row) == ("spo2#003", None)


def test_limits_of_one_patient_are_a_choice_of_their_own() -> None:
    one = draft()
    one.take(plan_patient(one.cells, "P-7", "spo2", "88:92", "ops", "COPD"))
    assert patients_of(one.cells, "spo2") == ["P-7"]
    assert patients_of(one.cells, "glucose") == []
    assert "spo2#008" in keys(one, group=("spo2", "P-7"))
    assert "spo2#008" not in keys(one)


def test_attributes_that_only_the_table_knows_can_be_chosen_too() -> None:
    cells = default_cells() | {"lactate#001": {"attribute": "lactate"}}
    assert attributes_of(cells)["lactate"] == "lactate"
    assert attributes_of(cells)["spo2"] == "Oxygen saturation"


def test_of_many_age_groups_the_adults_come_first_and_what_is_wrong_elsewhere_is_shown_as_well() -> None:
    one = draft()
    rows = one.rows(("heart_rate", ""))
    lanes = lanes_of(rows)
    assert first_age(lanes) == "16"
    assert first_age(lanes_of(one.rows(GENERAL))) == ALL_AGES
    assert next(iter(age_choices(lanes))) == ALL_AGES
    assert len(lanes_shown(lanes, "16")) == 1
    one.delete("heart_rate#001")
    assert len(lanes_shown(lanes_of(one.rows(("heart_rate", ""))), "16")) == 2


def version_of(cells: Cells) -> str:
    return new_snapshot(read_table(cells)[0], 1_700_000_000_000).version


def test_the_table_is_in_force_when_detection_names_its_version() -> None:
    cells = default_cells()
    table_hash = in_force.hash_of(cells)
    assert table_hash == content_hash(read_table(cells)[0])
    told = in_force.sentence(table_hash, version_of(cells), UTC)
    assert told == "✓ In force: detection judges by this table since 2023-11-14 22:13:20 UTC."


@pytest.mark.parametrize(
    ("version", "said"),
    [(None, "does not answer"), ("", "starting"), ("older", "Not in force yet")],
)
def test_a_table_that_is_not_in_force_is_not_said_to_be(version: str | None, said: str) -> None:
    after = Edit({"spo2#004": {"delay_seconds": "9"}}).applied_to(default_cells())
    judged_by = version_of(default_cells()) if version == "older" else version
    assert said in in_force.sentence(in_force.hash_of(after), judged_by, UTC)


def test_a_table_that_is_not_right_leaves_the_other_in_force() -> None:
    broken = Edit({"spo2#004": {"high_value": "80"}}).applied_to(default_cells())
    assert in_force.hash_of(broken) is None
    assert "not right" in in_force.sentence(None, version_of(default_cells()), UTC)
