"""Programs that a benchmark starts beside itself: logged to a file, looked at, and ended whatever happens."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.processes import tree_memory_bytes, tree_processor_seconds
from infra.errors import WardError

STOP_SECONDS = 60.0
LOG_SHOWN = 1000


class Program:
    """A running program, with everything below it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def require_alive(self) -> None:
        """Raises WardError, with the end of its log, when it has ended."""
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace")[-LOG_SHOWN:]
            raise WardError(f"It ended with status {self._process.returncode}; {self._log} ends with: {said}")

    def processor_seconds(self) -> float:
        """Processor time since its start. Raises WardError when it has ended."""
        self.require_alive()
        return tree_processor_seconds(self._process.pid)

    def memory_bytes(self) -> int:
        """Memory in use now (PSS)."""
        return tree_memory_bytes(self._process.pid)

    def stop(self) -> None:
        """Ask it to end in good order (SIGTERM) and wait for that; killed when it takes longer than STOP_SECONDS."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> Iterator[Program]:
    """The program, started in `directory` with these variables beside our own; stopped at the end of the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the benchmark, which then stops it in good order
        )
    program = Program(process, log)
    try:
        yield program
    finally:
        program.stop()
