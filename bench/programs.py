"""Programs that a benchmark starts beside itself: logged to a file, looked at, and ended whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.processes import tree_memory_bytes, tree_processor_seconds
from infra.errors import WardError
from infra.priority import BEHIND_ALL
from infra.settings import PROJECT_ROOT

END_SECONDS = 60.0
"""For a server to end in good order when nobody needs it any more."""

STOP_SECONDS = 300.0
"""A job that is told to stop may have a batch to finish, or something to do at its end."""

LOG_SHOWN = 1000


class Program:
    """A running program, with everything below it. What it logs is in the file `log`."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path
    ) -> None:
        self._name = name
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the benchmark, which then ends it as it should be ended
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def require_alive(self) -> None:
        """Raises WardError, with the end of its log, when it has ended."""
        if self._process.poll() is not None:
            raise self._ended()

    def processor_seconds(self) -> float:
        """Processor time since its start. Raises WardError when it has ended."""
        self.require_alive()
        return tree_processor_seconds(self.pid)

    def memory_bytes(self) -> int:
        """Memory in use now (PSS)."""
        return tree_memory_bytes(self.pid)

    def finish(self, seconds: float) -> str:
        """Wait for its end; returns what it logged. Raises WardError when it failed or takes longer than `seconds`."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise WardError(f"{self._name} has not ended after {seconds:.0f} s; its log: {self._log}") from None
        if status:
            raise self._ended()
        return self._log.read_text(errors="replace")

    def stop(self) -> str:
        """Ask it to stop (SIGTERM) and wait for its end; returns what it logged. Raises WardError when it failed."""
        self._process.terminate()
        return self.finish(STOP_SECONDS)

    def end(self, seconds: float = 0) -> None:
        """End it and everything below it, if it still runs: asked first (SIGTERM), with so many seconds to end."""
        if self._process.poll() is not None:
            return
        below = psutil.Process(self.pid).children(recursive=True)
        if seconds:
            self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for child in below:
            if child.is_running():
                child.kill()

    def _ended(self) -> WardError:
        said = self._log.read_text(errors="replace")[-LOG_SHOWN:]
        return WardError(f"{self._name} ended with status {self._process.returncode}; {self._log} ends with: {said}")


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> Iterator[Program]:
    """A server, started in `directory` with these variables beside our own; ended in good order with the block."""
    program = Program(Path(command[0]).name, command, environment, directory, log)
    try:
        yield program
    finally:
        program.end(END_SECONDS)


@contextmanager
def job(
    module: str, *arguments: str, environment: Mapping[str, str], log: Path, behind_all: bool = False
) -> Iterator[Program]:
    """`python -m module arguments` with these variables beside our own; ended at once with the block.

    `behind_all`: it takes only what all others leave of the processors.
    """
    command = [*(BEHIND_ALL if behind_all else ()), sys.executable, "-m", module, *arguments]
    program = Program(module, command, environment, PROJECT_ROOT, log)
    try:
        yield program
    finally:
        program.end()
