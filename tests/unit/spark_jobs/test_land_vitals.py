"""The landing job, as far as it needs no server."""

import uuid

import pytest
from pyspark.sql import SparkSession

from infra.settings import Settings
from spark_jobs.land_vitals import land_batch
from spark_jobs.landing.batch import Batch
from spark_jobs.landing.streams import NOTHING, STREAMS, LandingStream
from tests.unit.spark_jobs.frames import kafka_frame


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.topic)
def test_the_empty_first_batch_of_an_empty_topic_lands_nothing(spark: SparkSession, stream: LandingStream) -> None:
    batch = Batch(Settings(), str(uuid.uuid4()), 0)
    assert land_batch(stream, batch, kafka_frame(spark, [])) == NOTHING
