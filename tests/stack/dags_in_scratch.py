"""Run by `test_dags.py` in a process with an Airflow database of its own: one run of a DAG, by Airflow's `dag.test()`.

The tasks are the real ones on the real stack; only Airflow's own database is another one, so that limits can be shorter
than those of the running Airflow. Prints the state of the run and of each task as the last line.
"""

from __future__ import annotations

import json
import sys

from dags.streams import dag

run = dag.test()
print(json.dumps({"run": run.state, "tasks": {ti.task_id: ti.state for ti in run.get_task_instances()}}))
sys.exit(0)
