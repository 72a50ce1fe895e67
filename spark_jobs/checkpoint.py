"""Whether the checkpoint still fits the topics, before a query starts from it."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.checkpoints import Checkpoint, Offsets, clear_unbegun, read_checkpoint
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


def aside(checkpoint: str) -> str:
    """Where a checkpoint is to be moved that no query goes on from: there it is removed after a while."""
    return f"{checkpoint}{SET_ASIDE}{time.time_ns() // 1_000_000}"


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
    found = compare(ends.extents(sources), _offsets(files, checkpoint, stream))
    remove_overdue(settings, files, checkpoint)
    moved_to = aside(checkpoint)
    if found.beyond:
        files.mv(checkpoint, moved_to)
    topics = " and ".join(sources)
    alarms.set(
        "checkpoint_set_aside",
        f"{topics} end before the checkpoint {checkpoint}: the topics were made anew. The checkpoint was moved to "
        f"{moved_to} on HDFS and {stream} begins anew, a while back. A start of {stream} after "
        f"{settings.retention.set_aside_days} days removes it."
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


def remove_overdue(settings: Settings, files: Any, checkpoint: str) -> None:
    """Remove what was set aside of this checkpoint more than `retention.set_aside_days` ago. Raises UnavailableError
    when HDFS is away."""
    beside = posixpath.dirname(checkpoint)
    paths = files.ls(beside, detail=False) if files.exists(beside) else ()
    for old in overdue(paths, checkpoint, datetime.now(UTC), settings.retention.set_aside_days):
        files.rm(old, recursive=True)


def read_or_refuse(files: Any, checkpoint: str, advice: str) -> Checkpoint | None:
    """The checkpoint in this directory on HDFS; None: not begun. Raises ConfigurationError, with the advice, when it
    cannot be read, as after HDFS lost a block of it."""
    try:
        return read_checkpoint(files, checkpoint)
    except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError) as error:
        raise ConfigurationError(f"The checkpoint {checkpoint} on HDFS cannot be read ({error}): {advice}") from error


def _offsets(files: Any, checkpoint: str, stream: str) -> Offsets:
    advice = (
        f"move it to {aside(checkpoint)} and start {stream} again; it then begins anew a while back, repeats are "
        "dropped by id, and what came before is not judged."
    )
    reached = read_or_refuse(files, checkpoint, advice)
    return reached.offsets if reached else {}
