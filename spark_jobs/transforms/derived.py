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
INPUT_COLUMNS = ("patient_id", "at", "inserted_at", *VITALS, "on_oxygen", "consciousness_points")

SLOT_SECONDS = 30
"""The newest reading to arrive is kept of each of two kinds of slots of this length, which take turns: so there is one
of now and one of a while ago, which show whether a clock that lies behind passes as time does."""

_SLOTS = ("even", "odd")


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


def latest_inputs(inputs: DataFrame) -> DataFrame:
    """One row a patient, for a stream in update mode, of what is newest by two clocks: that of the devices, and that by
    which readings are inserted. Of two values of the same time either counts. State: some 400 bytes a patient.

    By the devices': `newest_at`, when the reading with it was inserted (`newest_inserted_at`), and of every input of
    NEWS2 its value and `<input>_at`. By insertion: `last_inserted_at`, and of every input `last_<input>` and
    `last_<input>_inserted_at`; `even_at` and `even_inserted_at`, `odd_at` and `odd_inserted_at` of the last reading in
    slots of SLOT_SECONDS.
    """
    require_columns(inputs, INPUT_COLUMNS)
    names = [*news2.SCALES, "on_oxygen", "consciousness_points"]
    aggregates = [
        "max(at) AS newest_at",
        "max_by(inserted_at, at) AS newest_inserted_at",
        "max(inserted_at) AS last_inserted_at",
    ]
    for number, slot in enumerate(_SLOTS):
        within = f"CASE WHEN unix_seconds(inserted_at) DIV {SLOT_SECONDS} % 2 = {number} THEN inserted_at END"
        aggregates += [f"max_by(at, {within}) AS {slot}_at", f"max({within}) AS {slot}_inserted_at"]
    for name in names:
        for clock, newest in (("at", name), ("inserted_at", f"last_{name}")):
            known = f"CASE WHEN {name} IS NOT NULL THEN {clock} END"
            aggregates += [f"max_by({name}, {known}) AS {newest}", f"max({known}) AS {newest}_{clock}"]
    some = " OR ".join(f"{name} IS NOT NULL" for name in names)
    return inputs.where(some).groupBy("patient_id").agg(*map(F.expr, aggregates))


def news2_messages(latest: DataFrame, patients: DataFrame, derivation: Derivation) -> DataFrame:
    """Kafka's `key` and `value` of the score of each row of `latest_inputs`, as `clinical.news2.score` computes it.

    `patients` has PATIENT_COLUMNS, each patient once. Who is not there, or has no birth date, counts as an adult on
    SpO2 scale 1; children and pregnant patients get no score (`clinical.news2.applies`). An input that is older than
    `derivation` says, against the newest one, is missing. While a device's clock that was set back has not caught up
    (`_was_set_back`), inputs are the last to be inserted and the score is for that time: by the devices' times they
    would stay what they were before.
    """
    require_columns(patients, PATIENT_COLUMNS)
    known = patients.selectExpr(*(f"{name} AS known_{name}" for name in PATIENT_COLUMNS))
    latest = latest.withColumn("was_set_back", F.expr(_was_set_back())).withColumn(
        "computed_for", F.expr("CASE WHEN was_set_back THEN last_inserted_at ELSE newest_at END")
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
        *(_fresh(name, derivation.fresh_observation_seconds) for name in ("on_oxygen", "consciousness_points")),
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


def _was_set_back() -> str:
    """Whether a device's clock was set back and has not caught up, of a row of `latest_inputs`: two readings that came
    in different slots after the newest one lie before it, and pass as time does. So `clinical.device_clock` tells it
    too: what a device had stored and sends at once passes faster."""
    behind = " AND ".join(f"{slot}_at < newest_at AND {slot}_inserted_at > newest_inserted_at" for slot in _SLOTS)
    at, inserted_at = (f"(unix_millis(even_{clock}) - unix_millis(odd_{clock}))" for clock in ("at", "inserted_at"))
    passes = f"{at} * sign({inserted_at}) > 0 AND 2 * abs({inserted_at}) >= abs({at})"
    return f"coalesce({behind} AND {passes}, false)"


def _fresh(name: str, seconds: int, scale: int | None = None) -> str:
    """The input if it is no older than `seconds` at `computed_for`, by the clock that counts, rounded to `scale`."""

    def known(value: str, clock: str) -> str:
        age = f"unix_millis(computed_for) - unix_millis({value}_{clock})"
        given = value if scale is None else f"round({value}, {scale})"
        return f"CASE WHEN {age} <= {seconds * 1000}L THEN {given} END"

    return f"CASE WHEN was_set_back THEN {known(f'last_{name}', 'inserted_at')} ELSE {known(name, 'at')} END AS {name}"


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
