"""Spark's NEWS2 and rolling means are those of `clinical`, value by value."""

import itertools
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from alerts.watchdog import watchdog_reading
from clinical.messages import DERIVED_FIELDS, WATCHDOG_PATIENT
from clinical.news2 import SCALES, SPO2_SCALE_2_ON_AIR, SPO2_SCALE_2_ON_OXYGEN, applies, score
from clinical.rolling import GLUCOSE_MEAN
from clinical.vitals import VITALS
from infra.settings import Derivation, Readings
from spark_jobs.transforms.derived import (
    PATIENT_SCHEMA,
    SAMPLES,
    inputs_of_readings,
    latest_inputs,
    mean_messages,
    mean_windows,
    news2_messages,
)
from tests.unit.spark_jobs.frames import kafka_frame, run_batch

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
RECEIVED_MS = NOON_MS + 86_400_000
"""Kafka's timestamp of every message: late, as after an outage."""
LATEST_SCHEMA = ", ".join(
    ["patient_id STRING, newest_at TIMESTAMP"]
    + [f"{name} DECIMAL(10,3), {name}_at TIMESTAMP" for name in SCALES]
    + ["on_oxygen BOOLEAN, on_oxygen_at TIMESTAMP, consciousness_points INT, consciousness_points_at TIMESTAMP"]
)
BY_INSERTION = [
    "newest_at AS last_inserted_at",
    *(f"CAST(NULL AS TIMESTAMP) AS sample_{number}_{clock}" for number in SAMPLES for clock in ("at", "inserted_at")),
    *(f"{name} AS last_{name}" for name in SCALES),
    *(f"{name}_at AS last_{name}_inserted_at" for name in (*SCALES, "on_oxygen", "consciousness_points")),
    "struct(newest_at - INTERVAL 2 DAY AS start, newest_at AS end) AS window",
]
"""What `latest_inputs` has besides, where every reading is inserted when it is measured."""
WELL: dict[str, Any] = {
    "respiratory_rate": 16,
    "spo2": 98,
    "systolic_bp": 120,
    "heart_rate": 80,
    "temperature": 37.0,
    "on_oxygen": False,
    "consciousness": "A",
}


def reading(number: int, at_ms: int, **vitals: Any) -> dict[str, Any]:
    """A reading of patient P1 that was inserted at once."""
    return {"reading_id": number, "patient_id": "P1", "recorded_at": at_ms, "inserted_at": at_ms, **vitals}


def messages(frame: DataFrame) -> list[dict[str, Any]]:
    found = [json.loads(row.value) for row in frame.collect()]
    assert all(tuple(message) == DERIVED_FIELDS for message in found)
    return found


def scores(
    spark: SparkSession,
    readings: list[dict[str, Any]],
    patients: Iterable[tuple[Any, ...]] = (),
    derivation: Derivation = Derivation(),  # noqa: B008 (frozen)
) -> list[dict[str, Any]]:
    inputs = inputs_of_readings(kafka_frame(spark, readings, timestamp_ms=RECEIVED_MS), Readings())
    known = spark.createDataFrame(list(patients), PATIENT_SCHEMA)
    return messages(news2_messages(latest_inputs(inputs, derivation.remember_seconds), known, derivation))


def boundaries(name: str) -> list[Decimal | None]:
    """Every limit of a vital's bands, and no value at all."""
    scales = [SCALES[name], *([SPO2_SCALE_2_ON_AIR, SPO2_SCALE_2_ON_OXYGEN] if name == "spo2" else [])]
    limits = {limit for scale in scales for band in scale for limit in (band.low, band.high) if limit is not None}
    return [None, *sorted(limits)]


@pytest.mark.parametrize("spo2_scale", [1, 2])
def test_every_combination_of_boundaries_scores_as_the_pure_function(spark: SparkSession, spo2_scale: int) -> None:
    """All limits of two vitals at a time with both gases and minds, the others missing; the score is a sum, so what
    holds for each pair holds for all seven."""
    states = {"A": 0, "C": 3, None: None}
    cases = [
        ({one: first, other: second}, oxygen, mind)
        for one, other in itertools.combinations(SCALES, 2)
        for first in boundaries(one)
        for second in boundaries(other)
        for oxygen in (None, False, True)
        for mind in states
    ]
    rows = [
        (
            str(number),
            NOON,
            *itertools.chain.from_iterable((vitals.get(name), NOON) for name in SCALES),
            oxygen,
            NOON,
            states[mind],
            NOON,
        )
        for number, (vitals, oxygen, mind) in enumerate(cases)
    ]
    patients = spark.range(len(cases)).selectExpr(
        "CAST(id AS STRING) AS patient_id",
        "DATE '1950-01-01' AS date_of_birth",
        f"{spo2_scale} AS spo2_scale",
        "false AS pregnant",
    )
    latest = spark.createDataFrame(rows, LATEST_SCHEMA).selectExpr("*", *BY_INSERTION)
    found = {
        message["patient_id"]: (message["value"], message["inputs_used"])
        for message in messages(news2_messages(latest, patients, Derivation()))
    }
    expected = {}
    for number, (vitals, oxygen, mind) in enumerate(cases):
        pure = score(vitals, oxygen, mind, spo2_scale)
        if pure.used:
            expected[str(number)] = (pure.total, pure.used)
    assert len(cases) > 5_000
    assert found == expected


def test_the_score_is_of_the_newest_value_of_each_input(spark: SparkSession) -> None:
    (message,) = scores(
        spark,
        [
            reading(1, NOON_MS - 60_000, **WELL),
            reading(2, NOON_MS - 30_000, respiratory_rate=26, heart_rate=115),
            reading(3, NOON_MS, heart_rate=95),
        ],
    )
    assert (message["value"], message["inputs_used"], message["inputs_expected"]) == (3 + 1, 7, 7)
    assert (message["patient_id"], message["attribute"], message["computed_for"]) == ("P1", "news2", NOON_MS)


def test_what_still_counts_is_remembered_wherever_its_window_begins(spark: SparkSession) -> None:
    """Of 24 patients each has its observation at another minute, and a reading an hour later."""
    hour = 3600
    derivation = Derivation(fresh_observation_seconds=hour, remember_seconds=hour)
    readings = []
    for number in range(24):
        start, patient = NOON_MS + number * 300_000, {"patient_id": f"P{number}"}
        readings.append(reading(2 * number, start, on_oxygen=True, consciousness="C") | patient)
        readings.append(reading(2 * number + 1, start + 1000 * hour, heart_rate=80) | patient)
    found = scores(spark, readings, derivation=derivation)
    assert len(found) == 24
    assert {(message["value"], message["inputs_used"]) for message in found} == {(2 + 3, 3)}


def test_what_is_remembered_of_a_patient_does_not_grow_with_time(spark: SparkSession, tmp_path: Path) -> None:
    """A stream with a batch a day: new patients every day, of whom nothing comes later."""
    days, kept = 12, list[int]()
    for day in range(days):
        rows = [
            reading(day * 10 + number, NOON_MS + day * 86_400_000, heart_rate=80)
            | {"patient_id": f"P{day}-{number}", "inserted_at": NOON_MS + day * 86_400_000}
            for number in range(10)
        ]
        frame = kafka_frame(spark, rows, timestamp_ms=NOON_MS + days * 86_400_000)
        query = run_batch(frame, tmp_path, lambda inputs: latest_inputs(inputs, 86_400), DataFrame.collect)
        kept.append(int(query.recentProgress[-1].stateOperators[0].numRowsTotal))
    assert kept[-1] == kept[-2] == kept[-3] <= 10 * 2 * 4


def test_an_input_that_grew_stale_makes_the_score_partial(spark: SparkSession) -> None:
    def used(vitals_age: int, observation_age: int) -> int:
        old = {name: value for name, value in WELL.items() if name in VITALS}
        seen = {name: value for name, value in WELL.items() if name not in VITALS}
        (message,) = scores(
            spark,
            [
                reading(1, NOON_MS - observation_age * 1000, **seen),
                reading(2, NOON_MS - vitals_age * 1000, **{**old, "heart_rate": None}),
                reading(3, NOON_MS, heart_rate=80),
            ],
        )
        return int(message["inputs_used"])

    assert used(300, 43_200) == 7
    assert used(301, 43_200) == 3
    assert used(300, 43_201) == 5


def test_a_clock_that_runs_ahead_makes_no_other_input_stale(spark: SparkSession) -> None:
    ahead = reading(2, NOON_MS + 299_000, heart_rate=80) | {"inserted_at": NOON_MS}
    (message,) = scores(spark, [reading(1, NOON_MS - 60_000, **WELL), ahead])
    assert (message["inputs_used"], message["computed_for"]) == (7, NOON_MS)


def test_a_clock_of_the_database_that_runs_ahead_lets_nothing_be_computed_for_the_future(spark: SparkSession) -> None:
    (message,) = scores(spark, [reading(1, RECEIVED_MS + 3_600_000, **WELL)])
    assert message["computed_for"] == RECEIVED_MS


def sent(
    first: int, last: int, slow: int = 0, *, every: int = 10, least: int = 0, **vitals: Any
) -> list[dict[str, Any]]:
    """Readings `first` to `last` seconds after noon by a clock that is slow by `slow` seconds, `every` so many, each
    inserted at once or with those before it when `least` seconds are full."""
    readings = []
    for second in range(first, last + 1, every):
        inserted = second + (last - second) % least if least else second
        at = {"inserted_at": NOON_MS + inserted * 1000}
        readings.append(reading(second, NOON_MS + (second - slow) * 1000, **vitals) | at)
    return readings


@pytest.mark.parametrize(
    ("slow", "every", "least"), [(90, 10, 0), (3600, 1, 0), (86_400, 60, 0), (3600, 120, 0), (3600, 10, 60)]
)
def test_after_a_clock_was_set_back_the_score_is_of_what_came_last(
    spark: SparkSession, slow: int, every: int, least: int
) -> None:
    charted = [reading(1, NOON_MS - 100_000, on_oxygen=True)]
    before = sent(-60, 0, **WELL | {"on_oxygen": None})
    last = 1200 if every > 10 else 300 if slow > 300 else 80
    after = sent(every, last, slow, every=every, least=least, heart_rate=100, respiratory_rate=16)
    (told,) = scores(spark, charted + before + after[:-1] + [after[-1] | {"heart_rate": 135}])
    stale = last > 300
    assert told["computed_for"] == NOON_MS + last * 1000
    assert (told["value"], told["inputs_used"]) == (3 + 2, 4 if stale else 7)


def test_a_score_goes_on_when_the_clock_has_caught_up(spark: SparkSession) -> None:
    readings = sent(-60, 0, **WELL) + sent(10, 300, 120, **WELL)
    times = [scores(spark, readings[:number])[0]["computed_for"] for number in range(15, len(readings), 2)]
    assert times == sorted(times)
    assert times[-1] >= NOON_MS + 270_000


def test_the_score_of_a_clock_that_was_always_slow_is_for_the_time_of_insertion(spark: SparkSession) -> None:
    (told,) = scores(spark, sent(0, 300, 3600, **WELL))
    assert (told["value"], told["inputs_used"], told["computed_for"]) == (0, 7, NOON_MS + 300_000)


def test_what_was_seen_last_counts_and_not_what_was_entered_last(spark: SparkSession) -> None:
    vitals = {name: value for name, value in WELL.items() if name in VITALS}
    seen = [reading(1, NOON_MS, consciousness="A"), reading(2, NOON_MS - 7_200_000, consciousness="V")]
    entered = [seen[0], seen[1] | {"inserted_at": NOON_MS + 60_000}]
    (told,) = scores(spark, entered + sent(0, 300, 3600, **vitals))
    assert (told["value"], told["inputs_used"]) == (0, 6)


@pytest.mark.parametrize(
    "late",
    [
        pytest.param([(60, -3600)], id="one value"),
        pytest.param([(60, -7200), (90, -3600), (150, 0)], id="passing faster than time"),
        pytest.param([(60, -3600), (90, -3660), (150, -3720)], id="the newest first"),
        pytest.param([(60, -3600), (90, -3570)], id="two with the same lag"),
    ],
)
def test_late_values_show_no_slow_clock(spark: SparkSession, late: list[tuple[int, int]]) -> None:
    """Each by the second of its insertion and that of its measurement."""
    behind = [
        reading(number, NOON_MS + at * 1000, heart_rate=135) | {"inserted_at": NOON_MS + inserted * 1000}
        for number, (inserted, at) in enumerate(late)
    ]
    before = [*sent(-60, 0, **WELL), reading(1, NOON_MS + 1, heart_rate=80)]
    (told,) = scores(spark, before + behind)
    assert (told["value"], told["inputs_used"], told["computed_for"]) == (0, 7, NOON_MS + 1)


def test_what_a_device_had_stored_and_sends_at_once_shows_no_slow_clock(spark: SparkSession) -> None:
    stored = [
        row | {"inserted_at": NOON_MS + (number // 12) * 1000}
        for number, row in enumerate(sent(-3600, -10, heart_rate=135, every=5))
    ]
    (told,) = scores(spark, [*stored, *sent(0, 60, **WELL)])
    assert (told["value"], told["computed_for"]) == (0, NOON_MS + 60_000)


def test_stored_values_sent_beside_live_ones_show_no_slow_clock(spark: SparkSession) -> None:
    (told,) = scores(spark, sent(-60, 60, **WELL) + sent(-65, 55, 3600, heart_rate=135))
    assert (told["value"], told["computed_for"]) == (0, NOON_MS + 60_000)


@pytest.mark.parametrize(
    ("born", "pregnant"),
    [(None, None), (date(2010, 1, 2), None), (date(2010, 1, 1), False), (date(1950, 1, 1), True)],
)
def test_who_has_no_score_has_no_message(spark: SparkSession, born: date | None, pregnant: bool | None) -> None:
    age = None if born is None else (NOON.date() - born).days / 365.25
    found = scores(spark, [reading(1, NOON_MS, **WELL)], [("P1", born, 1, pregnant)])
    assert len(found) == applies(age, pregnant)


def test_a_patient_who_is_not_in_the_contacts_counts_as_an_adult_on_scale_1(spark: SparkSession) -> None:
    (message,) = scores(spark, [reading(1, NOON_MS, **{**WELL, "spo2": 90})], [("P2", date(2020, 1, 1), 2, None)])
    assert message["value"] == 3


def test_scale_2_is_taken_from_the_contacts(spark: SparkSession) -> None:
    (message,) = scores(spark, [reading(1, NOON_MS, **{**WELL, "spo2": 90})], [("P1", date(1950, 1, 1), 2, None)])
    assert message["value"] == 0


def test_nothing_is_scored_that_electrodes_without_contact_gave(spark: SparkSession) -> None:
    loose = WELL | {"heart_rate": 0, "spo2": 0, "respiratory_rate": 0, "signal_quality": 0}
    (score,) = scores(spark, [reading(1, NOON_MS, **loose)])
    assert (score["value"], score["inputs_used"]) == (0, 4)


def test_the_same_readings_give_the_same_id_and_another_result_another(spark: SparkSession) -> None:
    first, again, other = (
        scores(spark, [reading(1, NOON_MS, **WELL), reading(2, NOON_MS - 1000, **extra)])[0]["derived_id"]
        for extra in ({"heart_rate": 150}, {"heart_rate": 160}, {"glucose": 90})
    )
    late = scores(spark, [reading(1, NOON_MS, **{**WELL, "spo2": None}), reading(2, NOON_MS - 1000, spo2=90)])
    assert first == again == other
    assert late[0]["derived_id"] != first
    assert late[0]["computed_for"] == NOON_MS


def means(spark: SparkSession, readings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    inputs = inputs_of_readings(kafka_frame(spark, readings, timestamp_ms=RECEIVED_MS), Readings())
    return messages(mean_messages(mean_windows(inputs, GLUCOSE_MEAN, 300), GLUCOSE_MEAN))


def test_the_mean_of_each_windows_newest_minute_is_that_of_the_pure_function(spark: SparkSession) -> None:
    values = [(NOON + timedelta(seconds=47 * number), Decimal(80 + number * 7 % 60)) for number in range(40)]
    found = means(
        spark,
        [
            reading(number, int(at.timestamp() * 1000), glucose=float(value))
            for number, (at, value) in enumerate(values)
        ],
    )
    by_minute = {at.replace(second=0): at for at, _ in values}  # the newest of each minute
    expected = {}
    for newest in by_minute.values():
        mean = GLUCOSE_MEAN.at([pair for pair in values if pair[0] <= newest], newest)
        if mean is not None:
            expected[int(newest.timestamp() * 1000)] = (mean[0], mean[1])
    assert len(expected) > 20
    got = {message["computed_for"]: (message["value"], message["inputs_used"]) for message in found}
    assert got.keys() == expected.keys()
    for at, (value, used) in got.items():
        assert used == expected[at][1]
        assert Decimal(str(value)) == expected[at][0].quantize(Decimal("0.001"), rounding="ROUND_FLOOR")
    assert {(message["attribute"], message["inputs_expected"]) for message in found} == {("glucose_mean_10m", 2)}


def test_a_reading_counts_for_its_mean_as_long_as_the_settings_say_and_is_then_dropped(
    spark: SparkSession, tmp_path: Path
) -> None:
    found: dict[int, float] = {}

    def arrive(readings: dict[int, float]) -> dict[int, float]:
        """By seconds after noon; the means that change."""
        found.clear()
        rows = [reading(second, NOON_MS + second * 1000, glucose=value) for second, value in readings.items()]
        run_batch(
            kafka_frame(spark, rows, timestamp_ms=RECEIVED_MS),
            tmp_path,
            lambda inputs: mean_windows(inputs, GLUCOSE_MEAN, late_seconds=60),
            take,
        )
        return dict(found)

    def take(changes: DataFrame) -> None:
        made = messages(mean_messages(changes, GLUCOSE_MEAN))
        found.update({(one["computed_for"] - NOON_MS) // 1000: one["value"] for one in made})

    assert arrive({0: 100, 55: 110, 109: 120}) == {55: 105, 109: 110}
    assert arrive({50: 150}) == {55: 120, 109: 120}
    assert arrive({3600: 80}) == {}
    assert arrive({50: 300, 51: 300}) == {}


def test_one_reading_is_no_mean(spark: SparkSession) -> None:
    assert means(spark, [reading(1, NOON_MS, glucose=110), reading(2, NOON_MS, heart_rate=80)]) == []


def test_a_mean_just_below_a_limit_is_not_rounded_up_to_it_twice(spark: SparkSession) -> None:
    """105.0498 is 105.0 at the resolution of glucose; by way of 105.05 it would be 105.1."""
    values = [105.049, 105.050, 105.050, 105.050, 105.050]
    found = means(spark, [reading(n, NOON_MS + n * 1000, glucose=value) for n, value in enumerate(values)])
    assert [message["value"] for message in found] == [105.049]


def test_nothing_is_derived_from_the_watchdog(spark: SparkSession) -> None:
    frame = kafka_frame(spark, [watchdog_reading(NOON_MS)], key=WATCHDOG_PATIENT)
    assert inputs_of_readings(frame, Readings()).isEmpty()
