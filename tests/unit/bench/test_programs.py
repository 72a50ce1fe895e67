"""Programs of a benchmark's own."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from bench import programs
from bench.programs import job, running
from infra.errors import WardError
from infra.waiting import wait_for


def test_a_job_that_fails_says_what_it_logged_last(tmp_path: Path) -> None:
    with (
        job("json.tool", "nothing-of-that-name", environment={}, log=tmp_path / "job.log") as one,
        pytest.raises(WardError, match=r"(?s)json\.tool ended with status \d.*nothing-of-that-name"),
    ):
        one.finish(300)


def test_a_job_is_given_its_variables_and_what_it_printed_is_its_result(tmp_path: Path) -> None:
    with job("sysconfig", environment={"TZ": "UTC"}, log=tmp_path / "logs" / "job.log") as one:
        assert "Python version" in one.finish(300)


def test_a_job_that_still_runs_is_ended_with_the_block(tmp_path: Path) -> None:
    with job("http.server", "0", environment={}, log=tmp_path / "job.log") as one:
        one.require_alive()
        pid = one.pid
    assert not psutil.pid_exists(pid)


def test_a_server_is_asked_to_end_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it ends, which only one that was asked can do."""
    monkeypatch.setattr(programs, "END_SECONDS", 600)
    script = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit('in good order')); "
    script += "print('begun', flush=True); time.sleep(600)"
    log = tmp_path / "server.log"
    with running([sys.executable, "-c", script], {}, tmp_path, log) as server:
        assert wait_for(log.read_text, 300, 0.05)
    assert "in good order" in log.read_text()
    with pytest.raises(WardError, match="ended with status 1"):
        server.require_alive()


def test_what_a_program_started_is_ended_with_it(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with running([sys.executable, "-c", script], {}, tmp_path, tmp_path / "server.log") as server:
        program = psutil.Process(server.pid)
        [child] = wait_for(program.children, 300, 0.05) or []
    assert psutil.wait_procs([child], timeout=300)[1] == []
