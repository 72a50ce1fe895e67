"""Edits are planned as a whole and refused when the table would not be right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.thresholds import CSV_COLUMNS, read_table
from hbase.edits import Edit, RefusedError, check, companions, plan_add, plan_delete, plan_import, plan_set
from hbase.files import DEFAULT_TABLE, HOME_GLUCOSE, keyed, read_csv
from hbase.table import Cells
from infra.errors import ConfigurationError

DEFAULTS = read_csv(DEFAULT_TABLE)


def table() -> Cells:
    return {key: {**row, "updated_by": "first"} for key, row in keyed(DEFAULTS).items()}


def content(cells: Cells) -> list[list[str]]:
    return sorted([row.get(column, "") for column in CSV_COLUMNS] for row in cells.values())


def test_a_cell_is_set_and_the_author_stands_in_the_row() -> None:
    edit = plan_set(table(), ["spo2#001", "delay_seconds=10"]).signed("amira")
    assert edit == Edit({"spo2#001": {"delay_seconds": "10", "updated_by": "amira"}})
    assert len(check(table(), edit)) == 155


def test_setting_what_is_there_already_is_no_edit() -> None:
    assert not plan_set(table(), ["spo2#001", "delay_seconds=15", "low_value="])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["spo2#099", "delay_seconds=1"], "no row spo2#099: its rows are spo2#001 to spo2#007"),
        (["lactate#001", "delay_seconds=1"], "no row lactate#001"),
        (["delay_seconds=1"], "comes before a row key"),
        (["spo2#001"], "Nothing to set in spo2#001"),
        (["spo2#001", "delay=1"], "'delay' cannot be set: use one of"),
        (["spo2#001", "attribute=glucose"], "'attribute' cannot be set"),
    ],
)
def test_a_command_that_makes_no_sense_says_what_would(words: list[str], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        plan_set(table(), words)


def test_an_edit_that_leaves_a_hole_is_refused_and_the_command_for_both_bands_is_offered() -> None:
    edit = plan_set(table(), ["heart_rate#040", "high_value=125"])
    with pytest.raises(RefusedError, match="126 to 130") as refused:
        check(table(), edit)
    assert refused.value.problems
    whole = companions(table(), edit)
    assert whole == Edit({"heart_rate#040": {"high_value": "125"}, "heart_rate#041": {"low_value": "126"}})


def test_a_limit_shared_with_bands_at_several_ages_moves_in_all_of_them() -> None:
    cells = table()
    first = {**cells["spo2#001"], "high_age_limit": ""}
    cells = {key: row for key, row in cells.items() if row["attribute"] != "spo2"}
    normal = {**table()["spo2#003"], "low_value": "91"}
    cells |= {"spo2#001": first, "spo2#002": {**normal, "high_age_limit": "16"}}
    cells |= {"spo2#003": {**normal, "low_age_limit": "16", "high_age_limit": ""}}
    assert read_table(cells)[1] == []
    whole = companions(cells, plan_set(cells, ["spo2#001", "high_value=88"]))
    assert whole is not None
    assert whole.puts["spo2#002"] == whole.puts["spo2#003"] == {"low_value": "89"}


def test_nothing_is_offered_for_an_edit_that_no_neighbour_can_mend() -> None:
    assert companions(table(), plan_set(table(), ["heart_rate#040", "low_value=85"])) is None
    assert companions(table(), plan_set(table(), ["heart_rate#040", "high_value=x"])) is None


def test_an_author_with_a_line_break_is_refused() -> None:
    with pytest.raises(RefusedError, match="updated_by"):
        check(table(), plan_set(table(), ["spo2#001", "delay_seconds=10"]).signed("a\nb"))


def test_a_row_is_added_under_the_next_free_key() -> None:
    edit = plan_add(table(), ["glucose_mean_10m", "direction=normal", "alert_flag=0", "clear_margin=3"])
    assert list(edit.puts) == ["glucose_mean_10m#001"]
    assert len(check(table(), edit)) == 156
    assert list(plan_add(table(), ["spo2", "direction=low"]).puts) == ["spo2#008"]
    with pytest.raises(ConfigurationError, match="no column=value"):
        plan_add(table(), ["spo2", "limit=3"])


def test_all_rows_of_an_attribute_can_be_deleted_but_not_one_of_them() -> None:
    with pytest.raises(RefusedError):
        check(table(), plan_delete(table(), ["spo2#001"]))
    every = [key for key in table() if key.startswith("spo2#")]
    assert len(check(table(), plan_delete(table(), every))) == 148


def test_what_was_exported_changes_nothing_when_it_is_imported() -> None:
    assert not plan_import(table(), DEFAULTS)


def test_the_home_glucose_set_replaces_glucose_and_the_default_set_takes_it_back() -> None:
    home = plan_import(table(), read_csv(HOME_GLUCOSE), ["glucose", "glucose_mean_10m"])
    after = home.applied_to(table())
    assert read_table(after)[1] == []
    assert {key: row for key, row in after.items() if not key.startswith("glucose")} == {
        key: row for key, row in table().items() if not key.startswith("glucose")
    }
    assert content({k: r for k, r in after.items() if k.startswith("glucose")}) == content(
        keyed(read_csv(HOME_GLUCOSE))
    )
    assert "glucose#001" in home.puts, "its source differs, so it is written under the key that was there"
    back = plan_import(after, DEFAULTS, ["glucose", "glucose_mean_10m"])
    assert content(back.applied_to(after)) == content(table())
    assert set(back.deletes) == {"glucose_mean_10m#001", "glucose_mean_10m#002"}


def test_a_file_never_removes_a_whole_attribute_unless_it_is_named() -> None:
    with pytest.raises(ConfigurationError, match="--replace glucose,glucose_mean_10m"):
        plan_import(table(), read_csv(HOME_GLUCOSE))
    with pytest.raises(ConfigurationError, match="Neither the file nor the table has rows of lactate"):
        plan_import(table(), DEFAULTS, ["lactate"])


def test_an_import_mends_a_broken_table() -> None:
    cells = table()
    cells["spo2#001"]["high_valu"] = "3"
    cells["spo2#002"]["low_value"] = "x"
    cells["odd"] = {"direction": "low"}
    del cells["heart_rate#007"]
    edit = plan_import(cells, DEFAULTS, ["spo2", "odd", "heart_rate"])
    after = edit.applied_to(cells)
    assert read_table(after)[1] == []
    assert content(after) == content(table())


@settings(max_examples=50)
@given(st.permutations(DEFAULTS), st.sets(st.integers(0, 154)), st.data())
def test_an_import_makes_any_table_say_what_the_file_says_and_leaves_equal_rows_alone(
    wanted: list[dict[str, str]], gone: set[int], data: st.DataObject
) -> None:
    before = table()
    for number, key in enumerate(sorted(before)):
        if number in gone:
            del before[key]
    garbled = data.draw(st.sets(st.sampled_from(sorted(before)), max_size=5)) if before else set()
    for key in garbled:
        before[key] = {**before[key], "low_value": "?"}
    edit = plan_import(before, wanted)
    assert content(edit.applied_to(before)) == content(table())
    untouched = set(before) - set(garbled)
    assert not untouched & (set(edit.puts) | set(edit.deletes))
