"""Rows as messages: numbers stay numbers, what is no number goes on as its own text."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.messages import READING_FIELDS
from infra.settings import Source
from producers.encoding import MAX_TEXT, RowEncoder, blood_pressure, epoch_ms, number, text, truth
from producers.mapping import ColumnPlan, TimeColumn

NOW = 1_800_000_000_000
UTC = ZoneInfo("UTC")


def plan(*attributes: tuple[str, str, bool], time: bool = True, zone: str = "UTC") -> ColumnPlan:
    recorded = TimeColumn("recorded_at", ZoneInfo(zone)) if time else None
    inserted = TimeColumn("inserted_at", UTC) if time else None
    return ColumnPlan("id", "patient_id", "device_id", recorded, inserted, attributes)


def encode(the_plan: ColumnPlan, *row: object) -> tuple[bytes | None, dict[str, object]]:
    ((key, value),) = RowEncoder(the_plan).encode([row], NOW)
    return key, orjson.loads(value)


def test_a_row_of_the_projects_table_has_every_field_of_the_contract() -> None:
    attributes = [(name, attribute, True) for name, attribute in Source().attributes.items()]
    key, message = encode(
        plan(*attributes), 7, "P1", "m", 1000, 2000, 72, 120, 80, 97, 36.6, 14, 99.5, 0, "A", 97, None
    )
    assert set(message) == set(READING_FIELDS)
    assert key == b"P1"
    assert message["reading_id"] == 7
    assert (message["recorded_at"], message["inserted_at"], message["recorded_at_is_receipt"]) == (1000, 2000, False)
    assert (message["temperature"], message["on_oxygen"], message["consciousness"]) == (36.6, False, "A")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (72, 72),
        (36.6, 36.6),
        ("72", 72),
        (" 36.60 ", 36.6),
        ("-5", -5),
        ("1e2", 100.0),
        (None, None),
        ("", None),
        ("  ", None),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("1e999", "1e999"),
        ("72,5", "72,5"),
        ("1_000", "1_000"),
        ("٧٢", "٧٢"),
        ("high", "high"),
        (b"98", 98),
        (b"\xff", "\\xff"),
    ],
)
def test_what_is_a_number_is_sent_as_one_and_all_else_as_its_text(value: object, expected: object) -> None:
    result = number(value)
    assert result == expected
    assert type(result) is type(expected)


@given(st.text())
def test_any_text_makes_a_message_of_bounded_size(value: str) -> None:
    _, message = encode(plan(("hr", "heart_rate", False)), 1, value, value, None, None, value)
    assert len(str(message["heart_rate"])) <= MAX_TEXT


@given(st.decimals(min_value=-999, max_value=9999, places=2))
def test_a_decimal_is_sent_without_float_noise(value: Decimal) -> None:
    assert orjson.dumps(number(str(value))).decode() in (str(value), f"{float(value)}", f"{int(value)}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, True), (0, False), (b"\x01", True), (b"\x00", False), ("yes", True), ("No", False), (None, None), (2, "2")],
)
def test_oxygen_is_a_boolean_where_it_can_be_read_as_one(value: object, expected: object) -> None:
    assert truth(value) == expected
    assert type(truth(value)) is type(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120/80", (120, 80)),
        (" 120 / 80.5 ", (120, 80.5)),
        ("120", ("120", None)),
        ("120/", ("120/", None)),
        ("-", ("-", None)),
        ("120/80/60", ("120/80/60", None)),
        (None, (None, None)),
        ("", (None, None)),
    ],
)
def test_a_blood_pressure_is_split_or_left_whole_for_landing_to_reject(
    value: str | None, expected: tuple[object, object]
) -> None:
    assert blood_pressure(value) == expected


def test_a_foreign_table_without_a_time_column_gets_the_time_of_receipt() -> None:
    foreign = plan(("heartbeat", "heart_rate", True), ("bp", "blood_pressure", False), time=False)
    key, message = encode(foreign, 3, 42, None, None, None, 61, "118/76")
    assert key == b"42"
    assert message == {
        "reading_id": 3,
        "patient_id": "42",
        "device_id": None,
        "recorded_at": NOW,
        "inserted_at": NOW,
        "recorded_at_is_receipt": True,
        "heart_rate": 61,
        "systolic_bp": 118,
        "diastolic_bp": 76,
    }


def test_a_device_without_a_clock_gets_the_time_of_insertion_marked_as_such() -> None:
    _, message = encode(plan(("hr", "heart_rate", True)), 3, "P1", "m", None, 2000, 61)
    assert (message["recorded_at"], message["recorded_at_is_receipt"]) == (2000, True)


@pytest.mark.parametrize("patient", [None, "", "  "])
def test_a_reading_without_a_patient_has_a_null_key(patient: str | None) -> None:
    key, message = encode(plan(("hr", "heart_rate", True)), 3, patient, "m", 1000, 2000, 61)
    assert key is None
    assert message["patient_id"] is None


def test_a_wall_clock_is_read_in_the_zone_of_the_source() -> None:
    winter = 1_767_268_800_000  # 2026-01-01 12:00 as a wall clock
    summer = 1_782_907_200_000  # 2026-07-01 12:00
    london = ZoneInfo("Europe/London")
    assert epoch_ms(winter, london) == winter
    assert epoch_ms(summer, london) == summer - 3_600_000
    assert epoch_ms(winter + 123, ZoneInfo("Asia/Tokyo")) == winter + 123 - 9 * 3_600_000
    assert epoch_ms(None, london) is None


@pytest.mark.parametrize("passed", [0, 1], ids=["first", "second"])
def test_of_two_equal_hours_the_one_nearer_to_the_insertion_is_meant(passed: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    shown = datetime(2026, 10, 25, 2, 10, tzinfo=UTC)
    inserted = datetime(2026, 10, 25, passed, 10, 1, tzinfo=UTC).timestamp() * 1000
    wall_clock = round(shown.timestamp() * 1000)
    assert epoch_ms(wall_clock, berlin, round(inserted)) == round(inserted) - 1000
    assert epoch_ms(wall_clock, berlin) == round(datetime(2026, 10, 25, 0, 10, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("late_hours", [0, 20])
def test_a_time_that_was_skipped_or_is_unequivocal_is_not_moved_by_the_insertion(late_hours: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for shown in (datetime(2026, 3, 29, 2, 30, tzinfo=UTC), datetime(2026, 7, 1, 12, tzinfo=UTC)):
        wall_clock = round(shown.timestamp() * 1000)
        assert epoch_ms(wall_clock, berlin, wall_clock + late_hours * 3_600_000) == epoch_ms(wall_clock, berlin)


def test_long_text_is_cut() -> None:
    assert text("x" * 10_000) == "x" * MAX_TEXT
