"""Derived vitals: NEWS2 and rolling means, in SQL made of the tables in `clinical/`.

What a patient's newest inputs are is a streaming aggregate, whose state Spark keeps; what they are worth is a
projection of it. Both give `derived-vitals` messages. A message is made again whenever a batch holds a reading of the
patient; `derived_id` is made of what the message says, so that a batch that is run again, or a late reading that
changes nothing, repeats ids that are known.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clinical import news2
from clinical.messages import DERIVED_FIELDS
from clinical.news2 import Points
from clinical.rolling import RollingMean
from clinical.vitals import VITALS
from infra.settings import Derivation, Readings
from spark_jobs.transforms.readings import age_years, believed_vitals, typed_readings, without_watchdog
from spark_jobs.transforms.sql import require_columns, struct, text

NEWS2 = "news2"
PATIENT_COLUMNS = ("patient_id", "date_of_birth", "spo2_scale", "pregnant")
PATIENT_SCHEMA = "patient_id STRING, date_of_birth DATE, spo2_scale INT, pregnant BOOLEAN"
_OBSERVED = ("on_oxygen", "consciousness_points")
"""Inputs that people enter, at any time after they saw them."""

INPUT_COLUMNS = ("patient_id", "at", "inserted_at", *VITALS, *_OBSERVED)

SLOT_SECONDS = 10
SAMPLES = range(3)
"""Every slot of SLOT_SECONDS is of one of three kinds, and of each kind the newest reading to arrive is a sample. Kinds
are drawn by a hash: whatever their interval, a patient's readings come to all three."""

SLOW_MS = 60_000
"""A clock is slow by more than this, and by no more than this the samples' lags differ: a device that sends once a
minute has a lag of up to that, and one that sends what it stored has lags that shrink."""


def inputs_of_readings(df: DataFrame, readings: Readings) -> DataFrame:
    """What can be derived from: INPUT_COLUMNS of the `vital-info` messages that detection judges as well.

    `at` TIMESTAMP is the time by which a reading is judged, and never later than its insertion or Kafka's timestamp: a
    clock that runs ahead, the device's or the database's, would make a patient's other inputs look stale, and with the
    watermark everybody's. `inserted_at` TIMESTAMP is not later than Kafka's either. The watchdog has no score, and
    nothing is derived from a value that is not believed (`clinical.device`).
    """
    states = " ".join(f"WHEN {text(state)} THEN {points}" for state, points in news2.CONSCIOUSNESS_POINTS.items())
    typed = typed_readings(without_watchdog(df), readings).where("judged_at IS NOT NULL")
    return typed.selectExpr(
        "patient_id",
        "least(judged_at, inserted_at, timestamp) AS at",
        "least(inserted_at, timestamp) AS inserted_at",
        *believed_vitals(readings),
        "on_oxygen",
        f"CASE consciousness {states} END AS consciousness_points",
    )


def latest_inputs(inputs: DataFrame, remember_seconds: int) -> DataFrame:
    """Of each patient and `window`, for a stream in update mode, what is newest by two clocks: that of the devices, and
    that by which readings are inserted.

    Windows are of the time of insertion, `remember_seconds` times two long, one beginning in the middle of the other:
    what came within `remember_seconds` before a reading is in that of its two windows which began first. What is
    inserted later than `remember_seconds` after what the stream has seen may be left out. State: two to four rows of
    some 400 bytes for each patient of the last three times `remember_seconds`.

    `newest_at`, and of every input of NEWS2 its newest value and `<input>_at`; of two values of the same time either
    counts. `last_inserted_at`, of each vital `last_<input>`, the last to be inserted, and of every input
    `last_<input>_inserted_at`. `sample_<number>_at` and `sample_<number>_inserted_at` of SAMPLES.
    """
    require_columns(inputs, INPUT_COLUMNS)
    # What one statement inserts has one time of insertion, so of such readings the last is that with the least lag.
    lag = "greatest(0L, least(1048575L, unix_seconds(inserted_at) - unix_seconds(at)))"
    arrived = inputs.withColumn("arrival", F.expr(f"1048576L * unix_millis(inserted_at) - {lag}"))
    kind = f"pmod(hash(unix_seconds(inserted_at) DIV {SLOT_SECONDS}), {len(SAMPLES)})"
    aggregates = ["max(at) AS newest_at", "max(inserted_at) AS last_inserted_at"]
    for number in SAMPLES:
        sampled = f"CASE WHEN {kind} = {number} THEN arrival END"
        aggregates += [f"max_by({clock}, {sampled}) AS sample_{number}_{clock}" for clock in ("at", "inserted_at")]
    for name in (*news2.SCALES, *_OBSERVED):
        at, arrival, inserted_at = (
            f"CASE WHEN {name} IS NOT NULL THEN {order} END" for order in ("at", "arrival", "inserted_at")
        )
        aggregates += [f"max_by({name}, {at}) AS {name}", f"max({at}) AS {name}_at"]
        aggregates += [f"max_by({name}, {arrival}) AS last_{name}"] if name in news2.SCALES else []
        aggregates += [f"max({inserted_at}) AS last_{name}_inserted_at"]
    some = " OR ".join(f"{name} IS NOT NULL" for name in (*news2.SCALES, *_OBSERVED))
    window = F.window("inserted_at", f"{2 * remember_seconds} seconds", f"{remember_seconds} seconds")
    return (
        arrived.where(some)
        .withWatermark("inserted_at", f"{remember_seconds} seconds")
        .groupBy("patient_id", window)
        .agg(*map(F.expr, aggregates))
    )


def news2_messages(latest: DataFrame, patients: DataFrame, derivation: Derivation) -> DataFrame:
    """Kafka's `key` and `value` of the score of each patient of `latest_inputs`, as `clinical.news2.score` computes it:
    of those of its windows that changed, by the one that has the newest reading and began first. So a reading that was
    inserted long before the patient's others gives the score of its own time.

    `patients` has PATIENT_COLUMNS, each patient once. Who is not there, or has no birth date, counts as an adult on
    SpO2 scale 1; children and pregnant patients get no score (`clinical.news2.applies`). An input that is older than
    `derivation` says, against the newest one, is missing. Where a device's clock is slow, as after it was set back
    (`_is_slow`), vitals are the last that were inserted, and the score is for that time: by the devices' times they
    would stay what they were until the clock has caught up.
    """
    require_columns(patients, PATIENT_COLUMNS)
    known = patients.selectExpr(*(f"{name} AS known_{name}" for name in PATIENT_COLUMNS))
    order = F.expr("struct(last_inserted_at, -unix_millis(window.start))")
    latest = (
        latest.groupBy("patient_id")
        .agg(F.max_by(F.struct(*latest.columns), order).alias("newest"))
        .select("newest.*")
        .withColumn("is_slow", F.expr(_is_slow()))
        .withColumn("computed_for", F.expr("CASE WHEN is_slow THEN last_inserted_at ELSE newest_at END"))
    )
    age = f"coalesce({age_years('computed_for', 'known_date_of_birth')}, {news2.MIN_AGE_YEARS}D)"
    scored = latest.join(known, F.expr("patient_id = known_patient_id"), "left").where(
        f"NOT coalesce(known_pregnant, false) AND {age} >= {news2.MIN_AGE_YEARS}D"
    )
    fresh = scored.selectExpr(
        "patient_id",
        "computed_for",
        "coalesce(known_spo2_scale, 1) AS spo2_scale",
        *(_fresh(name, derivation.fresh_seconds, VITALS[name].scale) for name in news2.SCALES),
        *(_fresh(name, derivation.fresh_observation_seconds) for name in _OBSERVED),
    )
    points = {name: _points(name, scale) for name, scale in news2.SCALES.items()} | {
        "spo2": _spo2_points(),
        "on_oxygen": f"CASE on_oxygen WHEN true THEN {news2.OXYGEN_POINTS} WHEN false THEN 0 END",
        "consciousness": "consciousness_points",
    }
    given = fresh.selectExpr("patient_id", "computed_for", *(f"{points[name]} AS {name}" for name in news2.INPUTS))
    total = " + ".join(f"coalesce({name}, 0)" for name in news2.INPUTS)
    used = " + ".join(f"CAST({name} IS NOT NULL AS INT)" for name in news2.INPUTS)
    values = given.selectExpr("patient_id", "computed_for", f"{total} AS value", f"{used} AS inputs_used")
    return _messages(values.where("inputs_used > 0"), NEWS2, len(news2.INPUTS))


def mean_windows(inputs: DataFrame, mean: RollingMean, late_seconds: int) -> DataFrame:
    """Mean, number of readings and newest time of every window of every patient, for a stream in update mode.

    Readings count up to `late_seconds` late: after that their windows are forgotten. State: a row for each patient and
    step of the window.
    """
    require_columns(inputs, INPUT_COLUMNS)
    window = F.window("at", f"{mean.window_seconds} seconds", f"{mean.step_seconds} seconds")
    readings = inputs.select("patient_id", "at", mean.of).where(f"{mean.of} IS NOT NULL")
    return (
        readings.withWatermark("at", f"{late_seconds} seconds")
        .groupBy("patient_id", window)
        .agg(F.avg(mean.of).alias("mean"), F.count("*").alias("inputs_used"), F.max("at").alias("computed_for"))
    )


def mean_messages(windows: DataFrame, mean: RollingMean) -> DataFrame:
    """Kafka's `key` and `value` of each window of `mean_windows` that ends with its newest reading's step, as
    `RollingMean.at` computes it. Digits beyond the third are cut, not rounded: the judgement rounds, once."""
    newest = f"unix_millis(window.end) - unix_millis(computed_for) <= {mean.step_seconds * 1000}"
    values = windows.where(f"{newest} AND inputs_used >= {mean.inputs_expected}").selectExpr(
        "patient_id", "computed_for", "CAST(floor(mean, 3) AS DECIMAL(10,3)) AS value", "inputs_used"
    )
    return _messages(values, mean.attribute, mean.inputs_expected)


def _messages(values: DataFrame, attribute: str, inputs_expected: int) -> DataFrame:
    fields = {
        "derived_id": f"concat_ws('|', patient_id, {text(attribute)}, unix_millis(computed_for), value, inputs_used)",
        "attribute": text(attribute),
        "computed_for": "unix_millis(computed_for)",
        "inputs_expected": str(inputs_expected),
    }
    message = struct(**{name: fields.get(name, name) for name in DERIVED_FIELDS})
    return values.selectExpr("patient_id AS key", f"to_json({message}) AS value")


def _is_slow() -> str:
    """Whether a device's clock is slow, of a row of `latest_inputs`: its samples came with the same lag, more or less,
    and a long one. As `clinical.device_clock` says, fewer than three are late values."""
    lags = ", ".join(f"unix_millis(sample_{n}_inserted_at) - unix_millis(sample_{n}_at)" for n in SAMPLES)
    known = " AND ".join(f"sample_{n}_at IS NOT NULL" for n in SAMPLES)
    least = f"least({lags})"
    return f"{known} AND {least} > {SLOW_MS}L AND greatest({lags}) - {least} <= {SLOW_MS}L"


def _fresh(name: str, seconds: int, scale: int | None = None) -> str:
    """The input if it is no older than `seconds` at `computed_for`, by the clock that counts; a vital is rounded to
    `scale`."""

    def known(value: str, at: str) -> str:
        age = f"unix_millis(computed_for) - unix_millis({at})"
        return f"CASE WHEN {age} <= {seconds * 1000}L THEN {value} END"

    by_device = name if scale is None else f"round({name}, {scale})"
    by_insertion = name if scale is None else f"round(last_{name}, {scale})"
    slow = known(by_insertion, f"last_{name}_inserted_at")
    return f"CASE WHEN is_slow THEN {slow} ELSE {known(by_device, f'{name}_at')} END AS {name}"


def _points(name: str, scale: tuple[Points, ...]) -> str:
    """The points of a value, NULL without one. The bands rise, so each is told by its upper end alone."""
    cases = [f"WHEN {name} IS NULL THEN NULL"]
    cases += [f"WHEN {name} <= {band.high} THEN {band.points}" for band in scale if band.high is not None]
    last = "NULL" if scale[-1].high is not None else str(scale[-1].points)
    return f"CASE {' '.join(cases)} ELSE {last} END"


def _spo2_points() -> str:
    """The points of the saturation by its scale; NULL where scale 2 would need to know about oxygen and does not."""
    scales = (news2.SPO2_SCALE_2_ON_OXYGEN, news2.SPO2_SCALE_2_ON_AIR, news2.SPO2_SCALE_2_EITHER_WAY)
    oxygen, air, either = (_points("spo2", scale) for scale in scales)
    first = _points("spo2", news2.SCALES["spo2"])
    return (
        f"CASE WHEN spo2_scale != 2 THEN {first} WHEN on_oxygen IS NULL THEN {either}"
        f" WHEN on_oxygen THEN {oxygen} ELSE {air} END"
    )
