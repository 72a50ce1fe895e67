"""What Spark is told about a topic."""

import time
from typing import Any

import pytest

from infra.settings import Kafka, Settings
from spark_jobs.kafka import kafka_source, since

SETTINGS = Settings(kafka=Kafka(bootstrap_servers="broker:9092"))


class Reader:
    """Stands for a session and its reader; `told` are the options."""

    def __init__(self) -> None:
        self.readStream = self
        self.told: dict[str, str] = {}

    def format(self, _name: str) -> "Reader":
        return self

    def options(self, **options: str) -> "Reader":
        self.told = options
        return self

    def load(self) -> None:
        """Nothing."""


def told(*arguments: Any) -> dict[str, str]:
    reader: Any = Reader()
    kafka_source(reader, SETTINGS, "one,two", *arguments)
    found: dict[str, str] = reader.told
    return found


def test_only_what_was_committed_is_read_and_what_kafka_deleted_stops_nothing() -> None:
    options = told(None)
    assert (options["subscribe"], options["kafka.bootstrap.servers"]) == ("one,two", "broker:9092")
    assert (options["kafka.isolation.level"], options["failOnDataLoss"]) == ("read_committed", "false")


@pytest.mark.parametrize(("most", "limit"), [(None, None), (7, "7")])
def test_a_batch_is_limited_where_one_says_so(most: int | None, limit: str | None) -> None:
    assert told(most).get("maxOffsetsPerTrigger") == limit


def test_a_query_begins_with_the_topic_or_where_it_says() -> None:
    assert told(7)["startingOffsets"] == "earliest"
    before = time.time()
    later = told(7, since(60))
    assert before - 60 <= int(later["startingTimestamp"]) / 1000 + 0.001 <= time.time() - 59
    assert later["startingOffsetsByTimestampStrategy"] == "latest"
    assert "startingOffsets" not in later
