"""Programs that a task runs: their output, their exit status, and that they end with the task."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from airflow.sdk.exceptions import AirflowFailException

from dags.lib.program import Program, ProgramError
from infra.waiting import wait_for

SAMPLE = "tests.unit.dags.sample_program"


def program(*arguments: str) -> Program:
    return Program(task_id="sample", module=SAMPLE, arguments=arguments)


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    assert wait_for(condition, seconds, 0.05), "waited in vain"


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_program_that_succeeds_gives_back_what_it_printed() -> None:
    sample = program("end", "0")
    assert sample.run_program() == (0, ["to standard output"])
    assert "to standard error" in sample.last_words


def test_both_streams_are_drained_so_that_much_output_blocks_nothing() -> None:
    status, output = program("babble").run_program()
    assert status == 0
    assert len(output) == 3_000
    assert output[-1].startswith("line 2999")


def test_a_failure_says_which_program_ended_how_and_what_it_said_last() -> None:
    sample = program("end", "3")
    with pytest.raises(ProgramError, match=r"sample_program end 3` ended with status 3(.|\n)*to standard error"):
        sample.judge(*sample.run_program())


def test_a_wrong_configuration_fails_without_another_try() -> None:
    sample = program("end", "78")
    with pytest.raises(AirflowFailException, match="ended with status 78"):
        sample.judge(*sample.run_program())


def test_killing_the_task_ends_the_program_and_what_it_started() -> None:
    sample = program("stay-with-child")
    outcome: list[tuple[int, list[str]]] = []
    thread = threading.Thread(target=lambda: outcome.append(sample.run_program()))
    thread.start()
    wait_until(lambda: len(sample.last_words) > 0)
    child = int(sample.last_words)
    assert psutil.pid_exists(child)
    sample.on_kill()
    thread.join(120)
    assert outcome[0][0] == -signal.SIGTERM
    wait_until(lambda: gone(child))


def test_the_program_ends_when_the_tasks_process_is_killed_outright(airflow_environment: dict[str, str]) -> None:
    parent = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("run_and_wait.py"))],
        env=airflow_environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = next(int(line) for line in parent.stdout if line.strip().isdigit())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: gone(pid))
