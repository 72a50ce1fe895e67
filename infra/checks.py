"""`./ward test`: lint, format, types, then tests on the real servers, also with faults, and the others beside them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from tempfile import TemporaryFile
from typing import IO

from rich.console import Console

from infra import install
from infra.servers import venv_program
from infra.settings import PROJECT_ROOT, Settings

LONG_FAULTS = ("--seeds=1,2,3", "--kills=7", "--server-kills=2", "--supervisor-kills=1", "--alone=1")
"""The long form of the fault suite: 21 kills of each stream over three seeds, the first of each seed alone."""

SHORT_FAULTS = tuple(f"tests/faults/test_{name}.py" for name in ("kills", "poison"))
"""The short form: everything killed once, three at a time, and a thousand malformed messages."""


Step = tuple[str, list[str]]
"""A name and a command line."""


def static_checks() -> list[Step]:
    """What needs nothing but the Python environment, in order."""
    return [
        ("lint", [venv_program("ruff"), "check", "."]),
        ("format", [venv_program("ruff"), "format", "--check", "."]),
        ("types", [venv_program("mypy")]),
    ]


UNIT_TESTS: Step = (
    "unit tests",
    ["nice", "-n", "19", venv_program("pytest"), "tests/unit", "--numprocesses=auto", "--dist=worksteal"],
)
"""They take what processor time the tests on the servers leave over, which wait a good deal."""

LOOK_SECONDS = 1.0


def suites(arguments: list[str], faults: bool) -> list[Step]:
    """What runs tests, all at the same time. `faults`: the long form of the fault suite alone."""
    if faults:
        return [("faults, long form", [venv_program("pytest"), "tests/faults", *(arguments or LONG_FAULTS)])]
    if arguments:
        return [("tests", [venv_program("pytest"), *arguments])]
    servers = [venv_program("pytest"), "tests/stack", *SHORT_FAULTS, "--durations=40"]
    return [("tests on the servers", servers), UNIT_TESTS]


def run_checks(settings: Settings, arguments: list[str], console: Console, faults: bool = False) -> int:
    """Check the code while what is missing is installed, then run the tests. The first that fails ends all of it.

    Returns its exit status, or 0.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ThreadPoolExecutor(1) as pool:
        installed = pool.submit(install.ensure_installed, settings, console)
        status = 0 if faults else run_each(static_checks(), console)
        installed.result()
    return status or run_together(suites(arguments, faults), console)


def run_each(steps: list[Step], console: Console) -> int:
    """Run one after the other until one fails. Returns its exit status, or 0."""
    for step in steps:
        if status := run_together([step], console):
            return status
    return 0


def run_together(steps: list[Step], console: Console) -> int:
    """Start all and wait until each has ended or one has failed. Returns its exit status, or 0.

    The first one's output is seen as it comes, that of another when it has ended. Those that are still running when one
    has failed are told to end, as all are when we are, and given the time to stop their servers.
    """
    begun = time.monotonic()
    with ExitStack() as resources:
        running: list[_Running] = []
        resources.callback(_end_all, running)
        for step in steps:
            output = resources.enter_context(TemporaryFile()) if running else None
            console.rule(step[0])
            running.append(_Running(step, output))
        while running:
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                one.show()
                seconds = f"{time.monotonic() - begun:.0f} s"
                if status := one.process.returncode:
                    console.print(f"[red]{one.name} failed[/] after {seconds}")
                    return status
                console.print(f"[green]✓[/] {one.name}: {seconds}")
            if running:
                _wait_a_moment(running[0].process)
    return 0


def _end_all(running: list[_Running]) -> None:
    for one in running:
        one.process.terminate()
    for one in running:
        one.process.wait()


def _wait_a_moment(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(LOOK_SECONDS)


class _Running:
    """A step at work, with its output in a file unless it goes where ours goes."""

    def __init__(self, step: Step, output: IO[bytes] | None) -> None:
        self.name, command = step
        self._output = output
        self.process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=output, stderr=output)

    def show(self) -> None:
        """Write what was kept back."""
        if self._output is not None:
            self._output.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(self._output, sys.stdout.buffer)
            sys.stdout.flush()
