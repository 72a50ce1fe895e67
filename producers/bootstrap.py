"""Creates what this room needs: the hospital's tables (embedded stack) and the Kafka topics. Idempotent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from clinical.topics import TOPICS, Topic
from infra.clients import devices_connection, kafka_config, with_retries
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings

SCHEMA = Path(__file__).with_name("schema.sql")
ADMIN_TIMEOUT_SECONDS = 15
MAX_CURSOR_BYTES = 8 * 1024 * 1024
"""Largest cursor message: it lists every open gap, and `producer.max_open_gaps` of them fit."""

FOLLOWED = ("retention.ms", "cleanup.policy")
"""What an existing topic is given anew when our settings, or we, want it otherwise now."""

LATER_COLUMNS = {
    "signal_quality": "TINYINT UNSIGNED NULL COMMENT '%; 0: electrodes or probe have no contact'",
    "battery_percent": "TINYINT UNSIGNED NULL COMMENT '%; NULL: none, or not told'",
}
"""Columns of `health.patients_vital_info` that an older version of us did not make."""

log = structlog.get_logger(part="producers")


def bootstrap(settings: Settings) -> None:
    """Create the tables of `health` and the topics where they are missing.

    An existing table gets columns that it lacks, an existing topic the retention that the settings name.

    Raises UnavailableError when MySQL or Kafka stays away, ConfigurationError when a topic has too few partitions.
    """
    with_retries(settings, lambda: create_tables(settings))
    with_retries(settings, lambda: create_topics(settings, TOPICS))


def create_tables(settings: Settings) -> None:
    """Create, or complete, the tables of `schema.sql` as the devices' user, who owns `health`."""
    statements = [part.strip() for part in SCHEMA.read_text().split(";\n") if part.strip()]
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'health' AND table_name = 'patients_vital_info'"
        )
        existing = {name for (name,) in cursor.fetchall()}
        # One by one and asked for before: ADD COLUMN IF NOT EXISTS is MariaDB's alone.
        for name, definition in LATER_COLUMNS.items():
            if name not in existing:
                cursor.execute(f"ALTER TABLE health.patients_vital_info ADD COLUMN {name} {definition}")
                log.info("column added", table="health.patients_vital_info", column=name)


def create_topics(settings: Settings, topics: Iterable[Topic], configuration: Mapping[str, str] | None = None) -> None:
    """Create those of `topics` that do not exist, with this `configuration` beside what each topic of ours has.

    Those that exist are brought into line with it. Another process may create the same ones meanwhile.

    Raises ConfigurationError when a topic exists with fewer partitions than it should have, or when the cluster has
    too few brokers for `kafka.replication_factor`; UnavailableError when no broker answers.
    """
    admin = AdminClient(kafka_config(settings, log_level=0))
    existing = _partitions(settings, admin)
    wanted = list(topics)
    new = {topic.name: _new_topic(settings, topic, configuration or {}) for topic in wanted}
    for topic in wanted:
        if existing.get(topic.name, topic.partitions) < topic.partitions:
            raise ConfigurationError(
                f"Kafka topic {topic.name} at {settings.bootstrap_servers} has {existing[topic.name]} partitions and "
                f"needs {topic.partitions}: add partitions with kafka-topics --alter, or delete the topic if empty."
            )
    _follow(settings, admin, [topic for name, topic in new.items() if name in existing])
    missing = [topic for name, topic in new.items() if name not in existing]
    if not missing:
        return
    for name, future in admin.create_topics(missing, operation_timeout=ADMIN_TIMEOUT_SECONDS).items():
        _await_creation(settings, name, future)
    log.info("topics created", topics=[topic.topic for topic in missing])


def _partitions(settings: Settings, admin: AdminClient) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=ADMIN_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise UnavailableError("Kafka", settings.bootstrap_servers, error.args[0]) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _follow(settings: Settings, admin: AdminClient, topics: Sequence[NewTopic]) -> None:
    """Bring existing topics into line. Where we may not, they stay as they are and the log says so."""
    if not topics:
        return
    wanted = {ConfigResource(ConfigResource.Type.TOPIC, topic.topic): topic.config or {} for topic in topics}
    try:
        found = {topic: future.result() for topic, future in admin.describe_configs(list(wanted)).items()}
        changes = {topic: _differences(wanted[topic], entries) for topic, entries in found.items()}
        _alter(admin, {topic.name: change for topic, change in changes.items() if change})
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise UnavailableError("Kafka", settings.bootstrap_servers, reason) from error
        log.warning("topics are left as they are", reason=reason.str())


def _differences(wanted: Mapping[str, str], found: Mapping[str, ConfigEntry]) -> dict[str, str]:
    """What of `wanted` an existing topic is to be given."""
    return {name: wanted[name] for name in FOLLOWED if name in wanted and found[name].value != wanted[name]}


def _alter(admin: AdminClient, changes: Mapping[str, Mapping[str, str]]) -> None:
    if not changes:
        return
    resources = [
        ConfigResource(
            ConfigResource.Type.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in change.items()
            ],
        )
        for name, change in changes.items()
    ]
    for topic, future in admin.incremental_alter_configs(resources).items():
        future.result()
        log.info("topic changed", topic=topic.name, **changes[topic.name])


def _new_topic(settings: Settings, topic: Topic, configuration: Mapping[str, str]) -> NewTopic:
    replicas = settings.kafka.replication_factor
    config = {"min.insync.replicas": str(max(1, replicas - 1))}
    if topic.compacted:
        # Small segments and an eager cleaner keep the log short, which is read from its beginning at each start.
        config |= {
            "segment.bytes": str(16 * 1024 * 1024),
            "segment.ms": str(3_600_000),
            "min.cleanable.dirty.ratio": "0.1",
            "max.message.bytes": str(MAX_CURSOR_BYTES),
        }
    kept_hours = settings.kafka.retention_hours
    if topic.notes:
        # What a dead letter holds can be sent again for as long as there is the letter, so its note is not gone before.
        kept_hours = max(kept_hours, settings.retention.sent_again_days * 24)
    if topic.notes or not topic.compacted:
        config["retention.ms"] = str(kept_hours * 3_600_000)
    config["cleanup.policy"] = "compact,delete" if topic.notes else "compact" if topic.compacted else "delete"
    config |= configuration
    return NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=replicas, config=config)


def _await_creation(settings: Settings, name: str, future: Any) -> None:
    try:
        future.result()
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        if reason.code() == KafkaError.INVALID_REPLICATION_FACTOR:
            raise ConfigurationError(
                f"Kafka topic {name} cannot be created: kafka.replication_factor is "
                f"{settings.kafka.replication_factor}, and {settings.bootstrap_servers} says {reason.str()}"
            ) from error
        raise UnavailableError("Kafka", settings.bootstrap_servers, reason) from error
