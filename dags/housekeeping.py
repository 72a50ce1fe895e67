"""Daily: forget what would grow for ever, and make up for hours that had no run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable

from dags.lib.program import Program
from dags.lib.tell_ops import tell_ops

with DAG(
    dag_id="housekeeping",
    description="Forget alarms, mails, threshold snapshots and runs of long ago; make up for hours without a run",
    schedule=CronDataIntervalTimetable("30 3 * * *", timezone="UTC"),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={
        "owner": "operators",
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=60),
        "on_failure_callback": tell_ops,
    },
    tags=["daily"],
    doc_md="""
### Housekeeping

Forgets what would otherwise grow for ever, by the settings `retention.…`:

* **forget_alarms**: alarms that are over, their audit trail and their mails (which hold names and addresses), and the
  mails of the embedded inbox. A mail that was never sent and an alarm that lasts are kept. The watchdog's
  notifications go after two days.
* **forget_thresholds**: snapshots of the threshold table that were superseded long ago. The one in force is kept.
* **forget_acts**: who looked at which patient in the ward page, and changed what, after ten years.
* **forget_runs**: Airflow's own runs, events and task logs.
* **merge_edits**: the edits of the embedded NameNode, which are merged into an image of the file system.
* **make_up_hours**: after a pause Airflow goes on with the newest hour. Hours of the last week for which `audit`,
  `compact_readings` or `alarms_history` had no run are run now, as a backfill that runs nothing again.

Elsewhere: Kafka deletes by `kafka.retention_hours`, Spark keeps `spark.checkpoint_batches` of each checkpoint, an
import keeps the newest `contacts.keep_snapshots` and those of the last `contacts.keep_hours`, compaction removes
replaced directories, and a log rotates at `log_megabytes`.
Readings in Hive are kept until you drop their partitions.

* **Interval and backfill**: none; a run for the past forgets what is old now, and running it again changes nothing.
""",
) as dag:
    Program(task_id="forget_alarms", module="alerts.housekeeping")
    Program(task_id="forget_thresholds", module="hbase.housekeeping")
    Program(task_id="forget_acts", module="dashboard.housekeeping")
    Program(task_id="forget_runs", module="infra.housekeeping")
    Program(task_id="merge_edits", module="infra.namenode_edits")
    Program(task_id="make_up_hours", module="infra.missed_hours")
