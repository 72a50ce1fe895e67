"""Every kind of bad input, and what becomes of it. All messages are parsed in one Spark job, which keeps this fast."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from clinical.ages import age_years as python_age_years
from clinical.messages import ID_MAX, WATCHDOG_PATIENT
from clinical.vitals import VITALS
from infra.errors import ConfigurationError
from infra.settings import Readings
from spark_jobs.transforms.readings import age_years, long_form, parse_readings, without_watchdog
from tests.unit.spark_jobs.frames import kafka_frame

RECORDED = 1_763_838_000_000
DAY_MS = 86_400_000


def reading(**changes: Any) -> dict[str, Any]:
    """A plausible reading, recorded at 2025-11-22 19:00:00 UTC and inserted half a second later."""
    return {
        "reading_id": 7,
        "patient_id": "P-1",
        "device_id": "D-1",
        "recorded_at": RECORDED,
        "inserted_at": RECORDED + 500,
        "recorded_at_is_receipt": False,
        **dict.fromkeys(VITALS),
        "heart_rate": 72,
        "temperature": 36.6,
        "on_oxygen": None,
        "consciousness": "A",
        **changes,
    }


NOT_JSON_OBJECTS: dict[str, bytes | None] = {
    "no json": b"{not json",
    "cut off": b'{"reading_id": 7, "patient_id": "P-1"',
    "array": b"[1, 2]",
    "array of readings": b'[{"reading_id": 7, "patient_id": "P-1", "heart_rate": 250}]',
    "number": b"42",
    "text": b'"text"',
    "null": b"null",
    "empty": b"",
    "binary": b"\xff\xfe\x00",
    "deeply nested": b"[" * 5000,
    "no value": None,
}
NO_PATIENTS = {"patient null": None, "patient empty": "", "patient blank": "  "}
NO_KEYS = {"key null": None, "key text": "seven", "key fraction": 7.5, "key too large": 10**30}
RANGE = "is outside the plausible range 0 to 350 /min."
BAD_HEART_RATES: dict[str, tuple[Any, str]] = {
    "text": ("abc", 'heart_rate "abc" is not a number.'),
    "number and letter": ("88d", 'heart_rate "88d" is not a number.'),
    "two numbers": ("120/80", 'heart_rate "120/80" is not a number.'),
    "NaN": (float("nan"), 'heart_rate "NaN" is not a number.'),
    "infinite": (float("inf"), 'heart_rate "Infinity" is not a number.'),
    "minus infinite": (float("-inf"), 'heart_rate "-Infinity" is not a number.'),
    "object": ({"value": 1}, 'heart_rate "{"value":1}" is not a number.'),
    "implausible": (900, f"heart_rate 900 {RANGE}"),
    "negative": (-1, f"heart_rate -1 {RANGE}"),
    "huge": (10**60, f"heart_rate {10**60} {RANGE}"),
}
NO_TIMES: dict[str, tuple[Any, str]] = {
    "time text": ("yesterday", '"yesterday"'),
    "time too large": (10**18, f'"{10**18}"'),
    "time null": (None, "(none)"),
    "time negative": (-1, '"-1"'),
}
MESSAGES: dict[str, Any] = {
    "good": reading(on_oxygen=True, glucose=101.25, recorded_at_is_receipt=True),
    "other shape": {"order": 12, "lines": []},
    **NOT_JSON_OBJECTS,
    **{name: reading(patient_id=patient) for name, patient in NO_PATIENTS.items()},
    **{name: reading(reading_id=key) for name, key in NO_KEYS.items()},
    **{f"heart rate {name}": reading(heart_rate=value) for name, (value, _) in BAD_HEART_RATES.items()},
    **{f"{name} lowest": reading(**{name: float(vital.low)}) for name, vital in VITALS.items()},
    **{f"{name} highest": reading(**{name: float(vital.high)}) for name, vital in VITALS.items()},
    **{f"{name} too high": reading(**{name: float(vital.high) + 0.1}) for name, vital in VITALS.items()},
    "other words": reading(on_oxygen="perhaps", consciousness="Z"),
    "no contact": reading(heart_rate=0, signal_quality=0, battery_percent=101),
    "future": reading(recorded_at=RECORDED + 500 + 300_001),
    "slightly ahead": reading(recorded_at=RECORDED + 500 + 300_000),
    "year ago": reading(recorded_at=RECORDED - 365 * DAY_MS),
    **{name: reading(recorded_at=value) for name, (value, _) in NO_TIMES.items()},
    "clock without a battery": reading(recorded_at=946_684_800_000 + 90_000),
    "no insertion": reading(inserted_at=None),
    "many digits": reading(heart_rate=72.4996),
    "long patient": reading(patient_id="P" * (ID_MAX + 1)),
    "longest patient": reading(patient_id="é" * ID_MAX),
    "long device": reading(device_id="D" * 1_000_000),
    "glucose with unit": reading(glucose="12 mmol"),
}

Parsed = dict[str, Row]


@pytest.fixture(scope="module")
def parsed(spark: SparkSession) -> Parsed:
    """The row of each message, by its name in MESSAGES."""
    frame = parse_readings(kafka_frame(spark, list(MESSAGES.values())), Readings())
    rows = frame.withColumn("recorded_ms", F.unix_millis("recorded_at")).orderBy("offset").collect()
    return dict(zip(MESSAGES, rows, strict=True))


def test_a_reading_has_a_problem_or_is_rejected_exactly_when_its_problems_say_so(parsed: Parsed) -> None:
    for name, row in parsed.items():
        assert row.has_problem == bool(row.problems), name
        assert row.accepted == all(problem.attribute is not None for problem in row.problems), name


def test_a_good_reading_is_typed_and_has_no_problem(parsed: Parsed) -> None:
    row = parsed["good"]
    assert (row.reading_id, row.patient_id, row.device_id) == (7, "P-1", "D-1")
    assert (row.heart_rate, row.temperature, row.glucose) == (Decimal(72), Decimal("36.6"), Decimal("101.25"))
    assert (row.on_oxygen, row.consciousness, row.recorded_at_is_receipt) == (True, "A", True)
    assert (row.problems, row.accepted, row.spo2) == ([], True, None)
    assert (row.recorded_ms, row.judged_at) == (RECORDED, row.recorded_at)


@pytest.mark.parametrize("name", NOT_JSON_OBJECTS)
def test_a_message_that_is_no_json_object_is_rejected_whole(parsed: Parsed, name: str) -> None:
    row = parsed[name]
    assert [(p.attribute, p.reason) for p in row.problems] == [(None, "The message is not a JSON object.")]
    assert (row.accepted, row.judged_at) == (False, None)


def test_json_of_another_shape_is_rejected_whole(parsed: Parsed) -> None:
    row = parsed["other shape"]
    assert [p.reason for p in row.problems] == ["The JSON object has none of a reading's fields."]
    assert (row.accepted, row.judged_at) == (False, None)


@pytest.mark.parametrize("name", NO_PATIENTS)
def test_a_reading_without_a_patient_is_rejected_but_keeps_its_id_for_the_audit(parsed: Parsed, name: str) -> None:
    row = parsed[name]
    assert [(p.attribute, p.reason) for p in row.problems] == [(None, "The reading has no patient_id.")]
    assert (row.reading_id, row.accepted, row.judged_at) == (7, False, None)


def test_a_reading_whose_patient_has_an_endless_id_is_rejected_and_judged_for_nobody(parsed: Parsed) -> None:
    row = parsed["long patient"]
    assert [p.reason for p in row.problems] == ["The patient_id has more than 128 characters."]
    assert (row.reading_id, row.accepted, row.judged_at) == (7, False, None)
    assert parsed["longest patient"].accepted


def test_an_endless_device_id_is_rejected_alone(parsed: Parsed) -> None:
    row = parsed["long device"]
    assert [(p.attribute, p.reason) for p in row.problems] == [
        ("device_id", "The device_id has more than 128 characters.")
    ]
    assert (row.accepted, row.device_id) == (True, None)


@pytest.mark.parametrize("name", NO_KEYS)
def test_a_reading_without_an_integer_key_is_rejected(parsed: Parsed, name: str) -> None:
    row = parsed[name]
    assert [p.reason for p in row.problems] == ["The reading has no reading_id that is an integer."]
    assert (row.accepted, row.judged_at) == (False, None)


@pytest.mark.parametrize("name", BAD_HEART_RATES)
def test_a_vital_that_cannot_be_believed_is_rejected_alone(parsed: Parsed, name: str) -> None:
    row = parsed[f"heart rate {name}"]
    assert [(p.attribute, p.reason) for p in row.problems] == [("heart_rate", BAD_HEART_RATES[name][1])]
    assert (row.heart_rate, row.temperature, row.accepted) == (None, Decimal("36.6"), True)
    assert row.judged_at == row.recorded_at


@pytest.mark.parametrize("name", VITALS)
def test_the_ends_of_the_plausible_range_are_plausible(parsed: Parsed, name: str) -> None:
    low, high, above = (parsed[f"{name} {which}"] for which in ("lowest", "highest", "too high"))
    assert (low[name], high[name], low.problems, high.problems) == (VITALS[name].low, VITALS[name].high, [], [])
    assert (above[name], [p.attribute for p in above.problems]) == (None, [name])


def test_words_outside_their_list_are_rejected_alone(parsed: Parsed) -> None:
    row = parsed["other words"]
    assert [p.attribute for p in row.problems] == ["on_oxygen", "consciousness"]
    assert (row.on_oxygen, row.consciousness, row.accepted) == (None, None, True)


def test_what_a_device_without_contact_gave_is_stored_with_its_signal_quality(parsed: Parsed) -> None:
    row = parsed["no contact"]
    assert (row.heart_rate, row.signal_quality, row.battery_percent, row.accepted) == (0, 0, None, True)
    assert [p.reason for p in row.problems] == ["battery_percent 101 is outside the plausible range 0 to 100 %."]


def test_a_reading_from_the_future_is_not_stored_but_judged_by_its_insertion(parsed: Parsed) -> None:
    row = parsed["future"]
    assert [p.reason for p in row.problems] == [
        "recorded_at 2025-11-22 19:05:00.501 UTC is more than 300 s after the insertion at 2025-11-22 19:00:00.5 UTC."
    ]
    assert (row.accepted, row.judged_at) == (False, row.inserted_at)


def test_a_clock_that_is_ahead_by_the_tolerance_is_believed(parsed: Parsed) -> None:
    row = parsed["slightly ahead"]
    assert (row.problems, row.accepted, row.judged_at) == ([], True, row.recorded_at)


def test_a_reading_from_a_year_ago_is_neither_stored_nor_judged(parsed: Parsed) -> None:
    row = parsed["year ago"]
    assert [p.reason for p in row.problems] == [
        "recorded_at 2024-11-22 19:00:00 UTC is more than 30 days before the insertion at 2025-11-22 19:00:00.5 UTC."
    ]
    assert (row.accepted, row.judged_at) == (False, None)


def test_what_a_clock_without_a_battery_recorded_is_not_stored_but_judged_by_its_insertion(parsed: Parsed) -> None:
    row = parsed["clock without a battery"]
    assert [p.reason for p in row.problems] == [
        "recorded_at 2000-01-01 00:01:30 UTC is more than 30 days before the insertion at 2025-11-22 19:00:00.5 UTC."
    ]
    assert (row.accepted, row.judged_at) == (False, row.inserted_at)


@pytest.mark.parametrize("name", NO_TIMES)
def test_a_time_that_is_none_is_not_stored_but_judged_by_its_insertion(parsed: Parsed, name: str) -> None:
    row = parsed[name]
    assert [p.reason for p in row.problems] == [f"recorded_at {NO_TIMES[name][1]} is no time in epoch milliseconds."]
    assert (row.accepted, row.judged_at) == (False, row.inserted_at)


def test_without_a_time_of_insertion_kafkas_is_used(parsed: Parsed) -> None:
    assert parsed["no insertion"].inserted_at == parsed["no insertion"].timestamp


def test_digits_beyond_the_third_are_cut_so_that_rounding_happens_once(parsed: Parsed) -> None:
    assert parsed["many digits"].heart_rate == Decimal("72.499")


def test_the_raw_text_of_a_rejected_value_is_kept(parsed: Parsed) -> None:
    (problem,) = parsed["glucose with unit"].problems
    assert (problem.attribute, problem.raw) == ("glucose", "12 mmol")


def test_the_long_form_has_one_row_for_each_vital_present(spark: SparkSession) -> None:
    frame = long_form(parse_readings(kafka_frame(spark, [reading(), reading(temperature=None)]), Readings()))
    assert [(r.attribute, r.value) for r in frame.orderBy("offset", "attribute").collect()] == [
        ("heart_rate", Decimal(72)),
        ("temperature", Decimal("36.6")),
        ("heart_rate", Decimal(72)),
    ]


def test_missing_kafka_columns_are_named(spark: SparkSession) -> None:
    with pytest.raises(ConfigurationError, match="lacks the columns partition, offset"):
        parse_readings(kafka_frame(spark, []).drop("partition", "offset"), Readings())


def test_ages_agree_with_the_clinical_definition(spark: SparkSession) -> None:
    births = [date(2024, 2, 29), date(2025, 8, 22), date(2025, 8, 31), date(1950, 1, 1), date(2025, 11, 22), None]
    days = [date(2025, 11, 22), date(2025, 11, 30), date(2025, 2, 28), date(2026, 2, 28), date(2026, 1, 1)]
    frame = spark.createDataFrame([(day, birth) for day in days for birth in births], "day DATE, birth DATE")
    late_that_day = "CAST(day AS TIMESTAMP) + INTERVAL '23:59' HOUR TO MINUTE"
    rows = frame.selectExpr(
        "day",
        "birth",
        *(f"{age_years(at, 'birth')} AS {name}" for name, at in (("early", "day"), ("late", late_that_day))),
    ).collect()
    for row in rows:
        expected = None if row.birth is None else python_age_years(row.day, row.birth)
        assert (row.early, row.late) == (expected, expected), (row.day, row.birth)


def test_only_the_watchdogs_messages_are_left_out_whatever_they_hold(spark: SparkSession) -> None:
    keys = (None, "", "P-1", WATCHDOG_PATIENT, f"{WATCHDOG_PATIENT}2", WATCHDOG_PATIENT.upper())
    frames = [kafka_frame(spark, [reading(), b"no json"], key=key) for key in keys]
    everything = frames[0]
    for frame in frames[1:]:
        everything = everything.unionByName(frame)
    left = without_watchdog(everything)
    assert left.columns == everything.columns
    assert left.count() == everything.count() - 2
    assert left.where(F.col("key") == F.lit(WATCHDOG_PATIENT).cast("binary")).isEmpty()
