"""How full the disks are: the state directory's, HDFS, and which of our directories takes how much."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.errors import UnavailableError
from infra.readiness import namenode_bean
from infra.render import data_dir
from infra.settings import Settings

WALK_SECONDS = 5.0
"""A directory with very many files is added up no longer than this."""

FILES_A_CLOCK = 1000
"""The clock is looked at after so many files."""


@dataclass(frozen=True)
class Space:
    """Bytes of a file system, and what of it is used and free for us; some may be neither."""

    total: int
    used: int
    free: int


@dataclass(frozen=True)
class Size:
    """Bytes that a directory takes on the disk; not complete: it takes more, and adding it up was given up."""

    name: str
    used: int
    is_complete: bool


def state_space(settings: Settings) -> Space:
    """Of the file system with the state directory. Raises UnavailableError when it cannot be asked."""
    try:
        usage = shutil.disk_usage(settings.state_dir)
    except OSError as error:
        raise UnavailableError("The file system", str(settings.state_dir), error) from error
    return Space(usage.total, usage.used, usage.free)


def hdfs_space(settings: Settings) -> Space:
    """Of HDFS, as the NameNode counts it. Raises UnavailableError."""
    bean = namenode_bean(settings, "FSNamesystemState")
    return Space(int(bean["CapacityTotal"]), int(bean["CapacityUsed"]), int(bean["CapacityRemaining"]))


def sizes(settings: Settings, clock: Callable[[], float] = time.monotonic) -> list[Size]:
    """What each directory of the servers' data takes, and logs and Airflow, the largest first."""
    data = data_dir(settings)
    found = [path for path in data.iterdir() if path.is_dir()] if data.is_dir() else []
    found += [path for path in (settings.log_dir, settings.state_dir / "airflow") if path.is_dir()]
    return sorted((_size(path, clock) for path in found), key=lambda size: -size.used)


def _size(directory: Path, clock: Callable[[], float]) -> Size:
    """What cannot be read, or goes away meanwhile, is left out."""
    begun, used, files = clock(), 0, 0
    for at, _, names in os.walk(directory):
        for name in names:
            try:
                used += os.lstat(os.path.join(at, name)).st_blocks * 512
            except OSError:
                continue
            files += 1
            if files % FILES_A_CLOCK == 0 and clock() - begun > WALK_SECONDS:
                return Size(directory.name, used, is_complete=False)
    return Size(directory.name, used, is_complete=True)
