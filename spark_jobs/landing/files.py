"""Names and renames of landed files on HDFS.

A landed file is named after the query and the batch that wrote it, so a batch that is run again finds its own file.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlparse

from clinical.tables import StoredTable
from infra.clients import hdfs_rename
from infra.errors import WardError
from infra.settings import Settings

ALREADY_MERGED = "_batches"
"""In a compacted directory: names of the batch files that were merged into it, one a line. Hive skips `_` names."""

_DIRECTORY = "%Y%m%dT%H%M%S%f"

COPY_BYTES = 4 * 1024 * 1024

_BATCH_FILE = re.compile(r"(?P<query>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(?P<batch>\d+)\.parquet")


@dataclass(frozen=True)
class StagedFile:
    """A file that waits in staging; `partition` is its place below the table, as `event_date=…/event_hour=…`."""

    path: str
    partition: str


def compacted_root(settings: Settings, table: StoredTable) -> str:
    """Below it lie the directories that compaction (of `alarms`: their history) wrote, `<partition>/<time>` each."""
    return settings.hdfs_path("hive", f"{table.name}_compacted")


def ledger_root(settings: Settings, table: StoredTable) -> str:
    """The directory of the ledger of retired directories."""
    return f"{compacted_root(settings, table)}/_retired"


def batch_name(query_id: str, batch: int) -> str:
    """Name of what a batch writes: its staging directory, and with `.parquet` its files."""
    return f"{query_id}-{batch}"


def parse_batch_file(name: str) -> tuple[str, int] | None:
    """The query's id and the batch of a landed file; None when it is another file (a compacted one)."""
    match = _BATCH_FILE.fullmatch(name)
    return (match["query"], int(match["batch"])) if match else None


def is_data(name: str) -> bool:
    """True for a file that Hive reads: not hidden, not a marker."""
    return not name.startswith(("_", "."))


def path_of(location: str) -> str:
    """The path within the file system of a metastore location such as `hdfs://host:port/path`."""
    return urlparse(location).path


def parse_spec(partition: str) -> dict[str, str]:
    """`event_date=2026-01-31/event_hour=5` as a mapping, in that order."""
    return dict(part.split("=", 1) for part in partition.split("/"))


def data_files(files: Any, directory: str) -> list[dict[str, Any]]:
    """Entries (`name`: full path, `size`: bytes) of the data files in a directory; none when it does not exist."""
    try:
        entries = files.ls(directory, detail=True)
    except FileNotFoundError:
        return []
    return [e for e in entries if e["type"] == "file" and is_data(base_name(e["name"]))]


def staged_files(files: Any, staging: str, depth: int) -> list[StagedFile]:
    """What Spark wrote below `staging`, whose partitions are `depth` directories deep, ordered by partition."""
    return sorted(
        (
            StagedFile(entry["name"], directory.removeprefix(f"{staging}/"))
            for directory in directories_below(files, staging, depth)
            for entry in data_files(files, directory)
        ),
        key=lambda staged: staged.partition,
    )


def directories_below(files: Any, root: str, depth: int) -> list[str]:
    """The directories `depth` levels below `root`, without hidden ones. Raises FileNotFoundError without `root`."""
    directories = [root]
    for _ in range(depth):
        directories = [
            entry["name"]
            for directory in directories
            for entry in files.ls(directory, detail=True)
            if entry["type"] == "directory" and is_data(base_name(entry["name"]))
        ]
    return directories


def new_directory(files: Any, partition: str) -> str:
    """The path of a new compacted directory of a partition: by its name it is the newest of them, which is what tells
    them apart, also when the clock was set back."""
    others = directories_below(files, partition, 1) if files.exists(partition) else []
    made = [datetime.strptime(base_name(path), _DIRECTORY).replace(tzinfo=UTC) for path in others]
    at = max([datetime.now(UTC), *(one + timedelta(microseconds=1) for one in made)])
    return f"{partition}/{at.strftime(_DIRECTORY)}"


def has_landed(files: Any, directory: str, name: str) -> bool:
    """True when the batch file `name` is in the directory, or was merged into it by compaction."""
    return bool(files.exists(f"{directory}/{name}")) or name in merged_batches(files, directory)


def merged_batches(files: Any, directory: str) -> set[str]:
    """Names of the batch files that compaction has merged into this directory; empty if it never was compacted."""
    try:
        return set(files.cat_file(f"{directory}/{ALREADY_MERGED}").decode().split())
    except FileNotFoundError:
        return set()


def write_merged_batches(files: Any, directory: str, names: Iterable[str]) -> None:
    """Record the names of the batch files that were merged into this directory, which has no such record yet."""
    # By a rename: over WebHDFS a file is there before its content, and an empty list would say that nothing was merged.
    unnamed = f"{directory}/{ALREADY_MERGED}.unnamed"
    files.pipe_file(unnamed, "\n".join(sorted(names)).encode())
    hdfs_rename(files, unnamed, f"{directory}/{ALREADY_MERGED}")


def complete(files: Any, newest: str, older: list[str]) -> list[str]:
    """Copy to `newest` the batch files of `older` that it neither holds whole nor has merged; returns their names.

    Each comes to be there whole, at once: the directory may be read meanwhile.
    """
    merged = merged_batches(files, newest)
    held = {base_name(entry["name"]): entry["size"] for entry in data_files(files, newest)}
    copied = []
    for entry in itertools.chain.from_iterable(data_files(files, directory) for directory in older):
        name = base_name(entry["name"])
        if parse_batch_file(name) and name not in merged and held.get(name, -1) < entry["size"]:
            unnamed = f"{newest}/_{name}.unnamed"
            copy(files, entry["name"], unnamed)
            if name in held:  # as a copy that was cut short
                files.rm(f"{newest}/{name}")
            hdfs_rename(files, unnamed, f"{newest}/{name}")
            held[name] = entry["size"]
            copied.append(name)
    return copied


def copy(files: Any, source: str, target: str) -> None:
    """Copy a file within HDFS, byte by byte. Raises WardError when the copy is not as long as the original."""
    with files.open(source, "rb") as original, files.open(target, "wb") as duplicate:
        shutil.copyfileobj(original, duplicate, COPY_BYTES)
    if files.info(source)["size"] != files.info(target)["size"]:
        raise WardError(f"HDFS did not copy {source} to {target} whole: check its space.")


def remove(files: Any, path: str) -> None:
    """Remove a file or directory with all below it, if it exists."""
    if files.exists(path):
        files.rm(path, recursive=True)


def base_name(path: str) -> str:
    """The last part of a path."""
    return path.rsplit("/", 1)[-1]
