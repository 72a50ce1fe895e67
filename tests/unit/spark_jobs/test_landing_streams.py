"""Records that are published again, landed in directories of this machine: each id once, whatever time a repeat has."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from clinical.tables import StoredTable
from infra.settings import Settings
from spark_jobs.landing.batch import Batch
from spark_jobs.landing.streams import RecordStream
from tests.unit.spark_jobs.frames import kafka_frame

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

Land = Callable[..., dict[str, datetime]]


def breach(identity: str, recorded_at: datetime, inserted_at: datetime | None = NOON) -> dict[str, object]:
    ms = {
        name: int(at.timestamp() * 1000) if at else None
        for name, at in {"recorded_at": recorded_at, "inserted_at": inserted_at}.items()
    }
    return {"breach_id": identity, **ms}


@pytest.fixture
def land(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Land:
    """Lands a batch of messages; returns every id that the table has then, with its time of recording."""
    root = tmp_path / "breaches"

    def stage(_batch: Batch, df: DataFrame, _table: StoredTable) -> None:
        df.write.partitionBy("event_date").mode("append").parquet(str(root))

    def location_of(_spark: SparkSession, _table: StoredTable, spec: Mapping[str, str]) -> str | None:
        directory = root / f"event_date={spec['event_date']}"
        return str(directory) if directory.exists() else None

    monkeypatch.setattr("spark_jobs.landing.streams.stage", stage)
    monkeypatch.setattr("spark_jobs.landing.streams.publish", lambda *_: 1)
    monkeypatch.setattr("spark_jobs.landing.streams.location_of", location_of)

    def landed(*messages: dict[str, object]) -> dict[str, datetime]:
        RecordStream().land(Batch(Settings(), "query", 1), kafka_frame(spark, list(messages)))
        stored = spark.read.schema("breach_id STRING, recorded_at TIMESTAMP").parquet(str(root))
        rows = stored.selectExpr("breach_id", "unix_millis(recorded_at) AS at").collect()
        assert len({row.breach_id for row in rows}) == len(rows), rows
        return {row.breach_id: datetime.fromtimestamp(row["at"] / 1000, UTC) for row in rows}

    return landed


def test_a_breach_that_is_published_again_lands_once(land: Land) -> None:
    land(breach("a", NOON), breach("b", NOON))
    assert land(breach("b", NOON), breach("c", NOON)) == {"a": NOON, "b": NOON, "c": NOON}


@pytest.mark.parametrize("corrected", [NOON - timedelta(hours=6), NOON - timedelta(days=3)], ids=["hours", "days"])
def test_a_breach_by_its_insertion_is_not_landed_again_when_the_clock_was_corrected(
    land: Land, corrected: datetime
) -> None:
    land(breach("a", recorded_at=NOON))
    assert land(breach("a", recorded_at=corrected), breach("b", recorded_at=corrected)) == {"a": NOON, "b": corrected}


def test_of_one_batch_the_first_message_of_a_breach_is_landed(land: Land) -> None:
    corrected = NOON - timedelta(days=3)
    assert land(breach("a", NOON), breach("a", corrected)) == {"a": NOON}
    assert land(breach("b", corrected), breach("b", NOON)) == {"a": NOON, "b": corrected}


def test_a_breach_without_a_time_of_insertion_lands_once(land: Land) -> None:
    land(breach("a", NOON, inserted_at=None))
    assert land(breach("a", NOON, inserted_at=None)) == {"a": NOON}
