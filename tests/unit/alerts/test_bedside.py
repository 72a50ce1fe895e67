"""The values that the engine knows of each patient: read as detection reads them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from alerts.bedside import KEPT, Bedside, Value, read_derived, read_reading, rounded
from infra.settings import Readings

NOW = 1_790_000_000_000
READINGS = Readings()


def reading(**changes: Any) -> bytes:
    fields = {"reading_id": 7, "patient_id": "P-1", "recorded_at": NOW, "inserted_at": NOW + 5, "heart_rate": 72}
    return orjson.dumps({**fields, **changes})


def test_a_reading_gives_its_values_under_its_id() -> None:
    seen = read_reading(reading(spo2=97, temperature=None), NOW, READINGS)
    assert seen is not None
    assert (seen.patient_id, seen.inserted_at) == ("P-1", NOW + 5)
    assert seen.values == (Value("heart_rate", 72.0, NOW, "7"), Value("spo2", 97.0, NOW, "7"))


@pytest.mark.parametrize("value", ["abc", True, [], 351, -1, "NaN", "1e400"])
def test_a_value_that_nobody_believes_is_left_out(value: object) -> None:
    seen = read_reading(reading(heart_rate=value), NOW, READINGS)
    assert seen is not None
    assert seen.values == ()


@pytest.mark.parametrize(("quality", "believed"), [(None, True), (20, True), (19.9, False), (0, False), ("x", True)])
def test_values_of_electrodes_without_contact_are_left_out(quality: object, believed: bool) -> None:
    seen = read_reading(
        reading(heart_rate=0, systolic_bp=120, signal_quality=quality, battery_percent=8), NOW, READINGS
    )
    assert seen is not None
    assert [value.attribute for value in seen.values] == (["heart_rate"] if believed else []) + ["systolic_bp"]
    assert (seen.signal_quality, seen.battery) == (None if quality == "x" else quality, 8)


@pytest.mark.parametrize(
    ("oxygen", "state", "observed"),
    [
        (True, "A", {"on_oxygen": 1, "consciousness": 0}),
        (False, "U", {"on_oxygen": 0, "consciousness": 4}),
        ("TRUE", "c", {"on_oxygen": 1}),
        (0, ["C"], {"on_oxygen": 0}),
        ("yes", None, {}),
        (None, "", {}),
    ],
)
def test_what_people_enter_is_read_as_landing_reads_it(
    oxygen: object, state: object, observed: dict[str, float]
) -> None:
    seen = read_reading(reading(on_oxygen=oxygen, consciousness=state), NOW, READINGS)
    assert seen is not None
    assert {value.attribute: value.value for value in seen.observed} == observed
    assert [value.attribute for value in seen.values] == ["heart_rate"]


def test_text_that_is_a_number_counts() -> None:
    seen = read_reading(reading(heart_rate=" 72 "), NOW, READINGS)
    assert seen is not None
    assert seen.values[0].value == 72.0


@pytest.mark.parametrize("recorded_at", [None, NOW + 10 * 60_000, 0, 946_684_800_000])
def test_a_clock_of_no_use_gives_way_to_the_insertion(recorded_at: int | None) -> None:
    seen = read_reading(reading(recorded_at=recorded_at), NOW, READINGS)
    assert seen is not None
    assert seen.values[0].recorded_at == NOW + 5


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        None,
        reading(patient_id=None),
        reading(patient_id="x" * 129),
        reading(reading_id="x"),
        reading(recorded_at=NOW - 10**11),
    ],
)
def test_what_detection_does_not_judge_is_none(message: bytes | None) -> None:
    assert read_reading(message, NOW, READINGS) is None


def test_a_derived_value_says_how_much_it_knew() -> None:
    fields = {
        "derived_id": "d",
        "patient_id": "P-1",
        "attribute": "news2",
        "value": 5,
        "computed_for": NOW,
        "inputs_used": 5,
        "inputs_expected": 7,
    }
    seen = read_derived(orjson.dumps(fields), NOW)
    assert seen is not None
    assert seen.values == (Value("news2", 5.0, NOW, "d", 5, 7),)
    assert seen.values[0].partial
    assert read_derived(orjson.dumps({**fields, "attribute": "mood"}), NOW) is None
    odd = read_derived(orjson.dumps({**fields, "inputs_used": "5", "inputs_expected": [7]}), NOW)
    assert odd is not None
    assert not odd.values[0].partial


def test_the_newest_values_are_kept_and_shown_newest_first_by_their_recording() -> None:
    bedside = Bedside()
    for number in range(KEPT + 5):
        bedside.see("P-1", [Value("heart_rate", number, NOW + number, str(number))], NOW + number)
    bedside.see("P-1", [Value("heart_rate", 99, NOW + 10, "late")], NOW + 30)
    assert [value.value for value in bedside.last("P-1", "heart_rate", 3)] == [20, 19, 18]
    assert [value.value for value in bedside.since("P-1", "heart_rate", NOW + 18)] == [18, 19, 20]
    assert bedside.last("P-2", "heart_rate", 3) == []


def test_current_values_are_one_of_each_attribute_in_the_catalogues_order() -> None:
    bedside = Bedside()
    values = [Value("spo2", 90, NOW, "1"), Value("heart_rate", 80, NOW, "1"), Value("news2", 7, NOW, "d")]
    bedside.see("P-1", values, NOW)
    assert [value.attribute for value in bedside.current("P-1")] == ["heart_rate", "spo2", "news2"]


def test_values_are_rounded_half_up_before_they_are_compared() -> None:
    assert (rounded("heart_rate", 72.5), rounded("temperature", 38.05)) == (73.0, 38.1)


def test_what_was_measured_long_ago_is_forgotten_but_not_of_a_patient_who_alarms() -> None:
    bedside = Bedside()
    for patient, at in (("old", NOW - 1000), ("alarming", NOW - 1000), ("new", NOW)):
        bedside.see(patient, [Value("heart_rate", 72, at, "1")], at)
    bedside.forget(NOW, {"alarming"})
    assert [patient for patient in ("old", "alarming", "new") if bedside.current(patient)] == ["alarming", "new"]


def see(bedside: Bedside, recorded: int, inserted: int) -> None:
    bedside.see("P-1", [Value("heart_rate", 72, NOW + recorded * 1000, str(inserted))], NOW + inserted * 1000)


def newest(bedside: Bedside) -> int:
    [value] = bedside.last("P-1", "heart_rate", 1)
    return (value.recorded_at - NOW) // 1000


@pytest.mark.parametrize("back", [5, 60, 3600])
def test_what_lies_later_by_the_clock_before_it_was_set_back_is_forgotten(back: int) -> None:
    bedside = Bedside()
    for second in range(200):
        see(bedside, second, second)
    for second in range(200, 202):
        see(bedside, second - back, second)
    assert newest(bedside) == 199
    see(bedside, 202 - back, 202)
    assert newest(bedside) == 202 - back
    left = bedside.since("P-1", "heart_rate", 0)
    assert max(value.recorded_at for value in left) == NOW + (202 - back) * 1000


def test_a_late_value_between_others_forgets_nothing() -> None:
    bedside = Bedside()
    for second in range(100):
        see(bedside, second, second)
        see(bedside, second - 20, second)
    assert newest(bedside) == 99


def test_what_a_device_had_stored_and_sends_at_once_forgets_nothing() -> None:
    bedside = Bedside()
    see(bedside, 1000, 1000)
    for second in range(300):
        see(bedside, second, 1001 + second // 100)
    assert [value.source_id for value in bedside.since("P-1", "heart_rate", NOW + 1_000_000)] == ["1000"]


def test_rows_that_are_sent_again_or_were_committed_late_forget_nothing() -> None:
    bedside = Bedside()
    for second in range(3600, 3700):
        see(bedside, second, second)
    for second in range(60):
        see(bedside, second, second)
    assert bedside.since("P-1", "heart_rate", NOW + 3_690_000)


def test_after_the_machines_clock_was_set_back_too_a_devices_is_noticed() -> None:
    bedside = Bedside()
    for second in range(3600, 3700):
        see(bedside, second, second)
    bedside.clock_was_set_back()
    for second in range(3):
        see(bedside, second, second)
    assert newest(bedside) == 2


def test_values_that_were_inserted_several_at_a_time_show_a_clock_set_back_as_well() -> None:
    bedside = Bedside()
    see(bedside, 1000, 1000)
    for second in range(30):
        see(bedside, 500 + second, 1001 + second // 5 * 5)
    assert newest(bedside) == 529
