"""The ledger of directories that nothing should point at, or soon will not: they are removed an hour later.

A directory is entered before the deed (before it is filled, before a partition is switched away from it), so a crash
between the two leaves an entry without a deed, never garbage without an entry. What is removed is decided by the
metastore: a directory that a partition points at is kept, whatever the ledger says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from spark_jobs.landing.files import base_name, remove

GRACE = timedelta(hours=1)
"""A query that began before the switch may still read the old directory for this long."""


@dataclass(frozen=True)
class Retired:
    """A directory (path on HDFS) that belongs, or belonged, to the partition `spec`; `at`: when it was entered."""

    directory: str
    spec: Mapping[str, str]
    at: datetime


class Ledger:
    """The entries below the directory `root`, one small file each. One compaction of a table runs at a time."""

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root

    def enter(self, retired: Retired) -> None:
        """Write an entry; an older one of the same directory is replaced, which starts its hour anew."""
        self._files.makedirs(self._root, exist_ok=True)
        entry = {"directory": retired.directory, "spec": dict(retired.spec), "at": retired.at.isoformat()}
        self._files.pipe_file(self._file(retired.directory), orjson.dumps(entry))

    def entries(self) -> list[Retired]:
        """All entries, oldest first. An entry that was cut off by a crash names nothing and is dropped."""
        if not self._files.exists(self._root):
            return []
        found = []
        for path in self._files.ls(self._root, detail=False):
            try:
                entry = orjson.loads(self._files.cat_file(path))
            except orjson.JSONDecodeError:
                self._files.rm(path)
                continue
            found.append(Retired(entry["directory"], entry["spec"], datetime.fromisoformat(entry["at"])))
        return sorted(found, key=lambda retired: retired.at)

    def remove_due(
        self,
        now: datetime,
        points_at: Callable[[Mapping[str, str]], str | None],
        before: Callable[[Retired], None] = lambda _: None,
    ) -> list[str]:
        """Remove the directories whose hour has passed; returns their paths.

        `points_at` gives the path that a partition points at now: such a directory is in use and only loses its entry.
        `before` is called with each of the others before it goes; when that raises, it stays.
        """
        removed = []
        for retired in self.entries():
            if now - retired.at < GRACE:
                continue
            if points_at(retired.spec) != retired.directory:
                before(retired)
                remove(self._files, retired.directory)
                removed.append(retired.directory)
            self._files.rm(self._file(retired.directory))
        return removed

    def _file(self, directory: str) -> str:
        digest = hashlib.sha256(directory.encode()).hexdigest()[:16]
        return f"{self._root}/{base_name(directory)}-{digest}.json"
