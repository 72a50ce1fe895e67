"""The driver that derives: what its session is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest
from pyspark.sql import DataFrame, SparkSession

from clinical.rolling import GLUCOSE_MEAN
from infra.settings import Settings
from spark_jobs import derive_vitals
from spark_jobs.derive_vitals import DerivingJob
from spark_jobs.transforms.derived import mean_windows
from tests.unit.spark_jobs.frames import kafka_frame, run_batch


@pytest.fixture
def session(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> SparkSession:
    """As a job leaves it that was told to stop before its first query."""
    own, stop = spark.newSession(), threading.Event()
    stop.set()
    monkeypatch.setattr(derive_vitals, "spark_session", lambda *_: own)
    monkeypatch.setattr(derive_vitals, "stop_session", lambda _: None)
    monkeypatch.setattr(DerivingJob, "_start_all", lambda *_: [])
    DerivingJob(Settings(), cast(Any, None), cast(Any, None)).run(stop)
    return own


def test_the_state_is_kept_by_rocksdb_and_each_batch_writes_only_its_changes(
    session: SparkSession, tmp_path: Path
) -> None:
    reading = {"reading_id": 1, "patient_id": "P1", "recorded_at": 0, "inserted_at": 0, "glucose": 100}
    query = run_batch(
        kafka_frame(session, [reading], timestamp_ms=0),
        tmp_path,
        lambda inputs: mean_windows(inputs, GLUCOSE_MEAN, 300),
        DataFrame.collect,
    )
    (state,) = query.recentProgress[-1].stateOperators
    assert "rocksdbPutCount" in state.customMetrics
    written = [file.suffix for file in (tmp_path / "checkpoint" / "state").glob("0/[0-9]*/[0-9]*.*")]
    assert written == [".changelog"] * 2
