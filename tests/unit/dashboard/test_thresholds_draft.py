"""Changes of the threshold table are collected, checked and made together, or refused."""

from __future__ import annotations

import pytest

from dashboard.limits.draft import Draft, StaleDraftError, check_unchanged, differing
from dashboard.limits.saving import DETAIL_CHARACTERS, audit_details, checked_reason
from hbase.edits import Edit, check
from hbase.patient_edits import plan_patient
from infra.errors import ConfigurationError
from tests.unit.dashboard.threshold_tables import default_cells, edited, state_of

BASE = state_of(default_cells())


def draft() -> Draft:
    return Draft(BASE, "ops")


def test_what_was_edited_while_the_rest_was_saved_is_what_is_left() -> None:
    one = draft()
    one.set("spo2#004", {"alert_flag": "0"})
    one.delete("heart_rate#040")
    saved = one.copy()
    one.set("spo2#004", {"delay_seconds": "77"})
    one.set("heart_rate#041", {"low_value": "126"})
    now = edited(BASE, saved.edit(), "ops")
    left = one.since(saved).moved_to(now)
    assert left.edit() == Edit({"spo2#004": {"delay_seconds": "77"}, "heart_rate#041": {"low_value": "126"}})
    assert not saved.since(saved).moved_to(now)


def test_an_untouched_draft_changes_nothing() -> None:
    one = draft()
    one.set("spo2#004", {"high_value": "91", "delay_seconds": BASE.cells["spo2#004"]["delay_seconds"]})
    assert not one
    assert (one.changes(), one.problems(), one.groups()) == ([], [], [])


def test_two_bands_that_share_a_limit_are_moved_together() -> None:
    one = draft()
    one.set("heart_rate#040", {"high_value": "125"})
    assert "no row covers the values 126 to 130" in str(one.problems()[0])
    one.set("heart_rate#041", {"low_value": "126"})
    assert one.problems() == []
    assert one.edit() == Edit({"heart_rate#040": {"high_value": "125"}, "heart_rate#041": {"low_value": "126"}})
    assert [str(change) for change in one.changes()] == [
        "heart_rate#040 high_value: 130 -> 125",
        "heart_rate#041 low_value: 131 -> 126",
    ]
    check(BASE.cells, one.edit().signed("ops"))


def test_the_neighbouring_band_can_be_moved_along() -> None:
    one = draft()
    one.set("heart_rate#040", {"high_value": "125"})
    one.follow_neighbours()
    assert one.cells["heart_rate#041"]["low_value"] == "126"
    assert one.problems() == []
    assert one.neighbours() is None
    assert "updated_by" not in one.edit().puts["heart_rate#040"]


def test_a_row_is_switched_off_and_taken_back() -> None:
    one = draft()
    one.set("spo2#004", {"alert_flag": "0"})
    assert [str(change) for change in one.changes()] == ["spo2#004 alert_flag: 1 -> 0"]
    one.take_back("spo2#004")
    assert not one


def test_rows_are_added_under_a_key_that_never_was_and_deleted() -> None:
    one = draft()
    last = max(key for key in BASE.cells if key.startswith("spo2#"))
    one.delete(last)
    key = one.add("spo2", {"low_age_limit": "16", "direction": "normal", "alert_flag": "0", "clear_margin": "1"})
    assert key not in BASE.cells
    assert one.edit().deletes == (last,)
    assert [(change.row_key, change.column) for change in one.changes()] == [(key, None), (last, None)]
    one.take_back(key)
    one.take_back(last)
    assert not one


def test_what_cannot_be_set_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no row spo2#999"):
        draft().set("spo2#999", {"high_value": "1"})
    with pytest.raises(ConfigurationError, match="'attribute' cannot be set"):
        draft().set("spo2#004", {"attribute": "glucose"})


def test_limits_of_one_patient_need_no_author_in_the_draft_as_saving_writes_it() -> None:
    one = draft()
    one.take(plan_patient(one.cells, "P-7", "spo2", "88:92", "ops", "COPD"))
    assert one.problems() == []
    assert one.groups() == [("spo2", "P-7")]
    key = one.add(
        "spo2", {"direction": "high", "alert_flag": "0", "patient_id": "P-7", "reason": "x", "clear_margin": "0"}
    )
    assert not any("updated_by" in str(problem) for problem in one.problems())
    assert any(problem.row_key == key for problem in one.problems())


def test_a_draft_on_a_table_that_others_changed_is_refused_and_says_who_did() -> None:
    now = edited(BASE, Edit({"spo2#005": {"delay_seconds": "9"}}), "Dr Jane")
    with pytest.raises(StaleDraftError, match=r"Nothing was saved.*spo2#005 by Dr Jane"):
        check_unchanged(BASE, now)
    check_unchanged(BASE, BASE)


def test_an_edit_that_others_undid_again_is_noticed_too() -> None:
    with pytest.raises(StaleDraftError):
        check_unchanged(BASE, state_of(default_cells(), BASE.edition + 2))


def test_a_deletion_in_the_shell_is_noticed_without_an_edition() -> None:
    without = {key: row for key, row in default_cells().items() if key != "spo2#005"}
    with pytest.raises(StaleDraftError, match="spo2#005 deleted"):
        check_unchanged(BASE, state_of(without))
    assert differing(BASE, state_of(without)) == ["spo2#005"]


def test_a_draft_is_taken_over_to_the_table_as_it_is_now() -> None:
    one = draft()
    one.set("heart_rate#040", {"high_value": "125"})
    one.set("spo2#004", {"delay_seconds": "3"})
    one.delete("temperature#001")
    key = one.add("spo2", {"direction": "high", "clear_margin": "0"})
    now = edited(BASE, Edit({key: {**one.cells[key], "direction": "low"}}, ("spo2#004",)), "Dr Jane")
    moved = one.moved_to(now)
    assert moved.base is now
    assert moved.edit().puts["heart_rate#040"] == {"high_value": "125"}
    assert moved.edit().deletes == ("temperature#001",)
    assert "spo2#004" not in moved.cells
    assert moved.cells[key]["direction"] == "low"
    (added,) = set(moved.edit().puts) - set(now.cells)
    assert moved.cells[added]["direction"] == "high"


def test_the_audit_says_why_and_each_cell_from_and_to() -> None:
    edit = Edit({"heart_rate#040": {"high_value": "125"}, "heart_rate#041": {"low_value": ""}})
    assert audit_details(BASE, edit, "Committee") == [
        "Committee: heart_rate#040 high_value: 130 -> 125; heart_rate#041 low_value: 131 -> (blank)"
    ]


def test_a_long_edit_fills_several_lines_of_the_audit_and_loses_nothing() -> None:
    edit = Edit(deletes=tuple(key for key in BASE.cells if key.startswith("heart_rate#")))
    details = audit_details(BASE, edit, "No longer measured")
    assert len(details) > 1
    assert all(len(detail) <= 4000 and detail.startswith("No longer measured") for detail in details)
    assert all(any(f"{key}: attribute" in detail for detail in details) for key in edit.deletes)
    assert DETAIL_CHARACTERS < 4000


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 501, "bell \x07"])
def test_a_reason_is_asked_for(reason: str) -> None:
    with pytest.raises(ConfigurationError):
        checked_reason(reason)


def test_a_reason_is_one_line() -> None:
    assert checked_reason("  Committee of\nMay ") == "Committee of May"
