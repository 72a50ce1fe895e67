"""Run by `test_dags.py` in a process with an Airflow database of its own: a run of a DAG, by Airflow's `dag.test()`.

The tasks are the real ones on the real stack; only Airflow's own database is another one, so that limits can be shorter
than those of the running Airflow. For each line that it reads it runs the DAG once and prints the state of the run and
of each task as one line that begins with `ENDED`.
"""

from __future__ import annotations

import json
import sys

ENDED = "ENDED "

if __name__ == "__main__":
    from dags.streams import dag

    for _ in sys.stdin:
        run = dag.test()
        states = {ti.task_id: ti.state for ti in run.get_task_instances()}
        print(ENDED + json.dumps({"run": run.state, "tasks": states}), flush=True)
