"""Processes of a benchmark's own."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from bench.jobs import job
from infra.errors import WardError


def test_a_job_that_fails_says_what_it_logged_last(tmp_path: Path) -> None:
    with (
        job("json.tool", "nothing-of-that-name", environment={}, log=tmp_path / "job.log") as one,
        pytest.raises(WardError, match=r"(?s)json\.tool ended with status \d.*nothing-of-that-name"),
    ):
        one.finish(60)


def test_a_job_is_given_its_variables_and_what_it_printed_is_its_result(tmp_path: Path) -> None:
    with job("sysconfig", environment={"TZ": "UTC"}, log=tmp_path / "logs" / "job.log") as one:
        assert "Python version" in one.finish(60)


def test_a_job_that_still_runs_is_ended_with_the_block(tmp_path: Path) -> None:
    with job("http.server", "0", environment={}, log=tmp_path / "job.log") as one:
        one.require_alive()
        pid = one.pid
    assert not psutil.pid_exists(pid)
