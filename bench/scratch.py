"""What a benchmark makes for itself on the running stack, under a random name, and removes again whatever happens."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka.admin import AdminClient

from clinical.topics import Topic
from infra.clients import hdfs, kafka_config
from infra.errors import UnavailableError
from infra.lag import topic_ends
from infra.settings import Settings
from infra.waiting import wait_for
from producers.bootstrap import create_topics

KAFKA_SECONDS = 30.0
APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
"""A message's timestamp is then the broker's time of appending it."""


def random_suffix() -> str:
    """`<pid>_<8 hexadecimal digits>`: nobody else has it, and whose it is can be told."""
    return f"{os.getpid()}_{uuid.uuid4().hex[:8]}"


def random_name() -> str:
    """A name for a table, a topic or a directory."""
    return f"bench_{random_suffix()}"


def is_own(name: str) -> bool:
    """Whether the name contains a random suffix of this process, so that what has it was made for this process."""
    return re.search(rf"(?<![0-9a-f]){os.getpid()}_[0-9a-f]{{8}}(?![0-9a-f])", name) is not None


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
    settings: Settings, topics: Sequence[Topic], configuration: Mapping[str, str] | None = None
) -> Iterator[None]:
    """These topics exist within the block, and have leaders. Raises UnavailableError."""
    try:
        create_topics(settings, topics, configuration)
        if not wait_for(lambda: _have_leaders(settings, topics), KAFKA_SECONDS, 0.2):
            raise UnavailableError("Kafka", settings.bootstrap_servers, "the new topics have no leaders")
        yield
    finally:
        admin = AdminClient(kafka_config(settings, log_level=0))
        for future in admin.delete_topics([topic.name for topic in topics]).values():
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


def _have_leaders(settings: Settings, topics: Sequence[Topic]) -> bool:
    with topic_ends(settings) as ends:
        try:
            return len(ends.extents(topic.name for topic in topics)) == len(topics)
        except UnavailableError:
            return False
