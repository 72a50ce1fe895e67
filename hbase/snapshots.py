"""Dated snapshots of accepted threshold tables, on HDFS in `thresholds/<version>.json`.

A table is written there before it comes into force, so the newest snapshot is what is in force, and what every breach
names as its `threshold_version` can be looked up later. Snapshots are never changed; housekeeping deletes those that
were superseded long ago.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import orjson

from clinical.thresholds import OPTIONAL_COLUMNS, ThresholdRow, parse_rows, row_cells
from infra.clients import hdfs
from infra.errors import ConfigurationError, UnavailableError
from infra.log import get_logger
from infra.settings import Settings

VERSION = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{12}")
HASH_DIGITS = 12

log = get_logger("thresholds")


@dataclass(frozen=True)
class ThresholdSnapshot:
    """An accepted table. `version`: its time and a hash of its content; sorts by time. `accepted_at`: epoch ms."""

    version: str
    rows: list[ThresholdRow]
    accepted_at: int


def content_hash(rows: Sequence[ThresholdRow]) -> str:
    """Hash of what the rows say, whatever their order and however their numbers are written (70 or 70.0).

    A blank column that older snapshots do not have is left out, so that their names still fit their content.
    """
    plain = sorted([row.row_key, *map(_plain, _said(row))] for row in rows)
    return hashlib.sha256(orjson.dumps(plain)).hexdigest()[:HASH_DIGITS]


_FIRST_FIELDS = tuple(name for name in ThresholdRow.__dataclass_fields__ if name not in ("row_key", *OPTIONAL_COLUMNS))


def _said(row: ThresholdRow) -> list[object]:
    own = [f"{name}={value}" for name in OPTIONAL_COLUMNS if (value := getattr(row, name))]
    return [*(getattr(row, name) for name in _FIRST_FIELDS), *own]


def _plain(value: object) -> str | None:
    if value is None:
        return None
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def new_snapshot(
    rows: Sequence[ThresholdRow], now_ms: int, previous: ThresholdSnapshot | None = None
) -> ThresholdSnapshot:
    """A snapshot of `rows` accepted now; it sorts after `previous` even when the clock was set back."""
    accepted_at = now_ms if previous is None else max(now_ms, previous.accepted_at + 1)
    moment = datetime.fromtimestamp(accepted_at / 1000, UTC)
    stamp = f"{moment:%Y%m%dT%H%M%S}{accepted_at % 1000:03d}Z"
    return ThresholdSnapshot(f"{stamp}-{content_hash(rows)}", list(rows), accepted_at)


def store(settings: Settings, snapshot: ThresholdSnapshot) -> None:
    """Write the snapshot: under a temporary name first, then renamed, so that a half file is never seen.

    A crash in between leaves a file with a leading dot, which nobody reads. Raises UnavailableError.
    """
    content = {
        "version": snapshot.version,
        "accepted_at": snapshot.accepted_at,
        "rows": [{"row_key": row.row_key, **row_cells(row)} for row in snapshot.rows],
    }
    final = _path(settings, snapshot.version)
    temporary = settings.hdfs_path("thresholds", f".{snapshot.version}.json")
    with _reached(settings) as files:
        files.makedirs(settings.hdfs_path("thresholds"), exist_ok=True)
        files.pipe_file(temporary, orjson.dumps(content, option=orjson.OPT_INDENT_2))
        files.mv(temporary, final)
        # A rename that HDFS refuses is answered by `false`, not by an error.
        if files.exists(temporary) or not files.exists(final):
            raise UnavailableError("HDFS", settings.webhdfs_url, f"the rename to {final} was refused")


def latest(settings: Settings) -> ThresholdSnapshot | None:
    """The newest readable snapshot, None when there is none. Raises UnavailableError.

    A file that is corrupt is passed over with a warning.
    """
    for version in versions(settings):
        try:
            return load(settings, version)
        except ConfigurationError as error:
            log.warning("threshold snapshot passed over", reason=str(error))
    return None


def versions(settings: Settings) -> list[str]:
    """Versions that are on HDFS, newest first. Raises UnavailableError."""
    try:
        with _reached(settings) as files:
            names: list[str] = [path.rsplit("/", 1)[1] for path in files.ls(settings.hdfs_path("thresholds"))]
    except FileNotFoundError:
        return []
    found = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    return sorted(filter(VERSION.fullmatch, found), reverse=True)


def load(settings: Settings, version: str) -> ThresholdSnapshot:
    """That snapshot. Raises ConfigurationError when it does not exist or is corrupt, UnavailableError without HDFS."""
    path = _path(settings, version)
    try:
        with _reached(settings) as files:
            content: bytes = files.cat_file(path)
    except FileNotFoundError as error:
        raise ConfigurationError(f"No threshold snapshot {version}: {path} does not exist on HDFS.") from error
    snapshot = _parse(content)
    if snapshot is None or snapshot.version != version or not version.endswith(content_hash(snapshot.rows)):
        raise ConfigurationError(
            f"The threshold snapshot {path} on HDFS is corrupt: its content does not fit its name."
        )
    return snapshot


def forget(settings: Settings, before: datetime) -> list[str]:
    """Delete the snapshots that were superseded before that time, oldest first; their versions.

    The newest is never deleted, nor one that was in force at that time or later. Raises UnavailableError.
    """
    found = sorted(versions(settings))
    old = [version for version, successor in pairwise(found) if accepted_at(successor) < before]
    with _reached(settings) as files:
        for version in old:
            files.rm(_path(settings, version))
    return old


def accepted_at(version: str) -> datetime:
    """When a snapshot was accepted, from its version."""
    moment = datetime.strptime(version[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return moment + timedelta(milliseconds=int(version[15:18]))


def _parse(content: bytes) -> ThresholdSnapshot | None:
    try:
        document = orjson.loads(content)
        cells = {row.pop("row_key"): row for row in document["rows"]}
        rows, problems = parse_rows(cells)
        return None if problems else ThresholdSnapshot(document["version"], rows, int(document["accepted_at"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _path(settings: Settings, version: str) -> str:
    return settings.hdfs_path("thresholds", f"{version}.json")


@contextmanager
def _reached(settings: Settings) -> Iterator[Any]:
    """HDFS; its errors become UnavailableError, except that of a missing file."""
    try:
        yield hdfs(settings)
    except (FileNotFoundError, UnavailableError):
        raise
    except (OSError, RuntimeError) as error:
        raise UnavailableError("HDFS", settings.webhdfs_url, error) from error
