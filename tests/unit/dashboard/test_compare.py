"""What can be compared, what Hive is asked, and how a comparison is told."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from clinical.vitals import JUDGED
from dashboard.compare import look
from dashboard.compare.month import alarms_statement, hours_statement, samples_of
from dashboard.compare.sides import BEDS_MOST, SIDES_MOST, Period, Side, choices, chosen
from dashboard.compare.sources import Compared, Comparison
from dashboard.compare.statistics import AlarmLoad, distribution
from dashboard.live.state import Contact
from infra.errors import WardError

CONTACTS = {"P1": Contact("Ann Example", "ICU"), "P2": Contact("Ben Example", "ICU"), "P3": Contact("", "")}
START, END = 1_700_000_000_000, 1_700_000_000_000 + Period.MONTH.length_ms


def all_of(sees_identity: bool = True) -> dict[str, Side]:
    return choices(CONTACTS, {"P1", "P2", "P3", "stranger"}, sees_identity)


def test_wards_and_patients_can_be_chosen_also_those_who_are_not_on_record() -> None:
    assert [side.label for side in all_of().values()] == [
        "Ward ICU",
        "P1 · Ann Example",
        "P2 · Ben Example",
        "P3",
        "stranger",
    ]
    assert all_of()["ward ICU"].patients == ("P1", "P2")


def test_who_has_left_is_neither_chosen_nor_counted_in_a_ward() -> None:
    assert choices(CONTACTS, {"P1"}, True)["ward ICU"].patients == ("P1",)
    assert "patient P2" not in choices(CONTACTS, {"P1"}, True)


def test_an_analyst_is_given_no_name() -> None:
    assert not any("Example" in repr(side) for side in all_of(sees_identity=False).values())


def test_a_patient_named_like_a_ward_is_not_mistaken_for_it() -> None:
    found = choices({"ICU": Contact("", "ICU")}, {"ICU"}, True)
    assert [side.kind for side in found.values()] == ["ward", "patient"]


def test_one_to_six_sides_are_compared_in_the_order_of_their_choice() -> None:
    assert [side.key for side in chosen(all_of(), ["patient P2", "ward ICU"])] == ["P2", "ICU"]
    with pytest.raises(WardError, match="Choose 1 to 6"):
        chosen(all_of(), [])
    with pytest.raises(WardError, match="Choose 1 to 6"):
        chosen(all_of(), ["patient P1"] * (SIDES_MOST + 1))
    with pytest.raises(WardError, match="No longer here: patient P9"):
        chosen(all_of(), ["patient P9"])


def test_more_beds_than_can_be_read_are_refused() -> None:
    beds = {f"P{number}": Contact("", "Big") for number in range(BEDS_MOST + 1)}
    with pytest.raises(WardError, match=f"These are {BEDS_MOST + 1} beds"):
        chosen(choices(beds, beds.keys(), True), ["ward Big"])


def test_hive_is_asked_for_believed_values_of_these_patients_and_days_only() -> None:
    statement = hours_statement(["P1", "O'Neill"], "spo2", START, END, 30)
    assert r"patient_id IN ('O\'Neill', 'P1')" in statement
    assert "event_date BETWEEN '2023-11-14' AND '2023-12-14'" in statement
    assert "recorded_at >= TIMESTAMP '2023-11-14 22:13:20'" in statement
    assert "signal_quality >= 30" in statement


def test_a_partial_score_is_left_out() -> None:
    assert "inputs_used >= inputs_expected" in hours_statement(["P1"], "news2", START, END, 30)


def test_what_is_no_vital_is_not_asked_for() -> None:
    with pytest.raises(KeyError):
        hours_statement(["P1"], "1; DROP TABLE x", START, END, 30)


def test_alarms_are_asked_for_by_patient_and_by_ward() -> None:
    assert "(patient_id IN ('P1') OR ward IN ('ICU'))" in alarms_statement(["P1"], ["ICU"], START, END)
    assert "(ward IN ('A', 'B'))" in alarms_statement([], ["B", "A"], START, END)


def test_hours_of_hive_become_samples_of_each_patient() -> None:
    found = samples_of([("P1", 50, "60.5", 70, 10), ("P2", 1, 2, 3, 4), ("P1", 40, 50, 60, 5)])
    assert found["P1"].mean.tolist() == [60.5, 50]
    assert found["P1"].count.sum() == 15
    assert found["P2"].high.tolist() == [3]


def comparison(*labels: str, period: Period = Period.DAY) -> Comparison:
    spread = distribution(samples_of([("P1", 50, 60, 70, 10), ("P1", 60, 70, 80, 10)]).values())
    sides = [
        Compared(Side("patient", "P1", label, ("P1",)), spread if place == 0 else None, AlarmLoad({"high": 2}, 1, 2))
        for place, label in enumerate(labels)
    ]
    return Comparison("heart_rate", period, START, END, tuple(sides))


def test_a_comparison_is_told_in_tables_with_severities_in_words_and_shapes() -> None:
    found = comparison("P1 · Ann", "P2")
    assert look.heading(found) == "Heart rate (/min) over the last day"
    assert "2023-11-14 22:13:20 to" in look.when(found, ZoneInfo("UTC"))
    spread, alarms = look.spread_table(found), look.alarm_table(found)
    for text in ("P1 · Ann", "65.0", "62.5 to 67.5", ">50<", ">80<", "no values"):
        assert text in spread
    for text in ("▲ high", "◆ medium", "● low", ">1.00<"):
        assert text in alarms
    assert "A P1 · Ann: 65.0; B P2: no values" in look.in_words(found)[0]


def test_what_is_called_like_a_script_is_shown_as_that_text() -> None:
    found = comparison("P1 · <script>alert(1)</script>")
    for table in (look.spread_table(found), look.alarm_table(found)):
        assert "<script" not in table
        assert "&lt;script&gt;" in table


def test_charts_carry_letters_and_no_patients_name() -> None:
    found = comparison("P1 · Ann Example", "P2")
    for options in (look.spread_chart(found), look.alarm_chart(found)):
        assert options["yAxis"]["data"] == ["A  P1", "B  P1"]
        assert "Example" not in repr(options)
    assert look.spread_chart(found)["series"][0]["data"] == [[60.5, 62.5, 65.0, 67.5, 69.5], []]


@pytest.mark.parametrize("attribute", JUDGED)
def test_every_judged_vital_has_a_statement(attribute: str) -> None:
    assert "GROUP BY patient_id" in hours_statement(["P1"], attribute, START, END, 30)


def test_a_month_says_how_old_its_alarms_may_be() -> None:
    assert "last full hour" in look.alarm_explanation(comparison("P1", period=Period.MONTH))
    assert "last full hour" not in look.alarm_explanation(comparison("P1"))
