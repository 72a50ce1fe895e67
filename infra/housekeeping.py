"""Forgetting old runs and task logs of the embedded Airflow, and the temporary files of its tasks that were killed.

python -m infra.housekeeping
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.errors import WardError
from infra.servers import airflow_environment, venv_program
from infra.settings import Settings, load_settings
from infra.supervise import temporary_dir

SCHEDULER = "airflow-scheduler"
"""Its tasks have its temporary directory, which is emptied when it starts: that may be months ago."""

LONGEST_TASK = timedelta(days=1)

TABLES = "callback,dag_run,import_error,job,log,revoked_token,task_instance,task_instance_history,trigger,xcom"
"""What grows with each run; Airflow itself keeps the last run of each DAG."""


def forget_runs(settings: Settings, before: datetime) -> None:
    """Delete runs, task instances and events older than that from Airflow's database, by its own command.

    Raises WardError with what the command said when it fails.
    """
    command = [
        venv_program("airflow"),
        "db",
        "clean",
        "--clean-before-timestamp",
        before.isoformat(),
        "--tables",
        TABLES,
    ]
    done = subprocess.run(
        [*command, "--skip-archive", "--yes"],
        env=airflow_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise WardError(f"`airflow db clean` ended with status {done.returncode}: {done.stderr.strip()[-1500:]}")


def forget_files(directory: Path, before: datetime) -> int:
    """Delete files below `directory` last written before that, and directories that are empty; how many files."""
    deleted = 0
    for path in sorted(directory.rglob("*"), reverse=True):
        # Others write here meanwhile: what is no longer there, or no longer empty, is none of ours.
        with suppress(OSError):
            if path.is_symlink():
                continue
            if path.is_file() and path.stat().st_mtime < before.timestamp():
                path.unlink()
                deleted += 1
            elif path.is_dir() and not any(path.iterdir()) and path.stat().st_mtime < time.time() - 86_400:
                path.rmdir()
    return deleted


def main() -> int:
    """Forget what is older than `retention.airflow_days`, and temporary files that nobody has written for a day: a task
    that was killed left them, with patients' data. Prints what was deleted as JSON."""
    settings, now = load_settings(), datetime.now(UTC)
    before = now - timedelta(days=settings.retention.airflow_days)
    try:
        forget_runs(settings, before)
    except WardError as error:
        print(error, file=sys.stderr)
        return 1
    forgotten = {
        "task_logs": forget_files(settings.state_dir / "airflow" / "logs", before),
        "temporary_files": forget_files(temporary_dir(settings, SCHEDULER), now - LONGEST_TASK),
    }
    print(json.dumps(forgotten), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
