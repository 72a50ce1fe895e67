"""How far detection is behind, within an epoch: real-time mode itself reports only at an epoch's end."""

from __future__ import annotations

import math
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from infra.checkpoints import read_checkpoint
from infra.clients import hdfs
from infra.lag import TopicEnds, waiting
from infra.settings import Settings
from spark_jobs.detection.place import Place

PARTITION_METRICS = "kafka.consumer:type=consumer-fetch-manager-metrics,topic=*,partition=*,*"
CLIENT_METRICS = "kafka.consumer:type=consumer-metrics,client-id={}"


def consumer_lag(spark: SparkSession) -> int | None:
    """Committed records that the query's Kafka consumers have not been given yet; None: they run in another JVM.

    A partition that was never fetched from counts as 0. Consumers of an earlier query stay in Spark's pool for some
    minutes: of several on a partition, the one that asked Kafka last counts.
    """
    server = java_class(spark, "java.lang.management.ManagementFactory").getPlatformMBeanServer()
    object_name = java_class(spark, "javax.management.ObjectName")
    newest: dict[tuple[str, str], tuple[float, float]] = {}
    for name in server.queryNames(object_name(PARTITION_METRICS), None):
        client = object_name(CLIENT_METRICS.format(name.getKeyProperty("client-id")))
        try:
            asked = float(server.getAttribute(client, "last-poll-seconds-ago"))
            behind = float(server.getAttribute(name, "records-lag"))
        except Py4JJavaError:
            continue  # closed since it was listed
        partition = (name.getKeyProperty("topic"), name.getKeyProperty("partition"))
        if partition not in newest or asked < newest[partition][0]:
            newest[partition] = (asked, 0.0 if math.isnan(behind) else behind)
    return int(sum(behind for _, behind in newest.values())) if newest else None


def java_class(spark: SparkSession, name: str) -> Any:
    """A class of the driver's JVM, asked for by its whole name.

    Attribute by attribute, Py4J asks for a class named `java`, `java.lang` and so on, and the JVM looks through
    hundreds of jars to find that there is none.
    """
    return getattr(spark._jvm, name)


def lag_records(spark: SparkSession, settings: Settings, ends: TopicEnds, place: Place) -> int:
    """Records that wait to be judged; where the consumers cannot be asked, those since the last checkpoint.

    Raises UnavailableError when Kafka does not answer.
    """
    behind = consumer_lag(spark)
    if behind is not None:
        return behind
    reached = read_checkpoint(hdfs(settings), settings.hdfs_path("checkpoints", place.checkpoint))
    return waiting(ends.extents(place.sources), reached.offsets if reached else {})
