"""What a batch of messages becomes in the stored tables: rows, rejections and dead letters. Pure."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clinical.tables import REJECTED_READINGS, VITAL_READINGS, StoredColumn, StoredTable
from spark_jobs.transforms.readings import KAFKA_COLUMNS, require_columns, text_fields, time_of

MAX_RAW_CHARACTERS = 2000


def stored_readings(parsed: DataFrame) -> DataFrame:
    """Rows of `vital_readings`, from the accepted ones of `parse_readings`; rejected attributes are NULL."""
    accepted = parsed.where("accepted").withColumnsRenamed({"partition": "kafka_partition", "offset": "kafka_offset"})
    return _stored(accepted, VITAL_READINGS)


def rejections(parsed: DataFrame) -> DataFrame:
    """Rows of `rejected_readings`: one for each bad attribute, and one (attribute NULL) for a reading that is rejected
    as a whole, with all its reasons, so that a rejected message has exactly one such row."""
    whole = F.filter("problems", lambda problem: problem["attribute"].isNull())
    single = F.filter("problems", lambda problem: problem["attribute"].isNotNull())
    reading = F.struct(
        F.lit(None).cast("string").alias("attribute"),
        F.concat_ws(" ", F.transform(whole, lambda problem: problem["reason"])).alias("reason"),
        F.col("raw").alias("raw"),
    )
    rows = F.concat(F.filter(F.array(reading), lambda _: F.size(whole) > 0), single)
    exploded = parsed.withColumn("rejected", F.explode(rows)).select(
        "reading_id",
        "patient_id",
        "rejected.attribute",
        "rejected.reason",
        F.substring("rejected.raw", 1, MAX_RAW_CHARACTERS).alias("raw"),
        F.col("topic").alias("source_topic"),
        F.col("partition").alias("source_partition"),
        F.col("offset").alias("source_offset"),
        "inserted_at",
        F.current_timestamp().alias("rejected_at"),
    )
    return _stored(exploded, REJECTED_READINGS)


def reading_dead_letters(parsed: DataFrame) -> DataFrame:
    """Dead letters of the messages in which anything was rejected, with every reason."""
    reasons = F.concat_ws(" ", F.transform("problems", lambda problem: problem["reason"]))
    return _dead_letters(parsed.where(F.size("problems") > 0), reasons)


def parse_records(df: DataFrame, table: StoredTable) -> DataFrame:
    """Rows of `table` from JSON messages that have its columns as fields, with times in epoch milliseconds.

    In: Kafka's source columns. Out: the columns of the table and of its partitions, `problem` (why the message cannot
    be stored, else NULL), `raw` and Kafka's `key`, `topic`, `partition`, `offset`.

    Raises ConfigurationError naming the Kafka columns that `df` lacks.
    """
    require_columns(df, KAFKA_COLUMNS)
    raw = F.col("value").cast("string")
    read = df.select(
        "key", "topic", "partition", "offset", raw.alias("raw"), text_fields(raw, table.column_names).alias("m")
    )
    typed = read.select("*", *(_typed(column).alias(column.name) for column in table.columns))
    kept = ("key", "topic", "partition", "offset", "raw")
    return typed.select(*table.column_names, *_partition_values(table), _problem(table).alias("problem"), *kept)


def stored_records(parsed: DataFrame, table: StoredTable) -> DataFrame:
    """Rows of `table` from those of `parse_records` that have no problem, each id once."""
    return _stored(parsed.where("problem IS NULL"), table).dropDuplicates([table.id_column])


def record_dead_letters(parsed: DataFrame) -> DataFrame:
    """Dead letters of the messages of `parse_records` that have a problem."""
    return _dead_letters(parsed.where("problem IS NOT NULL"), F.col("problem"))


def _stored(df: DataFrame, table: StoredTable) -> DataFrame:
    columns = [F.col(column.name).cast(column.type).alias(column.name) for column in table.columns]
    return df.select(*columns).select("*", *_partition_values(table))


def _partition_values(table: StoredTable) -> list[Column]:
    at = F.col(table.time_column)
    values = {"event_date": F.date_format(at, "yyyy-MM-dd"), "event_hour": F.hour(at)}
    return [values[column.name].alias(column.name) for column in table.partitions]


def _typed(column: StoredColumn) -> Column:
    text = F.col(f"m.{column.name}")
    return time_of(text) if column.type == "TIMESTAMP" else text.try_cast(column.type)


def _problem(table: StoredTable) -> Column:
    """What is wrong with a message as a record of `table`, as a sentence; NULL when it can be stored."""
    is_object = F.col("m").isNotNull() & F.col("m._corrupt").isNull() & F.col("raw").isNotNull()
    required = (table.id_column, table.time_column)
    missing = reduce(Column.__or__, (F.col(f"m.{name}").isNull() for name in required))
    badly_typed = [
        F.when(F.col(f"m.{column.name}").isNotNull() & F.col(column.name).isNull(), F.lit(column.name))
        for column in table.columns
    ]
    names = F.concat_ws(", ", *badly_typed)
    return (
        F.when(~is_object, F.lit("The message is not a JSON object."))
        .when(missing, F.lit(f"The message lacks {' or '.join(required)}."))
        .when(names != "", F.concat(F.lit("These fields have a value of another type: "), names, F.lit(".")))
    )


def _dead_letters(df: DataFrame, error: Column) -> DataFrame:
    """Kafka's sink columns: the original key and bytes, with the error and the source's place in the headers."""
    headers = {
        "error": error,
        "topic": F.col("topic"),
        "partition": F.col("partition").cast("string"),
        "offset": F.col("offset").cast("string"),
    }
    pairs = (F.struct(F.lit(k).alias("key"), v.cast("binary").alias("value")) for k, v in headers.items())
    return df.select("key", F.col("raw").cast("binary").alias("value"), F.array(*pairs).alias("headers"))
