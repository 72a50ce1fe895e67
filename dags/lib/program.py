"""An operator that runs one of the project's programs in a process of its own.

So Airflow's process stays light, a task that is killed takes its Spark driver with it, and the same command can be
given by hand.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

PROJECT_ROOT = Path(__file__).resolve().parents[2]
EX_CONFIG = 78
"""Exit status of our programs when a setting or an input is wrong: trying again changes nothing."""

TAIL_LINES = 12
TAIL_CHARACTERS = 1500
GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL; Airflow itself kills a task's process five seconds after asking it to end."""

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ProgramError(AirflowException):
    """A program of ours ended with another status than 0; trying again may help."""


def _end_with_parent() -> None:
    """Linux ends the program when the task's process dies, however it dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Program(BaseOperator):
    """Runs `python -m <module> <arguments>` in the project's environment, from the project's root.

    Every line that it prints goes to the task's log. Status 0 is success, 78 fails the task without a retry, any other
    fails it with the last lines in the message. When the task is killed or runs out of time, the program and all that
    it started get SIGTERM, and SIGKILL after `GRACE_SECONDS`.
    """

    template_fields: Sequence[str] = ("arguments",)

    def __init__(self, *, module: str, arguments: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.module = module
        self.arguments = list(arguments)
        self.process: subprocess.Popen[str] | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._command = ""

    def execute(self, context: Any) -> Any:  # noqa: ARG002
        status, output = self.run_program()
        return self.judge(status, output)

    def judge(self, status: int, output: list[str]) -> Any:  # noqa: ARG002
        """Turn the exit status and the lines of standard output into the task's outcome."""
        if status == 0:
            return None
        sentence = f"`{self._command}` ended with status {status}. It last said:\n{self.last_words}"
        raise AirflowFailException(sentence) if status == EX_CONFIG else ProgramError(sentence)

    @property
    def last_words(self) -> str:
        """The last lines of standard output and standard error, shortened."""
        return "\n".join(self._tail)[-TAIL_CHARACTERS:]

    @property
    def own_command(self) -> list[str]:
        """The module and the arguments that the task was given."""
        return [self.module, *self.arguments]

    def run_program(self, *command: str) -> tuple[int, list[str]]:
        """Run a program (a module and its arguments, by default the task's own) to its end.

        Returns its exit status and the lines of its standard output.
        """
        words = list(command) or self.own_command
        self._command = " ".join(["python -m", *words])
        self.log.info("Running: %s", self._command)
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        errors = threading.Thread(target=self._copy, args=(self.process.stderr, None), daemon=True)
        errors.start()
        output: list[str] = []
        try:
            self._copy(self.process.stdout, output)
            errors.join()
            return self.process.wait(), output
        except BaseException:
            self.on_kill()
            raise

    def _copy(self, stream: IO[str], lines: list[str] | None) -> None:
        for raw in stream:
            line = raw.rstrip("\n")
            self.log.info("%s", line)
            self._tail.append(line)
            if lines is not None:
                lines.append(line)

    def on_kill(self) -> None:
        """End the program and everything it started."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE_SECONDS)
            os.killpg(self.process.pid, signal.SIGKILL)
