"""From Kafka's bytes to typed readings: one parser for detection, landing and derivation.

Nothing here throws on bad input: what cannot be believed becomes NULL and an entry in `problems`.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clinical.messages import READING_FIELDS
from clinical.tables import VITAL_TYPE
from clinical.vitals import CONSCIOUSNESS, REPORTED, VITALS, Vital
from infra.errors import ConfigurationError
from infra.settings import Readings

READING_COLUMNS = (
    "reading_id",
    "patient_id",
    "device_id",
    "recorded_at",
    "inserted_at",
    "recorded_at_is_receipt",
)
KAFKA_COLUMNS = ("key", "value", "topic", "partition", "offset", "timestamp")
PROBLEM_TYPE = "struct<attribute:string,reason:string,raw:string>"
CORRUPT = "_corrupt"
MAX_SHOWN_CHARACTERS = 200
LATEST_MS = 4_102_444_800_000
"""1 January 2100. A number outside 1970 to 2100 is not a time; it would also overflow a timestamp."""


def parse_readings(df: DataFrame, readings: Readings) -> DataFrame:
    """Typed readings of `vital-info` messages, one row a message, whatever it holds.

    In: Kafka's source columns. Out:

    - `reading_id` BIGINT, `patient_id`, `device_id` STRING, `recorded_at`, `inserted_at` TIMESTAMP,
      `recorded_at_is_receipt` BOOLEAN; `inserted_at` is Kafka's timestamp when the message has none;
    - each vital as DECIMAL(10,3), digits beyond the third cut off; `on_oxygen` BOOLEAN, `consciousness` STRING;
    - `problems` ARRAY<STRUCT<attribute, reason, raw>>: `attribute` NULL speaks of the whole reading, otherwise only
      that column was rejected (and is NULL) while the rest of the reading stands;
    - `accepted` BOOLEAN: no problem of the whole reading; only such a reading is stored as one;
    - `judged_at` TIMESTAMP: the time by which detection judges the reading, NULL when it must not: `recorded_at`, or
      `inserted_at` when the device's clock is of no use (in the future, or no time at all);
    - `raw` STRING (the message) and Kafka's `key`, `topic`, `partition`, `offset`, `timestamp`.

    Raises ConfigurationError naming the Kafka columns that `df` lacks.
    """
    require_columns(df, KAFKA_COLUMNS)
    return _with_problems(_typed(_fields(df), readings), readings)


def judged_readings(df: DataFrame, readings: Readings) -> DataFrame:
    """The readings that detection must judge, as `parse_readings` gives them, without looking for problems.

    It is a smaller plan, which real-time detection plans again at each epoch. Only columns that a judgement needs:
    the reading's identity, its times, `judged_at` (never NULL), the vitals and `topic`.
    """
    require_columns(df, KAFKA_COLUMNS)
    typed = _typed(_fields(df), readings).where("judged_at IS NOT NULL")
    return typed.select(*READING_COLUMNS, *VITALS, "judged_at", "topic")


def long_form(df: DataFrame) -> DataFrame:
    """One row for each vital that a reading has: the other columns stay, the vitals become `attribute`, `value`."""
    require_columns(df, tuple(VITALS))
    pairs = F.array(*(F.struct(F.lit(name).alias("attribute"), F.col(name).alias("value")) for name in VITALS))
    others = [name for name in df.columns if name not in VITALS]
    return df.select(*others, F.inline(pairs)).where("value IS NOT NULL")


def age_years(at: Column, birth: Column) -> Column:
    """Age in years (DOUBLE) on the day `at`, the same as `clinical.ages.age_years`; NULL without a birth date."""
    return F.months_between(F.to_date(at), birth, roundOff=False) / F.lit(12.0)


def require_columns(df: DataFrame, columns: tuple[str, ...]) -> None:
    """Raises ConfigurationError naming the columns that `df` lacks."""
    missing = [name for name in columns if name not in df.columns]
    if missing:
        raise ConfigurationError(
            f"The data frame lacks the columns {', '.join(missing)}; it has {', '.join(df.columns)}."
        )


def text_fields(message: Column, fields: tuple[str, ...]) -> Column:
    """A JSON object's fields, all as text, so that `"abc"` in a number is told from null; `_corrupt` if it is none."""
    schema = ", ".join(f"{name} STRING" for name in (*fields, CORRUPT))
    return F.from_json(message, schema, {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": CORRUPT})


def time_of(text: Column) -> Column:
    """TIMESTAMP of a text in epoch milliseconds; NULL when it is no time between 1970 and 2100."""
    ms = text.try_cast("bigint")
    return F.timestamp_millis(F.when(ms.between(0, LATEST_MS), ms))


def vital_of(text: Column, vital: Vital) -> Column:
    """DECIMAL(10,3) of a text; NULL when it is no finite number or outside the plausible range.

    Digits beyond the third are cut, not rounded: rounding twice would take 72.4996 to 73 when it is compared.
    """
    exact = F.floor(text.try_cast("decimal(24,12)"), F.lit(3)).try_cast(VITAL_TYPE)
    return F.when(text.try_cast("double").between(float(vital.low), float(vital.high)), exact)


def _fields(df: DataFrame) -> DataFrame:
    raw = F.col("value").cast("string")
    kept = ("key", "topic", "partition", "offset", "timestamp")
    return df.select(*kept, raw.alias("raw"), computed_once(text_fields(raw, READING_FIELDS)).alias("m"))


def computed_once(column: Column) -> Column:
    """The column as a generator of one row: as a plain column, the optimizer copies it into every use of it, and plans
    grow until planning them takes seconds."""
    return F.explode(F.array(column))


def _typed(df: DataFrame, readings: Readings) -> DataFrame:
    field = {name: F.col(f"m.{name}") for name in READING_FIELDS}
    on_oxygen = F.lower(field["on_oxygen"])
    typed = F.struct(
        field["reading_id"].try_cast("bigint").alias("reading_id"),
        F.when(F.trim(field["patient_id"]) != "", field["patient_id"]).alias("patient_id"),
        field["device_id"].alias("device_id"),
        time_of(field["recorded_at"]).alias("recorded_at"),
        F.coalesce(time_of(field["inserted_at"]), F.col("timestamp")).alias("inserted_at"),
        F.coalesce(F.lower(field["recorded_at_is_receipt"]) == "true", F.lit(False)).alias("recorded_at_is_receipt"),
        *(vital_of(field[name], vital).alias(name) for name, vital in VITALS.items()),
        F.when(on_oxygen.isin("true", "1"), True).when(on_oxygen.isin("false", "0"), False).alias("on_oxygen"),
        F.when(field["consciousness"].isin(*CONSCIOUSNESS), field["consciousness"]).alias("consciousness"),
    )
    whole = df.select("*", computed_once(typed).alias("typed")).select(*df.columns, "typed.*")
    return whole.withColumn("judged_at", _judged_at(readings))


def _judged_at(readings: Readings) -> Column:
    identified = F.col("reading_id").isNotNull() & F.col("patient_id").isNotNull() & F.col("m._corrupt").isNull()
    clock_is_wrong = F.col("recorded_at").isNull() | _is_in_future(readings)
    return F.when(
        identified & ~_is_too_old(readings),
        F.when(clock_is_wrong, F.col("inserted_at")).otherwise(F.col("recorded_at")),
    )


def _with_problems(df: DataFrame, readings: Readings) -> DataFrame:
    whole = _whole_problems(readings)
    single = [_vital_problem(vital) for vital in VITALS.values()] + [
        _word_problem("on_oxygen", "true or false"),
        _word_problem("consciousness", "one of " + ", ".join(CONSCIOUSNESS)),
    ]
    problems = F.filter(F.array(*whole, *single), lambda problem: problem.isNotNull()).cast(f"array<{PROBLEM_TYPE}>")
    return df.select("*", computed_once(problems).alias("problems")).select(
        *READING_COLUMNS,
        *REPORTED,
        "problems",
        F.forall("problems", lambda problem: problem["attribute"].isNotNull()).alias("accepted"),
        "judged_at",
        "raw",
        "key",
        "topic",
        "partition",
        "offset",
        "timestamp",
    )


def _whole_problems(readings: Readings) -> list[Column]:
    """What makes a reading unfit to be stored, each a problem or NULL."""
    is_object = F.col("m").isNotNull() & F.col("m._corrupt").isNull()
    is_ours = is_object & reduce(Column.__or__, (F.col(f"m.{name}").isNotNull() for name in READING_FIELDS))
    written = F.coalesce(_quoted(F.col("m.recorded_at")), F.lit("(none)"))
    recorded = F.concat(F.lit("recorded_at "), F.col("recorded_at").cast("string"), F.lit(" UTC is more than "))
    inserted = F.concat(F.lit(" the insertion at "), F.col("inserted_at").cast("string"), F.lit(" UTC."))
    ahead, behind = f"{readings.max_future_seconds} s after", f"{readings.max_age_days} days before"
    no_time = F.concat(F.lit("recorded_at "), written, F.lit(" is no time in epoch milliseconds."))
    return [
        _problem(~is_object | F.col("raw").isNull(), F.lit("The message is not a JSON object.")),
        _problem(is_object & ~is_ours, F.lit("The JSON object has none of a reading's fields.")),
        _problem(is_ours & F.col("reading_id").isNull(), F.lit("The reading has no reading_id that is an integer.")),
        _problem(is_ours & F.col("patient_id").isNull(), F.lit("The reading has no patient_id.")),
        _problem(is_ours & F.col("recorded_at").isNull(), no_time),
        _problem(_is_in_future(readings), F.concat(recorded, F.lit(ahead), inserted)),
        _problem(_is_too_old(readings), F.concat(recorded, F.lit(behind), inserted)),
    ]


def _ms_ahead() -> Column:
    """Milliseconds by which the recording lies after the insertion; NULL without a time of recording."""
    return F.unix_millis("recorded_at") - F.unix_millis("inserted_at")


def _is_in_future(readings: Readings) -> Column:
    return F.coalesce(_ms_ahead() > readings.max_future_seconds * 1000, F.lit(False))


def _is_too_old(readings: Readings) -> Column:
    return F.coalesce(_ms_ahead() < -readings.max_age_days * 86_400_000, F.lit(False))


def _problem(condition: Column, reason: Column) -> Column:
    """A problem of the whole reading when `condition` holds, else NULL."""
    return F.when(condition, _entry(F.lit(None).cast("string"), reason, F.col("raw")))


def _vital_problem(vital: Vital) -> Column:
    text = F.col(f"m.{vital.attribute}")
    number, infinite = text.try_cast("double"), float("inf")
    is_outside = ((number < float(vital.low)) & (number > -infinite)) | (
        (number > float(vital.high)) & (number < infinite)
    )
    limits = f" is outside the plausible range {vital.low} to {vital.high} {vital.unit}".rstrip()
    return _column_problem(
        vital.attribute,
        F.when(is_outside, F.concat(F.lit(f"{vital.attribute} "), _short(text), F.lit(f"{limits}."))).otherwise(
            F.concat(F.lit(f"{vital.attribute} "), _quoted(text), F.lit(" is not a number."))
        ),
    )


def _word_problem(attribute: str, expected: str) -> Column:
    text = F.col(f"m.{attribute}")
    return _column_problem(attribute, F.concat(F.lit(f"{attribute} "), _quoted(text), F.lit(f" is not {expected}.")))


def _column_problem(attribute: str, reason: Column) -> Column:
    """A problem of one column: the message has something there, and it was not accepted."""
    text = F.col(f"m.{attribute}")
    return F.when(text.isNotNull() & F.col(attribute).isNull(), _entry(F.lit(attribute), reason, text))


def _entry(attribute: Column, reason: Column, raw: Column) -> Column:
    return F.struct(attribute.alias("attribute"), reason.alias("reason"), raw.alias("raw"))


def _short(text: Column) -> Column:
    """The text without the quotes that a JSON word such as "NaN" keeps, and not endlessly long."""
    return F.substring(F.btrim(text, F.lit('"')), 1, MAX_SHOWN_CHARACTERS)


def _quoted(text: Column) -> Column:
    return F.concat(F.lit('"'), _short(text), F.lit('"'))
