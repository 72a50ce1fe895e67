"""Whether the servers that landing needs are there, told by name before a Spark driver is started."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlparse

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession

from clinical.tables import StoredTable
from infra.clients import alerts_connection, hdfs, kafka_config
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings

TIMEOUT_SECONDS = 5.0


def require_servers(settings: Settings, topics: Sequence[str]) -> None:
    """Raises UnavailableError naming what is away: one of the topics or Kafka, HDFS, the metastore or MySQL.

    Kafka is not asked when there are no `topics`.
    """
    if topics:
        _require_topics(settings, topics)
    hdfs(settings).ls("/")
    _require_port("Hive metastore", settings.metastore_uri)
    alerts_connection(settings).close()


def require_tables(spark: SparkSession, tables: Iterable[StoredTable]) -> None:
    """Raises ConfigurationError naming the tables that Hive lacks."""
    missing = [table.full_name for table in tables if not spark.catalog.tableExists(table.full_name)]
    if missing:
        raise ConfigurationError(f"Hive has no table {', '.join(missing)}: run `./ward up`, which creates them.")


def _require_topics(settings: Settings, topics: Iterable[str]) -> None:
    try:
        client = AdminClient(kafka_config(settings, **{"log_level": 0}))
        known = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    except KafkaException as error:
        raise UnavailableError("Kafka", settings.bootstrap_servers, error) from error
    missing = [topic for topic in topics if topic not in known]
    if missing:
        raise UnavailableError("Kafka", settings.bootstrap_servers, f"there is no topic {', '.join(missing)} yet")


def _require_port(server: str, uri: str) -> None:
    url = urlparse(uri)
    try:
        socket.create_connection((url.hostname or "", url.port or 0), TIMEOUT_SECONDS).close()
    except OSError as error:
        raise UnavailableError(server, uri, error) from error
