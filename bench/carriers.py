"""What carries the rows of a MySQL table to Kafka: the product's producer, and Debezium; each to a topic of its own.

Both run as processes of their own, read the same server and write the same broker, four partitions as `vital-info` has.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.debezium import Tuning, debezium, row_id, topic_of
from bench.programs import Program, running
from bench.scratch import random_name
from bench.source_database import SourceDatabase, free_port
from clinical.topics import Topic
from infra.clients import devices_connection
from infra.servers import project_environment, venv_program
from infra.settings import Settings

PRODUCT = "product"
PARTITIONS = 4


@dataclass(frozen=True)
class Carrier:
    """`start` begins to carry; the program is stopped at the end of its block. `topics`: what has to exist before,
    `topic` the one of the rows; `id_of` tells the row's id from a message's value."""

    topic: str
    topics: tuple[Topic, ...]
    id_of: Callable[[bytes], int]
    start: Callable[[], AbstractContextManager[Program]]


@contextmanager
def workplace(settings: Settings) -> Iterator[Path]:
    """A private directory, removed at the end of the block."""
    directory = settings.state_dir / "bench" / random_name()
    directory.mkdir(parents=True, mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def create_table(source: SourceDatabase) -> str:
    """A new, empty table of readings; its name with the database's."""
    table = f"health.{random_name()}"
    with devices_connection(source.settings) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} LIKE health.patients_vital_info")
    return table


def producer_settings(source: SourceDatabase, table: str) -> Settings:
    """Settings for a product's producer of that table, with topics and a transactional id of its own."""
    settings, name = source.settings, random_name()
    own = {"transactional_id": name, "readings_topic": name, "cursor_topic": f"{name}-cursor"}
    return settings.model_copy(
        update={
            "source": settings.source.model_copy(update={"table": table}),
            "producer": settings.producer.model_copy(update=own),
        }
    )


def topics_of(settings: Settings) -> tuple[Topic, ...]:
    """The topics that a producer with these settings writes."""
    producer = settings.producer
    return Topic(producer.readings_topic, PARTITIONS), Topic(producer.cursor_topic, 1, compacted=True)


def product(source: SourceDatabase, table: str) -> Carrier:
    """The producer of the product, as its supervisor starts it."""
    settings = producer_settings(source, table)
    command = [venv_program("python"), "-m", "producers.vitals_producer"]
    log = settings.log_dir / "bench-vitals-producer.log"
    return Carrier(
        settings.producer.readings_topic,
        topics_of(settings),
        lambda value: int(orjson.loads(value)["reading_id"]),
        lambda: running(command, _environment(settings), settings.state_dir, log),
    )


def peer(source: SourceDatabase, table: str, directory: Path, tuning: Tuning, prefix: str | None = None) -> Carrier:
    """Debezium. Its state is kept in `directory`; to go on from that it needs the same `prefix` again."""
    prefix = prefix or random_name()
    topic = topic_of(prefix, table)
    return Carrier(
        topic,
        (Topic(topic, PARTITIONS),),
        row_id,
        lambda: debezium(source, table, prefix, directory, tuning),
    )


def _environment(settings: Settings) -> dict[str, str]:
    """These settings, as far as they differ from the stack's, for a process of the product."""
    # The port is moved by the offset again when that process reads its settings.
    port = free_port() - settings.port_offset
    return project_environment(settings) | {
        "WARDWATCH_MYSQL__HOST": settings.mysql.host,
        "WARDWATCH_MYSQL__PORT": str(settings.mysql_port),
        "WARDWATCH_SOURCE__TABLE": settings.source.table,
        "WARDWATCH_PRODUCER__TRANSACTIONAL_ID": settings.producer.transactional_id,
        "WARDWATCH_PRODUCER__READINGS_TOPIC": settings.producer.readings_topic,
        "WARDWATCH_PRODUCER__CURSOR_TOPIC": settings.producer.cursor_topic,
        "WARDWATCH_PORTS__METRICS_VITALS_PRODUCER": str(port),
    }
