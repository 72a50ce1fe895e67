"""What the DAGs that run once for each hour have in common: their schedule, their patience, and their wait for the
hour to be complete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import CronDataIntervalTimetable

from dags.lib.hours import MACROS
from dags.lib.tell_ops import tell_ops


def hourly(retries: int) -> dict[str, Any]:
    """Arguments of an hourly DAG that can be backfilled; each of its tasks is tried so many times more."""
    return {
        "schedule": CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
        "start_date": datetime(2020, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 3,
        "is_paused_upon_creation": False,
        "user_defined_macros": MACROS,
        "default_args": {
            "owner": "operators",
            "retries": retries,
            "retry_delay": timedelta(minutes=5),
            "execution_timeout": timedelta(minutes=50),
            "on_failure_callback": tell_ops,
        },
        "tags": ["hive", "hourly", "backfill"],
    }


def settle(task_id: str, minutes: int, doc_md: str) -> TimeDeltaSensor:
    """A task that waits until so many minutes after the interval, without a worker."""
    return TimeDeltaSensor(
        task_id=task_id, delta=timedelta(minutes=minutes), deferrable=True, end_from_trigger=True, doc_md=doc_md
    )
