"""`./ward test`: format, lint, types, then tests without servers, on the real servers, and with faults on the same."""

from __future__ import annotations

import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

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


def suites(arguments: list[str], faults: bool) -> list[Step]:
    """What runs tests, in order. `faults`: the long form of the fault suite alone."""
    if faults:
        return [("faults, long form", [venv_program("pytest"), "tests/faults", *(arguments or LONG_FAULTS)])]
    if arguments:
        return [("tests", [venv_program("pytest"), *arguments])]
    return [
        ("unit tests", [venv_program("pytest"), "tests/unit", "--numprocesses=auto", "--dist=worksteal"]),
        ("tests on the servers", [venv_program("pytest"), "tests/stack", *SHORT_FAULTS, "--durations=40"]),
    ]


def run_checks(settings: Settings, arguments: list[str], console: Console, faults: bool = False) -> int:
    """Check the code while what is missing is installed, then run the tests, until one step fails. Returns its exit
    status, or 0."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ThreadPoolExecutor(1) as pool:
        installed = pool.submit(install.ensure_installed, settings, console)
        status = 0 if faults else _run_each(static_checks(), console)
        installed.result()
    return status or _run_each(suites(arguments, faults), console)


def _run_each(steps: list[Step], console: Console) -> int:
    for name, command in steps:
        begun = time.monotonic()
        console.rule(name)
        status = _run(command)
        if status != 0:
            console.print(f"[red]{name} failed[/] after {time.monotonic() - begun:.0f} s")
            return status
        console.print(f"[green]✓[/] {name}: {time.monotonic() - begun:.0f} s")
    return 0


def _run(command: list[str]) -> int:
    """Run to the end; when we are told to end, so is the command, and it is given the time to stop its servers."""
    process = subprocess.Popen(command, cwd=PROJECT_ROOT)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
