"""Whether Kafka still holds what a landing query would read next, told before the query starts."""

from __future__ import annotations

import time

from clinical.messages import TechnicalAlarm
from clinical.topics import TECHNICAL_ALARMS
from infra.checkpoints import Checkpoint
from infra.errors import ConfigurationError
from infra.kafka_io import publish
from infra.lag import TopicEnds
from infra.log import get_logger
from infra.settings import Settings
from spark_jobs.checkpoint import aside, compare

SOURCE = "land-vitals"
log = get_logger(SOURCE)


def check_retention(settings: Settings, ends: TopicEnds, topic: str, checkpoint: Checkpoint, path: str) -> None:
    """Tell ops of records that Kafka deleted before they were landed; landing goes on with the oldest that is left.

    Raises ConfigurationError when the topic ends before the checkpoint (in the directory `path`): it is another topic
    than the one that was read, and to begin anew might land its readings twice. UnavailableError when Kafka is away.
    """
    found = compare(ends.extents([topic]), checkpoint.offsets)
    if found.beyond:
        raise ConfigurationError(
            f"The topic {topic} ends before what was landed of it, so it was made anew. If its messages were never "
            f"landed, move {path} on HDFS to {aside(path)} and start {SOURCE} again, which then lands it from its "
            "start."
        )
    kind = f"{topic}_not_landed"
    detail = (
        f"Kafka deleted {found.vanished} records of {topic} before they were landed, as landing was away longer than "
        "they are kept: they are not in Hive, and the audit names the ids. Raise kafka.retention_hours, which "
        "`./ward up` gives to the topics."
    )
    if found.vanished:
        log.error("records lost", topic=topic, records=found.vanished)
    alarm = TechnicalAlarm(
        alarm_key=f"{SOURCE}:{kind}",
        source=SOURCE,
        kind=kind,
        detail=detail if found.vanished else "The cause has gone.",
        raised_at=time.time_ns() // 1_000_000,
        cleared=not found.vanished,
    )
    publish(settings, TECHNICAL_ALARMS, alarm["alarm_key"], alarm)
