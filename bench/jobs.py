"""Processes of a benchmark's own: a contender, or what sends it its data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from infra.errors import WardError
from infra.settings import PROJECT_ROOT

STOP_SECONDS = 300.0
"""A job that is told to stop may have a batch to finish, or something to do at its end."""

LOG_SHOWN = 800


class Job:
    """A running Python module. What it logs is in the file `log`."""

    def __init__(self, module: str, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
        self._module = module
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=PROJECT_ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def require_alive(self) -> None:
        """Raises WardError with the end of its log when it has ended."""
        if self._process.poll() is not None:
            raise self._ended()

    def finish(self, seconds: float) -> str:
        """Wait for its end; returns what it logged. Raises WardError when it failed or takes longer than `seconds`."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise WardError(f"{self._module} has not ended after {seconds:.0f} s; its log: {self._log}") from None
        if status:
            raise self._ended()
        return self._log.read_text(errors="replace")

    def stop(self) -> str:
        """Ask it to stop (SIGTERM) and wait for its end; returns what it logged. Raises WardError when it failed."""
        self._process.terminate()
        return self.finish(STOP_SECONDS)

    def end(self) -> None:
        """End it and everything below it at once, if it still runs."""
        if self._process.poll() is not None:
            return
        below = psutil.Process(self.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        for child in below:
            if child.is_running():
                child.kill()

    def _ended(self) -> WardError:
        said = self._log.read_text(errors="replace")[-LOG_SHOWN:]
        return WardError(f"{self._module} ended with status {self._process.returncode}; {self._log} ends with: {said}")


@contextmanager
def job(module: str, *arguments: str, environment: Mapping[str, str], log: Path) -> Iterator[Job]:
    """`python -m module arguments` with these variables beside its parent's; ended at the end of the block."""
    one = Job(module, arguments, environment, log)
    try:
        yield one
    finally:
        one.end()
