"""Debezium's MariaDB connector in a standalone Kafka Connect: the peer that carries rows from MySQL to Kafka.

Started as Kafka's own `connect-standalone.sh` does it, with that script's heap and collector. Messages are JSON without
schemas, which is the lighter of its two forms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from bench.programs import Program, running
from bench.source_database import REPLICATION_USER, SourceDatabase, free_port
from infra.java import java_program
from infra.render import conf_dir
from infra.secrets import write_private
from infra.settings import Settings

PART = "kafka-connect"
"""Of `infra.install`: what it needs beside Kafka's own jars."""

FLAGS = (
    *("-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"),
    "-Duser.timezone=UTC",
)


@dataclass(frozen=True)
class Tuning:
    """Settings beside the defaults, of the Connect worker and of the connector."""

    worker: Mapping[str, str] = field(default_factory=dict)
    connector: Mapping[str, str] = field(default_factory=dict)


DEFAULTS = Tuning()
TUNED = Tuning(
    worker={"producer.compression.type": "lz4", "producer.batch.size": "131072"},
    connector={"poll.interval.ms": "10", "max.batch.size": "8192", "max.queue.size": "32768"},
)
TUNED_FOR_SINGLE_ROWS = replace(TUNED, worker={**TUNED.worker, "producer.linger.ms": "0"})
"""By default Kafka's producer waits 5 ms for more to send, which helps a backlog and delays a row that comes alone."""


def topic_of(prefix: str, table: str) -> str:
    """Where the rows of `database.table` go."""
    return f"{prefix}.{table}"


def row_id(value: bytes) -> int:
    """The `id` of the row that a message tells of."""
    number: int = orjson.loads(value)["after"]["id"]
    return number


@contextmanager
def debezium(source: SourceDatabase, table: str, prefix: str, directory: Path, tuning: Tuning) -> Iterator[Program]:
    """Carries `table`: first what is in it, then what comes. Goes on where a former run in the same `directory` ended.

    Its topic must be there. A row may arrive twice after a crash, not after a stop.
    """
    directory.mkdir(parents=True, exist_ok=True)
    worker, connector = directory / "worker.properties", directory / "connector.properties"
    write_private(worker, _properties({**_worker(source.settings, directory), **tuning.worker}))
    write_private(connector, _properties({**_connector(source, table, prefix, directory), **tuning.connector}))
    with running(
        _command(source.settings, worker, connector), {}, directory, source.settings.log_dir / "bench-debezium.log"
    ) as program:
        yield program


def _command(settings: Settings, worker: Path, connector: Path) -> list[str]:
    class_path = [
        str(conf_dir(settings) / "kafka"),
        *(str(settings.lib_dir / part / "*") for part in ("kafka", PART)),
    ]
    main = "org.apache.kafka.connect.cli.ConnectStandalone"
    return [java_program(), *FLAGS, "-cp", ":".join(class_path), main, str(worker), str(connector)]


def _worker(settings: Settings, directory: Path) -> dict[str, str]:
    converter = "org.apache.kafka.connect.json.JsonConverter"
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "listeners": f"http://127.0.0.1:{free_port()}",
        "key.converter": converter,
        "value.converter": converter,
        "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false",
        "offset.storage.file.filename": str(directory / "offsets"),
        "plugin.discovery": "service_load",
    }


def _connector(source: SourceDatabase, table: str, prefix: str, directory: Path) -> dict[str, str]:
    database, _ = table.split(".")
    return {
        "name": "bench",
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        "tasks.max": "1",
        "database.hostname": source.settings.mysql.host,
        "database.port": str(source.settings.mysql_port),
        "database.user": REPLICATION_USER,
        "database.password": source.replication_password,
        "database.server.id": "5400",
        "topic.prefix": prefix,
        "database.include.list": database,
        "table.include.list": table,
        "include.schema.changes": "false",
        "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
        "schema.history.internal.file.filename": str(directory / "schema-history"),
    }


def _properties(entries: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in entries.items())
