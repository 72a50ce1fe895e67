"""What keeps the stack from starting is said in one sentence each."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra import preflight
from infra.errors import ConfigurationError
from infra.servers import find
from infra.settings import Ports, Settings

FAR_TOO_MUCH = 10**18


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_named_with_its_server_its_owner_and_its_setting(taken_port: int, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, ports=Ports(mysql=taken_port))
    (finding,) = preflight.port_findings(settings, [find(settings, "mariadb")])
    assert f"Port {taken_port} of mariadb" in finding
    assert f"process {os.getpid()} " in finding
    assert "WARDWATCH_PORTS__MYSQL" in finding


def test_a_port_of_nobody_is_waited_for_as_who_was_killed_gives_it_back_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = Settings(state_dir=tmp_path, ports=Ports(mysql=server.getsockname()[1]))

        def owner(_port: int) -> None:
            nonlocal asked
            asked += 1
            if asked == 3:
                server.close()

        monkeypatch.setattr(preflight, "_owner", owner)
        assert list(preflight.port_findings(settings, [find(settings, "mariadb")])) == []
    assert asked == 3


def test_a_port_that_nobody_gives_back_is_named_all_the_same(
    taken_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "_owner", lambda _port: None)
    monkeypatch.setattr(preflight, "ENDING_SECONDS", 0.1)
    settings = Settings(state_dir=tmp_path, ports=Ports(mysql=taken_port))
    (finding,) = preflight.port_findings(settings, [find(settings, "mariadb")])
    assert f"Port {taken_port} of mariadb is taken by another process" in finding


def test_a_port_that_was_just_left_is_free(tmp_path: Path) -> None:
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        client.connect(("127.0.0.1", port))
        server.accept()[0].close()
    settings = Settings(state_dir=tmp_path, ports=Ports(mysql=port))
    assert list(preflight.port_findings(settings, [find(settings, "mariadb")])) == []


def test_too_little_memory_is_said_with_both_figures() -> None:
    (finding,) = preflight.memory_findings(FAR_TOO_MUCH)
    assert "GiB of memory are free" in finding
    assert f"{FAR_TOO_MUCH / preflight.GIB:.0f} GiB" in finding
    assert list(preflight.memory_findings(1)) == []


def test_too_little_disk_is_said_for_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "not" / "yet")
    (finding,) = preflight.disk_findings(settings, FAR_TOO_MUCH)
    assert "WARDWATCH_STATE_DIR" in finding
    assert list(preflight.disk_findings(settings, 1)) == []


def test_a_stack_that_has_its_data_begins_again_on_a_disk_that_has_filled_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=2 * preflight.GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage)
    settings = Settings(state_dir=tmp_path)
    (finding,) = preflight.disk_findings(settings)
    assert "needs 10 GiB" in finding
    (tmp_path / "initialised").mkdir()
    assert list(preflight.disk_findings(settings)) == []
    usage.free = preflight.GIB // 2
    with pytest.raises(ConfigurationError, match="needs 1 GiB: make room\\."):
        preflight.check_disk(settings)


def test_a_path_that_is_too_long_for_a_socket_or_has_a_space_is_refused(tmp_path: Path) -> None:
    (too_long,) = preflight.path_findings(Settings(state_dir=Path("/x" * 60)))
    assert "too long" in too_long
    (space,) = preflight.path_findings(Settings(state_dir=Path("/srv/ward watch")))
    assert "space" in space


def an_executable(directory: Path, script: str) -> None:
    path = directory / "java"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_an_old_java_is_refused_and_java_17_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    an_executable(tmp_path, """echo 'openjdk version "1.8.0_402"' >&2""")
    (finding,) = preflight.java_findings()
    assert "Java 8 is too old" in finding
    an_executable(tmp_path, """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
    assert list(preflight.java_findings()) == []


def test_a_machine_without_java_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = preflight.java_findings()
    assert "openjdk-17-jdk-headless" in finding


def test_the_check_reports_all_findings_at_once(taken_port: int) -> None:
    settings = Settings(state_dir=Path("/srv/ward watch"), ports=Ports(sns=taken_port))
    with pytest.raises(ConfigurationError) as failure:
        preflight.check(settings, [find(settings, "sns")], FAR_TOO_MUCH)
    assert len(str(failure.value).splitlines()) == 3
