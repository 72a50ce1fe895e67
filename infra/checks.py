"""`./ward test`: format, lint, types, then tests without servers, then tests on the real servers."""

from __future__ import annotations

import os
import subprocess
import time

from rich.console import Console

from infra.servers import venv_program
from infra.settings import PROJECT_ROOT, Settings


def steps(arguments: list[str]) -> list[tuple[str, list[str]]]:
    """What is run, in order: a name and a command line each."""
    checks = [
        ("lint", [venv_program("ruff"), "check", "."]),
        ("format", [venv_program("ruff"), "format", "--check", "."]),
        ("types", [venv_program("mypy")]),
    ]
    if arguments:
        return [*checks, ("tests", [venv_program("pytest"), *arguments])]
    return [
        *checks,
        ("unit tests", [venv_program("pytest"), "tests/unit"]),
        ("tests on the servers", [venv_program("pytest"), "tests/stack"]),
    ]


def run_checks(_settings: Settings, arguments: list[str], console: Console) -> int:
    """Run the steps until one fails. Returns its exit status, or 0."""
    for name, command in steps(arguments):
        begun = time.monotonic()
        console.rule(name)
        status = subprocess.run(command, cwd=PROJECT_ROOT, env=os.environ, check=False).returncode
        if status != 0:
            console.print(f"[red]{name} failed[/] after {time.monotonic() - begun:.0f} s")
            return status
        console.print(f"[green]✓[/] {name}: {time.monotonic() - begun:.0f} s")
    return 0
