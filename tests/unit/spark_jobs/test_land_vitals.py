"""The landing job, as far as it needs no server."""

import uuid

import pytest
from pyspark.sql import SparkSession

from alerts.watchdog import watchdog_reading
from clinical.messages import WATCHDOG_PATIENT
from infra.settings import Settings
from spark_jobs.land_vitals import land_batch
from spark_jobs.landing.batch import Batch
from spark_jobs.landing.streams import NOTHING, STREAMS, LandingStream
from tests.unit.spark_jobs.frames import kafka_frame


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.topic)
def test_the_empty_first_batch_of_an_empty_topic_lands_nothing(spark: SparkSession, stream: LandingStream) -> None:
    batch = Batch(Settings(), str(uuid.uuid4()), 0)
    assert land_batch(stream, batch, kafka_frame(spark, [])) == NOTHING


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.topic)
def test_a_batch_with_nothing_but_the_watchdog_lands_nothing(spark: SparkSession, stream: LandingStream) -> None:
    batch = Batch(Settings(), str(uuid.uuid4()), 0)
    messages = [watchdog_reading(1_763_838_000_000), b"not even JSON"]
    assert land_batch(stream, batch, kafka_frame(spark, messages, key=WATCHDOG_PATIENT)) == NOTHING
