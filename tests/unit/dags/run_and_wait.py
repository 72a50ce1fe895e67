"""Run by `test_program.py` in a process that it then kills: runs the sample program and prints its process id."""

from __future__ import annotations

import threading

from dags.lib.program import Program

program = Program(task_id="stay", module="tests.unit.dags.sample_program", arguments=["stay"])


def say() -> None:
    pause = threading.Event()
    while program.process is None:
        pause.wait(0.05)
    print(program.process.pid, flush=True)


threading.Thread(target=say, daemon=True).start()
program.run_program()
