"""One local Spark for all unit tests that need one: no server, no Hive."""

import sys
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from spark_jobs.session import QUICK_START


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session in UTC on two threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = (
            SparkSession.builder.appName("unit")
            .master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.extraJavaOptions", f"-Duser.timezone=UTC -XX:+UseSerialGC {QUICK_START}")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "2")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()
