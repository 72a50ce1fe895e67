"""What the checkpoint of a Spark streaming query on HDFS says: which query it is and what it has committed.

Spark writes `offsets/N` before it runs batch N and `commits/N` after it; both appear atomically. Only the newest
hundred or so are kept, and batches are committed in order, so every batch up to the newest commit is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from infra.errors import ConfigurationError

KNOWN_FORM = b"v1"
"""The first line of what Spark writes."""

FIRST_COMMIT = ("commits", "0")

Offsets = dict[str, dict[int, int]]
"""Topic -> partition -> the next offset to read."""


@dataclass(frozen=True)
class Checkpoint:
    """`query_id` names the query (and the files it lands); `last_batch` is the newest committed batch, -1: none yet.

    `offsets` is what that batch ended with; empty before the first.
    """

    query_id: str
    last_batch: int
    offsets: Offsets

    def committed(self, query_id: str, batch: int) -> bool:
        """True when this batch will never be run again: it is committed, or it belongs to an abandoned checkpoint."""
        return query_id != self.query_id or batch <= self.last_batch


def clear_unbegun(files: Any, path: str) -> None:
    """Remove what a query left behind that was ended before its very first plan or commit was whole.

    Spark 4.2 refuses to plan batch 0 where `offsets` or `commits` is not empty, and takes the hidden part of a file
    that was never finished for content: the query would end at each start. Real-time mode writes both at the end of an
    epoch, and the commit has been seen begun before the offsets were there. Such a query noted nothing as read, so what
    it published is published again. It must not run.
    """
    left = {part: _names(files, f"{path}/{part}") for part in ("offsets", "commits")}
    if any(name.isdigit() and (part, name) != FIRST_COMMIT for part, names in left.items() for name in names):
        return
    for part, names in left.items():
        for name in names:
            files.rm(f"{path}/{part}/{name}")


def _names(files: Any, path: str) -> list[str]:
    try:
        return [name.rsplit("/", 1)[-1] for name in files.ls(path, detail=False)]
    except FileNotFoundError:
        return []


def read_checkpoint(files: Any, path: str) -> Checkpoint | None:
    """The checkpoint in the directory `path` of the file system `files` (see `infra.clients.hdfs`); None: not begun.

    Raises ConfigurationError when another version of Spark wrote it in a form that is not known here.
    """
    try:
        query_id = orjson.loads(files.cat_file(f"{path}/metadata"))["id"]
        last = _newest_commit(files, path)
    except FileNotFoundError:
        return None
    return Checkpoint(query_id, last, _offsets_of(files, path, last))


def commit_times(files: Any, path: str) -> list[int]:
    """When HDFS had each commit that is kept of the checkpoint in the directory `path` (epoch ms); none: not begun."""
    try:
        commits = files.ls(f"{path}/commits", detail=True)
    except FileNotFoundError:
        return []
    return [int(one["modificationTime"]) for one in commits if one["name"].rsplit("/", 1)[-1].isdigit()]


class CommittedOffsets:
    """What the query of the checkpoint in the directory `path` has committed, for one who asks every few seconds: the
    commits are listed each time, and of their offsets only those are read that were not there the last time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._last = -1
        self._offsets: Offsets = {}

    def read(self, files: Any) -> Offsets:
        """The next offsets to read after the newest commit; empty before the first. Not for two threads at once.

        `files` and what is raised: see `read_checkpoint`.
        """
        try:
            last = _newest_commit(files, self._path)
        except FileNotFoundError:
            last = -1
        if last != self._last:
            self._offsets = _offsets_of(files, self._path, last)
            self._last = last
        return self._offsets


def _newest_commit(files: Any, path: str) -> int:
    names = [name.rsplit("/", 1)[-1] for name in files.ls(f"{path}/commits", detail=False)]
    return max((int(name) for name in names if name.isdigit()), default=-1)


def _offsets_of(files: Any, path: str, batch: int) -> Offsets:
    """What this batch ended with; -1: none was committed."""
    if batch < 0:
        return {}
    raw = files.cat_file(f"{path}/offsets/{batch}")
    if raw.splitlines()[:1] != [KNOWN_FORM]:
        raise ConfigurationError(
            f"The checkpoint {path} is of the form {raw[:20]!r}, and this version reads {KNOWN_FORM.decode()}. Go on "
            "with the version of Wardwatch that wrote it: a new checkpoint would read everything in Kafka again."
        )
    return parse_offsets(raw)


def parse_offsets(raw: bytes) -> Offsets:
    """The Kafka offsets in an `offsets/N` file: a version, the query's properties, then one line a source."""
    offsets: Offsets = {}
    for line in raw.splitlines()[2:]:
        if line.startswith(b"{"):
            for topic, partitions in orjson.loads(line).items():
                offsets[topic] = {int(partition): int(offset) for partition, offset in partitions.items()}
    return offsets
