"""Old task logs and temporary files go, new ones and what is being written stay."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra import housekeeping
from infra.housekeeping import SCHEDULER, forget_files
from infra.settings import Settings
from infra.supervise import temporary_dir

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
    assert forget_files(tmp_path, NOW - timedelta(days=30)) == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_a_directory_that_was_left_empty_a_day_ago_goes(tmp_path: Path) -> None:
    empty, fresh = tmp_path / "empty", tmp_path / "fresh"
    empty.mkdir()
    fresh.mkdir()
    moment = (NOW - timedelta(days=2)).timestamp()
    os.utime(empty, (moment, moment))
    assert forget_files(tmp_path, NOW - timedelta(days=30)) == 0
    assert (empty.exists(), fresh.exists()) == (False, True)


def test_a_day_later_nothing_is_left_in_the_temporary_directory_of_a_task_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(state_dir=tmp_path)
    left = write(temporary_dir(settings, SCHEDULER) / "wardwatch-audit-1" / "rows", timedelta(hours=25))
    written = write(temporary_dir(settings, SCHEDULER) / "wardwatch-audit-2" / "rows", timedelta(hours=1))
    monkeypatch.setattr(housekeeping, "load_settings", lambda: settings)
    monkeypatch.setattr(housekeeping, "forget_runs", lambda _settings, _before: None)
    assert housekeeping.main() == 0
    assert (left.exists(), written.exists()) == (False, True)
    assert '"temporary_files": 1' in capsys.readouterr().out
