"""`./ward` as a user meets it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra.backup import MARK
from infra.cli import LAZY
from infra.settings import PROJECT_ROOT

COMMANDS = ("up", "down", "status", "logs", "test", *LAZY)


def ward(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = (f"{name}={value}" for name, value in environment.items())
    command = ["env", *variables, str(PROJECT_ROOT / "ward"), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=300, check=False)


def test_help_names_every_command_and_works_from_any_directory() -> None:
    shown = ward("--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in shown.stdout


def test_help_imports_no_other_room() -> None:
    script = (
        "import sys; from infra.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'hbase', 'hive', 'alerts', 'producers', 'sqoop', 'pyspark', 'pymysql', 'boto3', 'airflow'}))"
    )
    shown = subprocess.run(
        [PROJECT_ROOT / ".ward/venv/bin/python", "-c", script],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "HEAVY []" in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_of_its_own(command: str) -> None:
    shown = ward(command, "--help")
    assert shown.returncode == 0, shown.stderr
    assert f"./ward {command}" in shown.stdout


def test_a_mistake_is_one_sentence_without_a_stack_trace(tmp_path: Path) -> None:
    shown = ward("logs", "kafak", WARDWATCH_STATE_DIR=str(tmp_path))
    assert shown.returncode == 1
    assert shown.stderr.startswith("There is no server or stream kafak; there are mariadb")
    assert len(shown.stderr.strip().splitlines()) == 1


def test_a_wrong_setting_is_one_sentence_that_names_it() -> None:
    shown = ward("status", WARDWATCH_PORT_OFFSET="many")
    assert shown.returncode == 1
    assert "port_offset" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_down_where_nothing_runs_is_fine(tmp_path: Path) -> None:
    shown = ward("down", WARDWATCH_STATE_DIR=str(tmp_path))
    assert (shown.returncode, shown.stdout.strip()) == (0, "Nothing is running.")


def test_status_where_nothing_runs_lists_everything_as_down_and_fails(tmp_path: Path) -> None:
    shown = ward("status", WARDWATCH_STATE_DIR=str(tmp_path))
    assert shown.returncode == 1
    assert "Not up: mariadb, kafka, namenode" in shown.stdout


def test_up_before_a_taken_port_says_which(tmp_path: Path) -> None:
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        shown = ward("up", "sns", WARDWATCH_STATE_DIR=str(tmp_path), WARDWATCH_PORTS__SNS=str(port))
    assert shown.returncode == 1
    assert f"Port {port} of sns is taken by process" in shown.stderr


def test_nothing_is_restarted_on_what_an_interrupted_restore_left(tmp_path: Path) -> None:
    (tmp_path / MARK).write_text("/backups/of-yesterday")
    refused = ward("restart", "alert-engine", WARDWATCH_STATE_DIR=str(tmp_path))
    assert refused.returncode != 0
    assert "./ward restore /backups/of-yesterday" in refused.stderr + refused.stdout
