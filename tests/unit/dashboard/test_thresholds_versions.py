"""The history of a row: who made of it what, and what it was before."""

from __future__ import annotations

import pytest

from dashboard.limits.versions import before_the_last_change, row_versions, saved_together, undone
from hbase.edits import Edit
from hbase.table import VERSIONS, CellVersion
from infra.errors import ConfigurationError
from tests.unit.dashboard.threshold_tables import WRITTEN, default_cells, edited, state_of


def cell(column: str, text: str, at: int) -> CellVersion:
    return CellVersion(column, text, at)


FIRST = [cell("attribute", "spo2", 1), cell("high_value", "91", 1), cell("updated_by", "defaults", 1)]


def test_each_moment_says_what_changed_and_who_did_it() -> None:
    versions = row_versions(
        [*FIRST, cell("high_value", "90", 2), cell("updated_by", "ops", 2), cell("delay_seconds", "3", 3)]
    )
    assert [(one.at, one.author) for one in versions] == [(1, "defaults"), (2, "ops"), (3, None)]
    assert versions[1].changed == {"high_value": ("91", "90")}
    assert versions[2].changed == {"delay_seconds": ("", "3")}
    assert versions[2].settable["high_value"] == "90"


def test_the_version_before_the_last_change_passes_over_what_changed_nothing() -> None:
    versions = row_versions(
        [*FIRST, cell("high_value", "90", 2), cell("high_value", "90", 3), cell("updated_by", "x", 3)]
    )
    before = before_the_last_change(versions)
    assert before is not None
    assert (before.at, before.settable["high_value"]) == (1, "91")


def test_a_row_that_never_was_otherwise_has_nothing_before_it() -> None:
    assert before_the_last_change(row_versions(FIRST)) is None
    assert before_the_last_change([]) is None


def test_a_moment_from_which_a_cell_is_forgotten_is_not_whole() -> None:
    many = [cell("high_value", str(80 + at), at) for at in range(5, 5 + VERSIONS)]
    versions = row_versions([cell("attribute", "spo2", 1), cell("direction", "low", 1), *many])
    assert [one.is_whole for one in versions] == [False] + [True] * VERSIONS
    before = before_the_last_change(versions)
    assert before is not None
    assert before.settable["high_value"] == str(80 + 3 + VERSIONS)


def test_rows_of_one_edit_are_known_by_author_and_moment() -> None:
    state = state_of(default_cells())
    edit = Edit({"heart_rate#040": {"high_value": "125"}, "heart_rate#041": {"low_value": "126"}})
    later = edited(
        edited(state, edit, "ops"), Edit({"heart_rate#039": {"delay_seconds": "9"}}), "ops", WRITTEN + 90_000
    )
    keys = [key for key in later.cells if key.startswith("heart_rate#")]
    assert saved_together(later, "heart_rate#041", keys) == ["heart_rate#040", "heart_rate#041"]
    assert saved_together(later, "heart_rate#039", keys) == ["heart_rate#039"]


def test_an_undo_takes_back_what_was_saved_together_and_what_was_added_with_it() -> None:
    changed = row_versions([*FIRST, cell("high_value", "90", 2), cell("updated_by", "ops", 2)])
    added = row_versions([cell("attribute", "spo2", 2), cell("updated_by", "ops", 2)])
    before = undone("spo2#004", {"spo2#004": changed, "spo2#008": added})
    assert before["spo2#008"] is None
    assert before["spo2#004"] is not None
    assert before["spo2#004"]["high_value"] == "91"


def test_the_rows_that_were_there_from_the_first_cannot_be_undone_away() -> None:
    with pytest.raises(ConfigurationError, match="no version of spo2#004"):
        undone("spo2#004", {"spo2#004": row_versions(FIRST), "spo2#005": row_versions(FIRST)})
