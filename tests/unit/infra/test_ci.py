"""`.ci/run` in a copy of its own, where a script stands for `./ward`: nothing is left running, whatever happens."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from infra.checks import TEST_STACK
from infra.settings import PROJECT_ROOT
from infra.waiting import wait_for

SECONDS = 120
WARD = """#!/usr/bin/env bash
echo "$* ${WARDWATCH_STATE_DIR-} ${WARDWATCH_PORT_OFFSET-}" >>calls
if [ "$1" = down ]; then exit 1; fi
"""
"""Notes how it was called. What it does as `./ward test` comes after it; `./ward down` fails."""

STAY = """trap 'kill $!; sleep 1; echo ended >>calls; exit 1' TERM
sleep 600 &
echo $$ >pid
wait
"""
"""Tests that last, and take a moment to end when they are told to."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The directory with the copy."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(PROJECT_ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    return tmp_path


def start(copy: Path, tests: str) -> subprocess.Popen[bytes]:
    """Run it from another directory; `tests` is what `./ward test` does."""
    ward = copy / "ward"
    ward.write_text(WARD + tests)
    ward.chmod(0o755)
    return subprocess.Popen([copy / ".ci" / "run"], cwd="/")


def calls(copy: Path) -> list[list[str]]:
    return [line.split() for line in (copy / "calls").read_text().splitlines()]


def both_calls(copy: Path) -> list[list[str]]:
    """The tests, then the end of the stack that they use."""
    stack = [str(copy / ".ward" / "test"), TEST_STACK["WARDWATCH_PORT_OFFSET"]]
    assert TEST_STACK["WARDWATCH_STATE_DIR"] == str(PROJECT_ROOT / ".ward" / "test")
    return [["test"], ["down", *stack]]


@pytest.mark.parametrize("status", [0, 3])
def test_its_status_is_that_of_the_tests_and_their_stack_is_stopped(copy: Path, status: int) -> None:
    assert start(copy, f"exit {status}\n").wait(SECONDS) == status
    assert calls(copy) == both_calls(copy)


def test_when_it_is_ended_the_tests_are_waited_for_and_their_stack_is_stopped(copy: Path) -> None:
    process = start(copy, STAY)
    assert wait_for(lambda: (copy / "pid").exists() and (copy / "pid").read_text().strip(), SECONDS, 0.05)
    child = psutil.Process(int((copy / "pid").read_text()))
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 130
    assert not child.is_running()
    tests, down = both_calls(copy)
    assert calls(copy) == [tests, ["ended"], down]
