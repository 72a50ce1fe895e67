"""What a HiveServer2 before has left on HDFS is removed before the next one starts."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from structlog.testing import capture_logs

from infra import hiveserver2
from infra.errors import UnavailableError
from infra.hiveserver2 import remove_leftovers, scratch_dir
from infra.settings import Hadoop, Settings


@pytest.fixture
def settings() -> Settings:
    """On a directory of its own of the file system in memory."""
    return Settings(hadoop=Hadoop(warehouse=f"/{uuid.uuid4().hex}"), start_retry_seconds=0)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> MemoryFileSystem:
    files = MemoryFileSystem()
    monkeypatch.setattr(hiveserver2, "hdfs", lambda _settings: files)
    return files


def test_what_any_session_of_any_user_has_left_goes(settings: Settings, files: MemoryFileSystem) -> None:
    scratch = scratch_dir(settings)
    for session in ("ann/1", "ann/2", "bob/3"):
        files.pipe_file(f"{scratch}/{session}/rows", b"P1")
    remove_leftovers(settings)
    assert files.find(scratch) == []


@pytest.mark.usefixtures("files")
def test_before_the_first_session_there_is_nothing_to_remove(settings: Settings) -> None:
    remove_leftovers(settings)


@pytest.mark.parametrize("refusal", [UnavailableError("HDFS", "localhost:1", "refused"), RuntimeError("safe mode")])
def test_while_hdfs_takes_no_orders_the_server_starts_all_the_same_and_the_log_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    class Refusing:
        def ls(self, *_: Any, **__: Any) -> list[str]:
            raise refusal

    monkeypatch.setattr(hiveserver2, "hdfs", lambda _settings: Refusing())
    with capture_logs() as told:
        remove_leftovers(settings)
    assert str(refusal) in [one.get("reason") for one in told]
