"""The README's command lines for analysts and operators, as they stand there, on the running stack. (Its HQL: see
`test_hive`.)"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.airflow_api import AirflowApi
from infra.servers import venv_program
from infra.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.looks_on

BACKFILLED = "alarms_history"
BACKFILL_HOURS = [datetime(2026, 1, 31, hour, tzinfo=UTC) for hour in (0, 1, 2)]
"""Those that the README names."""


def block_with(text: str, stack: Settings) -> str:
    """The README's one block of code that has this text, without prompts, for the ports and the state of this stack."""
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    [block] = [one for one in re.findall(r"^```\w+\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL) if text in one]
    for default, here in (
        ('127.0.0.1", 10000', f'127.0.0.1", {stack.ports.hiveserver2}'),
        ("127.0.0.1:10000", f"127.0.0.1:{stack.ports.hiveserver2}"),
        ("$PWD/.ward/state", str(stack.state_dir)),
    ):
        block = block.replace(default, here)
    return re.sub(r"^\$ ", "", block, flags=re.MULTILINE)


def shell(script: str) -> str:
    """What it prints. Fails with what it complained of."""
    done = subprocess.run(["bash", "-ec", script], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_beeline_reaches_hive_as_the_readme_says(stack: Settings) -> None:
    [line] = [line for line in block_with("beeline", stack).splitlines() if "beeline" in line]
    assert "vital_readings" in shell(f"{line} -e 'SHOW TABLES'")


def test_pyhive_reaches_hive_as_the_readme_says(stack: Settings) -> None:
    program = block_with("pyhive", stack) + "\nprint([name for name, *_ in cursor.description])"
    done = subprocess.run([venv_program("python"), "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['patient_id', 'heart_rate']", done.stderr


def test_a_backfill_from_the_command_line_runs_the_hours_that_the_readme_names(
    stack: Settings, await_condition: Callable[..., Any]
) -> None:
    """Of the DAG that takes least time for an hour of which there is nothing."""
    begun = datetime.now(UTC) - timedelta(seconds=1)
    shell(block_with("airflow backfill create", stack).replace("--dag-id audit", f"--dag-id {BACKFILLED}"))
    with AirflowApi(stack, timeout_seconds=60) as api:

        def ended() -> list[str]:
            runs = api.runs(BACKFILLED, run_type="backfill", logical_date_lte=BACKFILL_HOURS[-1].isoformat())
            fresh = [run for run in runs if run["end_date"] and datetime.fromisoformat(run["end_date"]) > begun]
            return [run["state"] for run in fresh] if len(fresh) >= len(BACKFILL_HOURS) else []

        assert await_condition(ended, 900, "the backfill did not end", 2) == ["success"] * len(BACKFILL_HOURS)
        runs = api.runs(BACKFILLED, run_type="backfill", logical_date_lte=BACKFILL_HOURS[-1].isoformat())
        assert sorted(datetime.fromisoformat(run["data_interval_start"]) for run in runs) == BACKFILL_HOURS
