"""Snapshots of the contacts on HDFS: one directory each, named by its time, with its own manifest.

The newest complete directory is the truth; the location of the Hive table follows it. A directory gets its name by an
atomic rename when it is whole, and `_import.json` in it (hidden from Hive and Spark) says where it came from and up to
which mark. A manifest that cannot be read counts as missing, and then the next import is full.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from clinical.tables import SNAPSHOT_VERSION
from infra.clients import hdfs, hdfs_rename
from infra.errors import ConfigurationError, UnavailableError
from infra.log import get_logger
from infra.settings import Settings

MANIFEST = "_import.json"
TEMPORARY_PREFIX = "_new_"
ROWS_PER_FILE = 500_000
log = get_logger("contacts-import")


def version_of(at: datetime) -> str:
    """The version made at that time: UTC to the millisecond, so that versions sort by time."""
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3] + "Z"


def time_of(version: str) -> datetime:
    """The time at which a version was made."""
    return datetime.strptime(version, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)


def next_version(now: datetime, newest: str | None) -> str:
    """A version later than the newest one, also when the clock went back."""
    if newest is not None and version_of(now) <= newest:
        now = time_of(newest) + timedelta(milliseconds=1)
    return version_of(now)


def removable(versions: Sequence[str], now: datetime, keep: int, kept_for: timedelta) -> list[str]:
    """The snapshots to remove: beyond the newest `keep` (at least one), and replaced at least `kept_for` ago.

    A query that started on a snapshot may still read it, and the audit of breaches asks what was in force in its hour.
    """
    ordered = sorted(versions)
    replaced_at = {old: time_of(newer) for old, newer in itertools.pairwise(ordered)}
    beyond = ordered[: -max(keep, 1)]
    return [version for version in beyond if now - replaced_at[version] >= kept_for]


class Snapshots:
    """The snapshots of one Hive table, and the staging directory of its imports."""

    def __init__(self, settings: Settings, table: str) -> None:
        name = table.partition(".")[2]
        self.directory = settings.hdfs_path("hive", name)
        self.staging = settings.hdfs_path("staging", "contacts", name)
        self._settings = settings
        self._files = hdfs(settings)

    def create_directories(self) -> None:
        """Create the directories of snapshots and staging where missing. Raises UnavailableError without HDFS."""
        with self._errors():
            for path in (self.directory, self.staging):
                self._files.makedirs(path, exist_ok=True)
            # Only our own account may look: staging holds patients' data for a moment.
            self._files.chmod(self.staging, "700")

    def path(self, version: str) -> str:
        return f"{self.directory}/{version}"

    def versions(self) -> list[str]:
        """Versions of the complete snapshots, oldest first. Raises UnavailableError without HDFS."""
        return [name for name in self._names(self.directory) if SNAPSHOT_VERSION.fullmatch(name)]

    def manifest(self, version: str) -> dict[str, Any] | None:
        """What the snapshot's manifest says, or None when it is missing or unreadable."""
        path = f"{self.path(version)}/{MANIFEST}"
        with self._errors():
            try:
                content: dict[str, Any] = orjson.loads(self._files.cat_file(path))
            except (FileNotFoundError, ValueError):
                log.warning("snapshot without a readable manifest", version=version)
                return None
        return content

    def write_manifest(self, version: str, manifest: dict[str, Any]) -> None:
        """Replace the manifest. Not atomic: a crash may leave a broken one, which makes the next import full."""
        with self._errors():
            self._files.pipe_file(f"{self.path(version)}/{MANIFEST}", orjson.dumps(manifest))

    def clean(self) -> None:
        """Remove what imports leave: everything in staging, and snapshots that never got their name."""
        unfinished = [name for name in self._names(self.directory) if name.startswith(TEMPORARY_PREFIX)]
        left = [f"{self.staging}/{name}" for name in self._names(self.staging)]
        with self._errors():
            for path in (*left, *(f"{self.directory}/{name}" for name in unfinished)):
                self._remove(path)

    def remove_old(self, now: datetime) -> list[str]:
        """Remove what `removable` names by the settings; returns the versions removed."""
        contacts = self._settings.contacts
        old = removable(self.versions(), now, contacts.keep_snapshots, timedelta(hours=contacts.keep_hours))
        with self._errors():
            for version in old:
                self._remove(self.path(version))
        return old

    def read(self, directory: str, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of the Parquet files in a directory, of all or some columns; without a file, a table without any."""
        tables = []
        with self._errors():
            for path in self._files.ls(directory, detail=False):
                if path.endswith(".parquet"):
                    with self._files.open(path) as file:
                        tables.append(pq.read_table(file, columns=columns))
        return pa.concat_tables(tables) if tables else pa.table({})

    def add(self, version: str, rows: pa.Table, manifest: dict[str, Any]) -> None:
        """Write a snapshot under a temporary name and rename it when it is whole.

        A crash leaves the temporary directory, which `clean` removes. Raises WardError when HDFS did not rename.
        """
        temporary = f"{self.directory}/{TEMPORARY_PREFIX}{version}"
        with self._errors():
            for number, start in enumerate(range(0, max(rows.num_rows, 1), ROWS_PER_FILE)):
                with self._files.open(f"{temporary}/part-{number:05d}.parquet", "wb") as file:
                    pq.write_table(rows.slice(start, ROWS_PER_FILE), file)
            self._files.pipe_file(f"{temporary}/{MANIFEST}", orjson.dumps(manifest))
            hdfs_rename(self._files, temporary, self.path(version))

    def _names(self, directory: str) -> list[str]:
        with self._errors():
            try:
                return sorted(path.rsplit("/", 1)[1] for path in self._files.ls(directory))
            except FileNotFoundError:
                return []

    def _remove(self, path: str) -> None:
        self._files.rm(path, recursive=True)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            # This is what fsspec makes of a NameNode's own refusal, such as a full quota.
            raise UnavailableError("HDFS (WebHDFS)", self._settings.webhdfs_url, _short(error)) from error
        except PermissionError as error:
            raise ConfigurationError(
                f"HDFS refuses user {self._settings.hadoop.user} the directories of the contacts: {error}. "
                f"Give it {self._settings.hadoop.warehouse}, or set hadoop.user."
            ) from error


def _short(error: Exception) -> str:
    """The first line, and of requests' nested reasons the innermost."""
    return str(error).splitlines()[0].rsplit(": ", 1)[-1].rstrip(".')")
