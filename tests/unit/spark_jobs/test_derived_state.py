"""What a query of `derive-vitals` remembers has the form that its checkpoint's directory stands for."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from clinical.rolling import MEANS
from infra.settings import Derivation, Readings
from spark_jobs.derive_vitals import CHECKPOINTS, SUPERSEDED
from spark_jobs.transforms.derived import NEWS2, inputs_of_readings, latest_inputs, mean_windows
from tests.unit.spark_jobs.frames import kafka_frame

DEFAULTS = Derivation()
REMEMBERED: dict[str, Callable[[DataFrame], DataFrame]] = {
    NEWS2: partial(latest_inputs, remember_seconds=DEFAULTS.remember_seconds),
    **{mean.attribute: partial(mean_windows, mean=mean, late_seconds=DEFAULTS.late_seconds) for mean in MEANS},
}
"""Query -> what it remembers of its inputs."""

STATES = {
    "news2-3": [
        "key patient_id: string",
        "key window: struct<start:timestamp,end:timestamp>",
        "newest_at: max(timestamp)",
        "last_inserted_at: max(timestamp)",
        "sample_0_at: max_by(timestamp, bigint)",
        "sample_0_inserted_at: max_by(timestamp, bigint)",
        "sample_1_at: max_by(timestamp, bigint)",
        "sample_1_inserted_at: max_by(timestamp, bigint)",
        "sample_2_at: max_by(timestamp, bigint)",
        "sample_2_inserted_at: max_by(timestamp, bigint)",
        "respiratory_rate: max_by(decimal(10,3), timestamp)",
        "respiratory_rate_at: max(timestamp)",
        "last_respiratory_rate: max_by(decimal(10,3), bigint)",
        "last_respiratory_rate_inserted_at: max(timestamp)",
        "spo2: max_by(decimal(10,3), timestamp)",
        "spo2_at: max(timestamp)",
        "last_spo2: max_by(decimal(10,3), bigint)",
        "last_spo2_inserted_at: max(timestamp)",
        "systolic_bp: max_by(decimal(10,3), timestamp)",
        "systolic_bp_at: max(timestamp)",
        "last_systolic_bp: max_by(decimal(10,3), bigint)",
        "last_systolic_bp_inserted_at: max(timestamp)",
        "heart_rate: max_by(decimal(10,3), timestamp)",
        "heart_rate_at: max(timestamp)",
        "last_heart_rate: max_by(decimal(10,3), bigint)",
        "last_heart_rate_inserted_at: max(timestamp)",
        "temperature: max_by(decimal(10,3), timestamp)",
        "temperature_at: max(timestamp)",
        "last_temperature: max_by(decimal(10,3), bigint)",
        "last_temperature_inserted_at: max(timestamp)",
        "on_oxygen: max_by(boolean, timestamp)",
        "on_oxygen_at: max(timestamp)",
        "last_on_oxygen_inserted_at: max(timestamp)",
        "consciousness_points: max_by(int, timestamp)",
        "consciousness_points_at: max(timestamp)",
        "last_consciousness_points_inserted_at: max(timestamp)",
    ],
    "glucose_mean_10m": [
        "key patient_id: string",
        "key window: struct<start:timestamp,end:timestamp>",
        "mean: avg(decimal(20,3), bigint)",
        "inputs_used: count(bigint)",
        "computed_for: max(timestamp)",
    ],
}
"""Directory of a checkpoint -> the keys of its state, then each aggregate with the types that are kept for it."""


def state(remembered: DataFrame) -> Iterator[str]:
    """The form of the state that Spark keeps for a streaming aggregate, a line for each column."""
    aggregate = remembered._jdf.queryExecution().analyzed()
    assert aggregate.nodeName() == "Aggregate"
    for key in each(aggregate.groupingExpressions()):
        yield f"key {key.name()}: {key.dataType().simpleString()}"
    for named in each(aggregate.aggregateExpressions()):
        for expression in each(named.children()):
            if expression.nodeName() == "AggregateExpression":
                function = expression.aggregateFunction()
                kept = ", ".join(column.dataType().simpleString() for column in each(function.aggBufferAttributes()))
                yield f"{named.name()}: {function.prettyName()}({kept})"


def each(sequence: Any) -> Iterator[Any]:
    """The elements of a Seq of Scala."""
    return (sequence.apply(number) for number in range(sequence.size()))


def directory(query: str) -> str:
    return CHECKPOINTS.get(query, query)


def test_no_query_begins_in_a_directory_that_is_removed() -> None:
    for query in REMEMBERED:
        assert directory(query) not in SUPERSEDED.get(query, ())


@pytest.mark.parametrize("query", REMEMBERED)
def test_the_state_of_a_query_has_the_form_that_its_checkpoints_directory_is_named_for(
    spark: SparkSession, query: str
) -> None:
    inputs = inputs_of_readings(kafka_frame(spark, []), Readings())
    assert list(state(REMEMBERED[query](inputs))) == STATES.get(directory(query)), (
        f"The state of {query} has another form than that in checkpoints/derive-vitals/{directory(query)}, which Spark "
        "refuses to go on from. In spark_jobs/derive_vitals.py give CHECKPOINTS another name for it and SUPERSEDED the "
        "old one; then give STATES the new name with the new form."
    )
