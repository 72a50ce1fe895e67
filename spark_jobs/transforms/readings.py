"""From Kafka's bytes to typed readings: one parser for detection, landing and derivation.

Nothing here throws on bad input: what cannot be believed becomes NULL and an entry in `problems`.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from clinical.device import NO_CLOCK_BEFORE_MS, PROBED
from clinical.messages import ID_MAX, READING_FIELDS, WATCHDOG_PATIENT
from clinical.tables import VITAL_TYPE
from clinical.vitals import CONSCIOUSNESS, MEASURED, REPORTED, SIGNAL_QUALITY, VITALS, Vital
from infra.settings import Readings
from spark_jobs.transforms.sql import computed_once, require_columns, struct, text, text_fields, text_list, time_of

READING_COLUMNS = (
    "reading_id",
    "patient_id",
    "device_id",
    "recorded_at",
    "inserted_at",
    "recorded_at_is_receipt",
)
KAFKA_COLUMNS = ("key", "value", "topic", "partition", "offset", "timestamp")
PROBLEM_TYPE = "STRUCT<attribute: STRING, reason: STRING, raw: STRING>"
MAX_SHOWN_CHARACTERS = 200

_STANDING = ("accepted", "has_problem", "judged_at")
_PASSED_ON = ("raw", "key", "topic", "partition", "offset", "timestamp")
_MS_AHEAD = "(unix_millis(recorded_at) - unix_millis(inserted_at))"
"""Milliseconds by which the recording lies after the insertion; NULL without a time of recording."""

_HAS_NO_CLOCK = f"coalesce(unix_millis(recorded_at) < {NO_CLOCK_BEFORE_MS}L, false)"
_IS_OBJECT = "(m IS NOT NULL AND m._corrupt IS NULL)"
_IS_OURS = f"({_IS_OBJECT} AND ({' OR '.join(f'm.{name} IS NOT NULL' for name in READING_FIELDS)}))"


def typed_readings(df: DataFrame, readings: Readings) -> DataFrame:
    """Typed readings of `vital-info` messages, one row a message, whatever it holds.

    In: Kafka's source columns. Out:

    - `reading_id` BIGINT, `patient_id`, `device_id` STRING, `recorded_at`, `inserted_at` TIMESTAMP,
      `recorded_at_is_receipt` BOOLEAN; `inserted_at` is Kafka's timestamp when the message has none;
    - each vital, and what the device says of itself, as DECIMAL(10,3), digits beyond the third cut off; `on_oxygen`
      BOOLEAN, `consciousness` STRING;
    - `accepted` BOOLEAN: no problem of the whole reading; only such a reading is stored as one;
    - `has_problem` BOOLEAN: something was rejected, be it one attribute or the whole reading;
    - `judged_at` TIMESTAMP: the time by which detection judges the reading, NULL when it must not: `recorded_at`, or
      `inserted_at` when the device's clock is of no use (in the future, or no time at all);
    - `raw` STRING (the message) and Kafka's `key`, `topic`, `partition`, `offset`, `timestamp`.

    Raises ConfigurationError naming the Kafka columns that `df` lacks.
    """
    require_columns(df, KAFKA_COLUMNS)
    return _judged(df, readings).selectExpr(*READING_COLUMNS, *REPORTED, *_STANDING, *_PASSED_ON)


def parse_readings(df: DataFrame, readings: Readings) -> DataFrame:
    """What `typed_readings` gives, and why anything was rejected.

    - `problems` ARRAY<STRUCT<attribute, reason, raw>>, empty when there is none: `attribute` NULL speaks of the whole
      reading, otherwise only that column was rejected (and is NULL) while the rest of the reading stands.

    Finding words for it makes a plan several times as large: it is for messages that are known to have a problem.
    Raises ConfigurationError naming the Kafka columns that `df` lacks.
    """
    require_columns(df, KAFKA_COLUMNS)
    problems = f"{_problems(readings)} AS problems"
    return _judged(df, readings).selectExpr(*READING_COLUMNS, *REPORTED, problems, *_STANDING, *_PASSED_ON)


def judged_readings(df: DataFrame, readings: Readings) -> DataFrame:
    """The readings that detection must judge, as `parse_readings` gives them, without looking for problems.

    It is a smaller plan, which real-time detection plans again at each epoch. Only columns that a judgement needs:
    the reading's identity, its times, `judged_at` (never NULL), the vitals (`believed_vitals`) and `topic`.
    """
    require_columns(df, KAFKA_COLUMNS)
    typed = _typed(df).selectExpr("*", f"{_judged_at(readings)} AS judged_at").where("judged_at IS NOT NULL")
    return typed.selectExpr(*READING_COLUMNS, *believed_vitals(readings), "judged_at", "topic")


def believed_vitals(readings: Readings) -> list[str]:
    """The vitals of a typed reading, NULL where `clinical.device.is_believed` says no."""
    contact = f"coalesce({SIGNAL_QUALITY} >= {readings.least_signal_quality}D, true)"
    return [f"CASE WHEN {contact} THEN {name} END AS {name}" if name in PROBED else name for name in VITALS]


def without_watchdog(df: DataFrame) -> DataFrame:
    """The messages (Kafka's source columns) without those that Wardwatch sends itself: they are about no patient.

    By their key, so that nothing need be parsed.
    """
    require_columns(df, KAFKA_COLUMNS)
    return df.where(f"NOT (key <=> CAST({text(WATCHDOG_PATIENT)} AS BINARY))")


def long_form(df: DataFrame) -> DataFrame:
    """One row for each vital that a reading has: the other columns stay, the vitals become `attribute`, `value`."""
    require_columns(df, tuple(VITALS))
    pairs = ", ".join(struct(attribute=text(name), value=name) for name in VITALS)
    others = [name for name in df.columns if name not in VITALS]
    return df.selectExpr(*others, f"inline(array({pairs}))").where("value IS NOT NULL")


def age_years(at: str, birth: str) -> str:
    """Age in years (DOUBLE) on the day `at`, the same as `clinical.ages.age_years`; NULL without a birth date."""
    return f"(months_between(to_date({at}), {birth}, false) / 12.0D)"


def vital_of(written: str, vital: Vital) -> str:
    """DECIMAL(10,3) of a text; NULL when it is no finite number or outside the plausible range.

    Digits beyond the third are cut, not rounded: rounding twice would take 72.4996 to 73 when it is compared.
    """
    exact = f"try_cast(floor(try_cast({written} AS DECIMAL(24, 12)), 3) AS {VITAL_TYPE})"
    plausible = f"try_cast({written} AS DOUBLE) BETWEEN {float(vital.low)}D AND {float(vital.high)}D"
    return f"CASE WHEN {plausible} THEN {exact} END"


def _typed(df: DataFrame) -> DataFrame:
    """The message's fields as text in `m`, and each of them typed; what cannot be read is NULL."""
    kept = ("key", "topic", "partition", "offset", "timestamp", "raw", "m")
    raw = "CAST(value AS STRING)"
    fields = df.selectExpr(*kept[:-2], f"{raw} AS raw", f"{computed_once(text_fields(raw, READING_FIELDS))} AS m")
    typed = {
        "reading_id": "try_cast(m.reading_id AS BIGINT)",
        "patient_id": f"CASE WHEN trim(m.patient_id) != '' AND NOT {_is_long('m.patient_id')} THEN m.patient_id END",
        "device_id": f"CASE WHEN NOT {_is_long('m.device_id')} THEN m.device_id END",
        "recorded_at": time_of("m.recorded_at"),
        "inserted_at": f"coalesce({time_of('m.inserted_at')}, timestamp)",
        "recorded_at_is_receipt": "coalesce(lower(m.recorded_at_is_receipt) = 'true', false)",
        **{name: vital_of(f"m.{name}", vital) for name, vital in MEASURED.items()},
        "on_oxygen": "CASE WHEN lower(m.on_oxygen) IN ('true', '1') THEN true"
        " WHEN lower(m.on_oxygen) IN ('false', '0') THEN false END",
        "consciousness": f"CASE WHEN m.consciousness IN ({text_list(CONSCIOUSNESS)}) THEN m.consciousness END",
    }
    return fields.selectExpr(*kept, *(f"{expression} AS {name}" for name, expression in typed.items()))


def _judged(df: DataFrame, readings: Readings) -> DataFrame:
    """Typed readings with what follows from them: `judged_at`, `accepted`, `has_problem`."""
    typed = _typed(df).selectExpr("*", f"{_judged_at(readings)} AS judged_at", f"{_accepted(readings)} AS accepted")
    unread = " OR ".join(_is_unread(name) for name in (*REPORTED, "device_id"))
    return typed.selectExpr("*", f"NOT accepted OR {unread} AS has_problem")


def _judged_at(readings: Readings) -> str:
    identified = "reading_id IS NOT NULL AND patient_id IS NOT NULL AND m._corrupt IS NULL"
    clock_is_wrong = f"(recorded_at IS NULL OR {_is_in_future(readings)} OR {_HAS_NO_CLOCK})"
    by = f"CASE WHEN {clock_is_wrong} THEN inserted_at ELSE recorded_at END"
    return f"CASE WHEN {identified} AND ({_HAS_NO_CLOCK} OR NOT {_is_too_old(readings)}) THEN {by} END"


def _accepted(readings: Readings) -> str:
    """Whether none of `_whole_problems` holds."""
    required = " AND ".join(f"{name} IS NOT NULL" for name in ("raw", "reading_id", "patient_id", "recorded_at"))
    return f"{_IS_OBJECT} AND {required} AND NOT {_is_in_future(readings)} AND NOT {_is_too_old(readings)}"


def _is_long(written: str) -> str:
    """Whether an id has more characters than anything that reads it can hold."""
    return f"coalesce(char_length({written}) > {ID_MAX}, false)"


def _is_unread(name: str) -> str:
    """Whether the message has something there that was not accepted."""
    return f"(m.{name} IS NOT NULL AND {name} IS NULL)"


def _problems(readings: Readings) -> str:
    single = [_vital_problem(vital) for vital in MEASURED.values()] + [
        _word_problem("on_oxygen", "true or false"),
        _word_problem("consciousness", "one of " + ", ".join(CONSCIOUSNESS)),
        _column_problem("device_id", text(f"The device_id has more than {ID_MAX} characters.")),
    ]
    found = f"filter(array({', '.join([*_whole_problems(readings), *single])}), problem -> problem IS NOT NULL)"
    return f"CAST(CASE WHEN has_problem THEN {found} ELSE array() END AS ARRAY<{PROBLEM_TYPE}>)"


def _whole_problems(readings: Readings) -> list[str]:
    """What makes a reading unfit to be stored, each a problem or NULL."""
    ahead, behind = f"{readings.max_future_seconds} s after", f"{readings.max_age_days} days before"
    written = f"coalesce({_quoted('m.recorded_at')}, '(none)')"
    return [
        _problem(f"NOT {_IS_OBJECT} OR raw IS NULL", text("The message is not a JSON object.")),
        _problem(f"{_IS_OBJECT} AND NOT {_IS_OURS}", text("The JSON object has none of a reading's fields.")),
        _problem(f"{_IS_OURS} AND reading_id IS NULL", text("The reading has no reading_id that is an integer.")),
        _problem(
            f"{_IS_OURS} AND patient_id IS NULL",
            f"CASE WHEN {_is_long('m.patient_id')} THEN {text(f'The patient_id has more than {ID_MAX} characters.')}"
            f" ELSE {text('The reading has no patient_id.')} END",
        ),
        _problem(
            f"{_IS_OURS} AND recorded_at IS NULL",
            f"concat('recorded_at ', {written}, ' is no time in epoch milliseconds.')",
        ),
        _problem(_is_in_future(readings), _misplaced(ahead)),
        _problem(_is_too_old(readings), _misplaced(behind)),
    ]


def _misplaced(by: str) -> str:
    said = text(f" UTC is more than {by} the insertion at ")
    return f"concat('recorded_at ', CAST(recorded_at AS STRING), {said}, CAST(inserted_at AS STRING), ' UTC.')"


def _is_in_future(readings: Readings) -> str:
    return f"coalesce({_MS_AHEAD} > {readings.max_future_seconds * 1000}, false)"


def _is_too_old(readings: Readings) -> str:
    return f"coalesce({_MS_AHEAD} < {-readings.max_age_days * 86_400_000}L, false)"


def _problem(condition: str, reason: str) -> str:
    """A problem of the whole reading when `condition` holds, else NULL."""
    return f"CASE WHEN {condition} THEN {struct(attribute='CAST(NULL AS STRING)', reason=reason, raw='raw')} END"


def _vital_problem(vital: Vital) -> str:
    written, name = f"m.{vital.attribute}", vital.attribute
    number, infinite = f"try_cast({written} AS DOUBLE)", "CAST('Infinity' AS DOUBLE)"
    is_outside = (
        f"({number} < {float(vital.low)}D AND {number} > -{infinite})"
        f" OR ({number} > {float(vital.high)}D AND {number} < {infinite})"
    )
    limits = f" is outside the plausible range {vital.low} to {vital.high} {vital.unit}".rstrip() + "."
    outside = f"concat('{name} ', {_short(written)}, {text(limits)})"
    no_number = f"concat('{name} ', {_quoted(written)}, ' is not a number.')"
    return _column_problem(name, f"CASE WHEN {is_outside} THEN {outside} ELSE {no_number} END")


def _word_problem(name: str, expected: str) -> str:
    return _column_problem(name, f"concat('{name} ', {_quoted(f'm.{name}')}, {text(f' is not {expected}.')})")


def _column_problem(name: str, reason: str) -> str:
    """A problem of one column: the message has something there, and it was not accepted."""
    entry = struct(attribute=text(name), reason=reason, raw=f"m.{name}")
    return f"CASE WHEN {_is_unread(name)} THEN {entry} END"


def _short(written: str) -> str:
    """The text without the quotes that a JSON word such as "NaN" keeps, and not endlessly long."""
    return f"substring(btrim({written}, '\"'), 1, {MAX_SHOWN_CHARACTERS})"


def _quoted(written: str) -> str:
    return f"concat('\"', {_short(written)}, '\"')"
