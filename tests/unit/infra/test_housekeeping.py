"""Old task logs go, new ones and what is being written stay."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.housekeeping import forget_logs

NOW = datetime.now(UTC)


def write(path: Path, age: timedelta) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a line")
    moment = (NOW - age).timestamp()
    os.utime(path, (moment, moment))
    return path


def test_only_files_older_than_the_limit_are_deleted(tmp_path: Path) -> None:
    old = write(tmp_path / "dag_id=audit" / "run_id=1" / "attempt=1.log", timedelta(days=31))
    new = write(tmp_path / "dag_id=audit" / "run_id=2" / "attempt=1.log", timedelta(days=29))
    assert forget_logs(tmp_path, NOW - timedelta(days=30)) == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_a_directory_that_was_left_empty_a_day_ago_goes(tmp_path: Path) -> None:
    empty, fresh = tmp_path / "empty", tmp_path / "fresh"
    empty.mkdir()
    fresh.mkdir()
    moment = (NOW - timedelta(days=2)).timestamp()
    os.utime(empty, (moment, moment))
    assert forget_logs(tmp_path, NOW - timedelta(days=30)) == 0
    assert (empty.exists(), fresh.exists()) == (False, True)
