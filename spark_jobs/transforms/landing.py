"""What a batch of messages becomes in the stored tables: rows, rejections and dead letters. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clinical.tables import REJECTED_READINGS, VITAL_READINGS, StoredColumn, StoredTable
from clinical.topics import CUT, DEAD_LETTER_HEADERS, LETTER_KEY_BYTES, LETTER_VALUE_BYTES, PARTLY_READ
from spark_jobs.transforms.readings import KAFKA_COLUMNS
from spark_jobs.transforms.sql import computed_once, require_columns, struct, text, text_fields, time_of

MAX_RAW_CHARACTERS = 2000


def stored_readings(parsed: DataFrame) -> DataFrame:
    """Rows of `vital_readings`, from the accepted ones of `typed_readings`; rejected attributes are NULL."""
    accepted = parsed.where("accepted").withColumnsRenamed({"partition": "kafka_partition", "offset": "kafka_offset"})
    return _stored(accepted, VITAL_READINGS)


def rejections(parsed: DataFrame) -> DataFrame:
    """Rows of `rejected_readings`: one for each bad attribute, and one (attribute NULL) for a reading that is rejected
    as a whole, with all its reasons, so that a rejected message has exactly one such row."""
    whole = "filter(problems, problem -> problem.attribute IS NULL)"
    single = "filter(problems, problem -> problem.attribute IS NOT NULL)"
    reasons = f"concat_ws(' ', transform({whole}, problem -> problem.reason))"
    reading = struct(attribute="CAST(NULL AS STRING)", reason=reasons, raw="raw")
    rows = f"concat(filter(array({reading}), _ -> size({whole}) > 0), {single})"
    exploded = parsed.selectExpr("*", f"explode({rows}) AS rejected").selectExpr(
        "reading_id",
        "patient_id",
        "rejected.attribute",
        "rejected.reason",
        f"substring(rejected.raw, 1, {MAX_RAW_CHARACTERS}) AS raw",
        "topic AS source_topic",
        "partition AS source_partition",
        "offset AS source_offset",
        "inserted_at",
        "current_timestamp() AS rejected_at",
    )
    return _stored(exploded, REJECTED_READINGS)


def reading_dead_letters(parsed: DataFrame) -> DataFrame:
    """Dead letters of the messages in which anything was rejected, with every reason.

    The header PARTLY_READ says which attributes were left out of a reading that was stored; it is empty for one that
    was not stored.
    """
    reasons = "concat_ws(' ', transform(problems, problem -> problem.reason))"
    attributes = "CASE WHEN accepted THEN concat_ws(',', transform(problems, problem -> problem.attribute)) ELSE '' END"
    return _dead_letters(parsed.where("has_problem"), reasons, {PARTLY_READ: attributes})


def parse_records(df: DataFrame, table: StoredTable) -> DataFrame:
    """Rows of `table` from JSON messages that have its columns as fields, with times in epoch milliseconds.

    In: Kafka's source columns. Out: the columns of the table and of its partitions, `problem` (why the message cannot
    be stored, else NULL), `raw` and Kafka's `key`, `topic`, `partition`, `offset`.

    Raises ConfigurationError naming the Kafka columns that `df` lacks.
    """
    require_columns(df, KAFKA_COLUMNS)
    kept = ("key", "topic", "partition", "offset", "raw")
    raw = "CAST(value AS STRING)"
    message = computed_once(text_fields(raw, table.column_names))
    read = df.selectExpr("key", "topic", "partition", "offset", f"{raw} AS raw", f"{message} AS m")
    typed = read.selectExpr(*kept, "m", *(f"{_typed(column)} AS {column.name}" for column in table.columns))
    return typed.selectExpr(
        *table.column_names, *partition_values(table, table.time_column), f"{_problem(table)} AS problem", *kept
    )


def stored_records(parsed: DataFrame, table: StoredTable) -> DataFrame:
    """Rows of `table` from those of `parse_records` that have no problem, each id once: the message that came first.

    Always the same one, as repeats may belong to other partitions than their original.
    """
    whole, place = f"struct({', '.join(table.column_names)})", "struct(partition, offset)"
    first = parsed.where("problem IS NULL").groupBy(table.id_column).agg(F.expr(f"min_by({whole}, {place}) AS first"))
    return _stored(first.select("first.*"), table)


def record_dead_letters(parsed: DataFrame) -> DataFrame:
    """Dead letters of the messages of `parse_records` that have a problem."""
    return _dead_letters(parsed.where("problem IS NOT NULL"), "problem")


def partition_values(table: StoredTable, at: str) -> list[str]:
    """The values of the partition's columns, by their names, at the time in the column `at`."""
    values = {"event_date": f"date_format({at}, 'yyyy-MM-dd')", "event_hour": f"hour({at})"}
    return [f"{values[column.name]} AS {column.name}" for column in table.partitions]


def _stored(df: DataFrame, table: StoredTable) -> DataFrame:
    columns = (f"CAST({column.name} AS {column.type}) AS {column.name}" for column in table.columns)
    return df.selectExpr(*columns).selectExpr("*", *partition_values(table, table.time_column))


def _typed(column: StoredColumn) -> str:
    written = f"m.{column.name}"
    return time_of(written) if column.type == "TIMESTAMP" else f"try_cast({written} AS {column.type})"


def _problem(table: StoredTable) -> str:
    """What is wrong with a message as a record of `table`, as a sentence; NULL when it can be stored."""
    required = (table.id_column, table.time_column)
    missing = " OR ".join(f"m.{name} IS NULL" for name in required)
    badly_typed = (
        f"CASE WHEN m.{column.name} IS NOT NULL AND {column.name} IS NULL THEN {text(column.name)} END"
        for column in table.columns
    )
    lacks = f"The message lacks {' or '.join(required)}."
    names = f"concat_ws(', ', {', '.join(badly_typed)})"
    return (
        "CASE WHEN m IS NULL OR m._corrupt IS NOT NULL OR raw IS NULL THEN 'The message is not a JSON object.'"
        f" WHEN {missing} THEN {text(lacks)}"
        f" WHEN {names} != '' THEN concat('These fields have a value of another type: ', {names}, '.') END"
    )


def _dead_letters(df: DataFrame, error: str, further: Mapping[str, str] | None = None) -> DataFrame:
    """Kafka's sink columns: the original key and bytes, with the error and the source's place in the headers.

    Both are cut where Kafka's client would refuse the letter, which would end the query at each start. `further`: more
    headers, name and expression.
    """
    raw = "CAST(raw AS BINARY)"
    size = f"coalesce(octet_length(key), 0) + coalesce(octet_length({raw}), 0)"
    is_cut = f"octet_length(key) > {LETTER_KEY_BYTES} OR octet_length({raw}) > {LETTER_VALUE_BYTES}"
    cut = f"CASE WHEN {is_cut} THEN CAST({size} AS STRING) ELSE '' END"
    values = (error, "topic", "CAST(partition AS STRING)", "CAST(offset AS STRING)")
    headers = dict(zip(DEAD_LETTER_HEADERS, values, strict=True)) | {CUT: cut} | dict(further or {})
    pairs = ", ".join(struct(key=text(key), value=f"CAST({value} AS BINARY)") for key, value in headers.items())
    return df.selectExpr(
        f"substring(key, 1, {LETTER_KEY_BYTES}) AS key",
        f"substring({raw}, 1, {LETTER_VALUE_BYTES}) AS value",
        f"array({pairs}) AS headers",
    )
