"""Whether the checkpoint still fits the topics, before a query starts from it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infra.checkpoints import Offsets, clear_unbegun, read_checkpoint
from infra.clients import hdfs
from infra.errors import ConfigurationError
from infra.lag import Extents, TopicEnds
from infra.settings import Settings
from spark_jobs.alarms import Alarms

SET_ASIDE = ".set-aside-"


@dataclass(frozen=True)
class Mismatch:
    """What is wrong between a checkpoint and its topics. `vanished`: records that Kafka deleted before they were
    judged. `beyond`: the topics end before the checkpoint, so they are not the ones that it was written for."""

    vanished: int
    beyond: bool


def compare(extents: Extents, offsets: Offsets) -> Mismatch:
    """The checkpoint's next offsets against what the topics hold. Pure."""
    pairs = [
        (offsets[topic][partition], extent)
        for topic, partitions in extents.items()
        for partition, extent in partitions.items()
        if partition in offsets.get(topic, {})
    ]
    return Mismatch(
        vanished=sum(max(0, extent.first - offset) for offset, extent in pairs),
        beyond=any(offset > extent.end for offset, extent in pairs),
    )


def overdue(paths: Iterable[str], checkpoint: str, now: datetime, days: int) -> list[str]:
    """Those of the paths that are of this checkpoint and were set aside more than so many days ago. Pure."""
    before_ms = (now - timedelta(days=days)).timestamp() * 1000
    moved = [(path, path.removeprefix(f"{checkpoint}{SET_ASIDE}")) for path in paths]
    return [path for path, at in moved if at != path and at.isdecimal() and int(at) < before_ms]


def check_checkpoint(
    settings: Settings, ends: TopicEnds, alarms: Alarms, sources: Sequence[str], name: str, stream: str
) -> None:
    """Tell ops of readings that Kafka deleted unread; set a checkpoint of other topics aside, to begin anew; clear one
    of a query that was ended before it began.

    `name` is that of the checkpoint below `checkpoints` on HDFS, of a query of `stream` that reads `sources`. A topic
    that was made anew starts at 0 again: from a checkpoint beyond its end nothing would ever be read. One that was set
    aside more than `retention.set_aside_days` ago is removed, as it holds vitals.
    Raises UnavailableError when HDFS or Kafka is away, ConfigurationError when the checkpoint cannot be read.
    """
    checkpoint, files = settings.hdfs_path("checkpoints", name), hdfs(settings)
    clear_unbegun(files, checkpoint)
    found = compare(ends.extents(sources), _offsets(settings, checkpoint, stream))
    now, days = datetime.now(UTC), settings.retention.set_aside_days
    beside = posixpath.dirname(checkpoint)
    for old in overdue(files.ls(beside, detail=False) if files.exists(beside) else (), checkpoint, now, days):
        files.rm(old, recursive=True)
    aside = f"{checkpoint}{SET_ASIDE}{int(now.timestamp() * 1000)}"
    if found.beyond:
        files.mv(checkpoint, aside)
    topics = " and ".join(sources)
    alarms.set(
        "checkpoint_set_aside",
        f"{topics} end before the checkpoint {checkpoint}: the topics were made anew. The checkpoint was moved to "
        f"{aside} on HDFS and {stream} begins anew, a while back. A start of {stream} after {days} days removes it."
        if found.beyond
        else None,
    )
    alarms.set(
        "readings_not_judged",
        f"Kafka deleted {found.vanished} records of {topics} before {stream} read them, as it was away longer than "
        "they are kept: they were not judged. Find out why it was away, or raise kafka.retention_hours, which "
        "`./ward up` gives to the topics."
        if found.vanished and not found.beyond
        else None,
    )


def _offsets(settings: Settings, checkpoint: str, stream: str) -> Offsets:
    try:
        reached = read_checkpoint(hdfs(settings), checkpoint)
    except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError) as error:
        raise ConfigurationError(
            f"The checkpoint {checkpoint} on HDFS cannot be read ({error}): move it to another name and start "
            f"{stream} again; it then begins anew a while back, repeats are dropped by id, and what came before is not "
            "judged."
        ) from error
    return reached.offsets if reached else {}
