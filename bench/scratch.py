"""What a benchmark makes for itself on the running stack, under a random name, and removes again whatever happens."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.clients import hdfs, kafka_config
from infra.errors import UnavailableError
from infra.lag import topic_ends
from infra.settings import Settings
from infra.waiting import wait_for

KAFKA_SECONDS = 30.0
APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
"""A message's timestamp is then the broker's time of appending it."""


def random_suffix() -> str:
    """Eight hexadecimal digits."""
    return uuid.uuid4().hex[:8]


def apart(settings: Settings, suffix: str, **spark: Any) -> tuple[Settings, dict[str, str]]:
    """Settings with a directory on HDFS and a threshold table of their own, and with these of `spark`; and the same as
    environment variables, for a process that is to work by them."""
    own = {
        "hadoop": {"warehouse": f"{settings.hadoop.warehouse}-bench-{suffix}"},
        "thresholds": {"table": f"bench_thresholds_{suffix}"},
        "spark": spark,
    }
    parts = {part: getattr(settings, part).model_copy(update=values) for part, values in own.items()}
    variables = {
        f"WARDWATCH_{part}__{name}".upper(): str(value)
        for part, values in own.items()
        for name, value in values.items()
    }
    return settings.model_copy(update=parts), variables


@contextmanager
def own_topics(
    settings: Settings, topics: Mapping[str, int], configuration: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Topics (name -> number of partitions) that exist within the block. Raises UnavailableError."""
    admin = AdminClient(kafka_config(settings, **{"log_level": 0}))
    new = [
        NewTopic(name, partitions, settings.kafka.replication_factor, config=dict(configuration or {}))
        for name, partitions in topics.items()
    ]
    try:
        for future in admin.create_topics(new).values():
            future.result(KAFKA_SECONDS)
        if not wait_for(lambda: _have_leaders(settings, topics), KAFKA_SECONDS, 0.2):
            raise UnavailableError("Kafka", settings.bootstrap_servers, "the new topics have no leaders")
        yield
    finally:
        for future in admin.delete_topics(list(topics)).values():
            future.exception(KAFKA_SECONDS)


@contextmanager
def own_directory(settings: Settings) -> Iterator[None]:
    """The warehouse of `apart` is removed with all below it at the end of the block."""
    try:
        yield
    finally:
        files = hdfs(settings)
        if files.exists(settings.hdfs_path()):
            files.rm(settings.hdfs_path(), recursive=True)


def _have_leaders(settings: Settings, topics: Mapping[str, int]) -> bool:
    with topic_ends(settings) as ends:
        try:
            return len(ends.extents(topics)) == len(topics)
        except UnavailableError:
            return False
