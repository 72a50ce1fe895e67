"""How a stream starts and ends: real processes, of which only the pauses are set."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from infra.settings import PROJECT_ROOT
from infra.stream import EX_CONFIG, EX_TEMPFAIL

GOT_GOING, DID_NOT = "0", "100000"
"""How long a stream must have run for that it is told to have started."""

SECONDS = 120

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the sample stream, which ends so, with metrics on any free port."""
    started: list[subprocess.Popen[str]] = []

    def run(how: str, after: str = GOT_GOING, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.infra.sample_stream", how, after],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                "WARDWATCH_STATE_DIR": str(tmp_path),
                "WARDWATCH_PORT_OFFSET": "0",
                "WARDWATCH_PORTS__METRICS_MAILER": "0",
                **environment,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """The line of its log that says this, waited for."""
    log: IO[str] | None = process.stderr
    assert log is not None
    lines = (json.loads(line) for line in log)
    return next(line for line in lines if line["event"] == event)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_that_is_stopped_ends_well_and_without_a_pause(start: Start, number: int) -> None:
    process = start("until-stopped", DID_NOT)
    line_of(process, "starting")
    process.send_signal(number)
    assert line_of(process, "stopped")["part"] == "mailer"
    assert process.wait(SECONDS) == 0


def test_a_stream_that_has_nothing_left_to_do_ends_well(start: Start) -> None:
    assert start("at-once", DID_NOT).wait(SECONDS) == 0


@pytest.mark.parametrize(
    ("how", "event", "reason", "status"),
    [
        ("unavailable", "unavailable", "Kafka at nowhere:1 cannot be reached", EX_TEMPFAIL),
        ("configuration", "wrong configuration", "source.table is wrong.", EX_CONFIG),
        ("ward", "cannot go on", "It cannot go on.", 1),
    ],
)
def test_an_error_of_ours_is_one_line_and_tells_by_the_status_whether_to_try_again(
    start: Start, how: str, event: str, reason: str, status: int
) -> None:
    process = start(how)
    _, log = process.communicate(timeout=SECONDS)
    assert process.returncode == status
    assert (EX_TEMPFAIL, EX_CONFIG) == (75, 78)
    *_, last = map(json.loads, log.splitlines())
    assert (last["event"], last["level"]) == (event, "error")
    assert last["reason"].startswith(reason)
    assert "Traceback" not in log


def test_a_crash_is_told_with_its_stack_trace(start: Start) -> None:
    process = start("crash")
    assert "ValueError: a mistake of ours" in line_of(process, "crashed")["exception"]
    assert process.wait(SECONDS) == 1


def test_a_wrong_setting_is_named_before_anything_begins(start: Start) -> None:
    process = start("at-once", WARDWATCH_START_RETRY_SECONDS="soon")
    _, log = process.communicate(timeout=SECONDS)
    assert process.returncode == EX_CONFIG
    [line] = map(json.loads, log.splitlines())
    assert "start_retry_seconds" in line["reason"]


def test_a_second_copy_of_a_stream_ends_with_a_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("until-stopped", WARDWATCH_PORTS__METRICS_MAILER=str(taken.getsockname()[1]))
        assert "does it run already" in line_of(process, "cannot go on")["reason"]
        assert process.wait(SECONDS) == 1


def test_a_stream_that_could_not_start_pauses_until_it_is_stopped_and_keeps_its_status(start: Start) -> None:
    process = start("unavailable", DID_NOT)
    line_of(process, "unavailable")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.terminate()
    assert process.wait(SECONDS) == EX_TEMPFAIL
