"""Run in a fresh process by `test_parsing.py`: parse DAG files as Airflow's DAG processor does, print what they hold.

Airflow itself is imported once and the process forks for every file. So the time is that of our file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import airflow.sdk
from airflow._shared.timezones import timezone
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

AT = datetime(2026, 3, 1, 10, 37, 30, tzinfo=UTC)


def interval_at(dag: Any, moment: datetime) -> tuple[datetime, datetime]:
    """The data interval of the run that the scheduler, which knows only the serialized DAG, would make at that time."""
    scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    interval = scheduled.timetable.infer_manual_data_interval(run_after=timezone.coerce_datetime(moment))
    return interval.start, interval.end


def describe(dag: Any) -> dict[str, Any]:
    """What the tests ask about a DAG, as JSON."""
    return {
        "interval_at_10_37_30": [f"{edge:%H:%M}" for edge in interval_at(dag, AT)],
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "tags": sorted(dag.tags),
        "doc": dag.doc_md or "",
        "paused": dag.is_paused_upon_creation,
        "tasks": {
            task.task_id: {
                "retries": task.retries,
                "retry_delay": task.retry_delay.total_seconds(),
                "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
                "owner": task.owner,
                "pool": task.pool,
                "on_failure": [callback.__name__ for callback in task.on_failure_callback],
                "on_success": [callback.__name__ for callback in task.on_success_callback],
                "after": sorted(task.upstream_task_ids),
                "arguments": getattr(task, "arguments", None),
                "module": getattr(task, "module", None),
            }
            for task in dag.tasks
        },
    }


def parse(path: str) -> dict[str, Any]:
    """What parsing one file took and gave."""
    before_cpu, before_modules = time.process_time(), set(sys.modules)
    bag = DagBag(dag_folder=path)
    return {
        "cpu_seconds": time.process_time() - before_cpu,
        "errors": bag.import_errors,
        "imported": sorted(set(sys.modules) - before_modules),
        "dags": {dag.dag_id: describe(dag) for dag in bag.dags.values()},
    }


def main(paths: list[str]) -> None:
    """One JSON object a line and file, each parsed in a fork of this process."""
    assert airflow.sdk.DAG is not None
    for path in paths:
        child = os.fork()
        if child == 0:
            print(json.dumps({"file": os.path.basename(path), **parse(path)}), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
