"""What a process costs, with everything below it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.processes import tree_processor_seconds

BURNT_SECONDS, TOLERANCE_SECONDS = 0.5, 0.05
FORKING = f"""
import os, time

def forked(work):
    if child := os.fork():
        os.waitpid(child, 0)
    else:
        work()
        os._exit(0)

def task():
    while time.process_time() < {BURNT_SECONDS}:
        pass

def worker():
    print("worker lives", flush=True)
    input()
    forked(task)
    print("task has ended", flush=True)
    input()

forked(worker)
print("worker has ended", flush=True)
input()
"""
"""A server whose worker, once told to, runs a task in a child of its own, and itself ends when told to."""


class Server:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin, process.stdout
        self.pid = process.pid

    def await_said(self, text: str) -> None:
        assert self._stdout.readline() == f"{text}\n"

    def tell(self) -> None:
        self._stdin.write("\n")
        self._stdin.flush()


@pytest.fixture
def server() -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Server(process)


def test_a_task_that_has_ended_below_a_worker_is_counted_once_and_still_when_the_worker_has_ended(
    server: Server,
) -> None:
    server.await_said("worker lives")
    before = tree_processor_seconds(server.pid)
    server.tell()
    server.await_said("task has ended")
    with_worker = tree_processor_seconds(server.pid)
    server.tell()
    server.await_said("worker has ended")
    without_worker = tree_processor_seconds(server.pid)
    for after in (with_worker, without_worker):
        assert BURNT_SECONDS - TOLERANCE_SECONDS < after - before < 2 * BURNT_SECONDS - TOLERANCE_SECONDS
