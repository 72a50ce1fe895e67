"""Hourly: every reading that MySQL took in that hour is in Hive exactly once, by id, and every breach was published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, CronDataIntervalTimetable

from dags.lib.audit import AuditBreaches, AuditHour
from dags.lib.hours import ARGUMENTS, MACROS
from dags.lib.tell_ops import tell_ops

with DAG(
    dag_id="audit",
    description="Compare the readings of an hour in MySQL and Hive by id, and judge them again",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=3,
    is_paused_upon_creation=False,
    user_defined_macros=MACROS,
    default_args={
        "owner": "operators",
        "retries": 12,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=50),
        "on_failure_callback": tell_ops,
    },
    tags=["hive", "hourly", "backfill"],
    doc_md="""
### Audit

Compares, by id, the rows that MySQL took in an hour with the readings in `health.vital_readings` and
`health.rejected_readings` in Hive. Each must be there exactly once. The log ends with the counts as JSON.

* **Interval**: the hour in which the rows were *inserted*, in UTC (a late reading belongs to the hour in which it
  arrived). A run started by hand without a logical date takes the last full hour.
* **Backfill**: yes. *Trigger > Backfill* with the first and the last hour (both included) and, for hours that were
  audited before, *All Runs*. The audit only reads, and sends a missing row once.
* **Breaches**: the hour's readings are then judged once more, by the threshold snapshots that were in force, and each
  breach must be in `health.breaches`. One that was never published fails `audit_breaches`, which names it. *What to
  do*: see to the patient, then look what `./ward logs detect-breaches` says of that time.
* **Waits** twenty minutes for rows that were committed late. While landing has not passed the end of the hour the
  audit is not held: the task is tried again every five minutes for an hour.
* **Rows that are missing** in Hive are sent to Kafka again, each once, and the hour is audited again; ops get a mail
  with the ids. Rows that were committed after the window for late commits are found like this.
* **When a difference remains** it fails at once, without another try, and mails ops the ids that are missing or
  double. *What to do*: see `./ward status` and `./ward dlq list`, put the cause right, and run a backfill of
  that hour; it passes when the readings are there.
""",
) as dag:
    settle = TimeDeltaSensor(
        task_id="wait_for_late_commits",
        delta=timedelta(minutes=20),
        deferrable=True,
        end_from_trigger=True,
        doc_md="Waits until twenty minutes after the interval, beyond the window for late commits.",
    )
    readings = AuditHour(
        task_id="audit_hour",
        arguments=ARGUMENTS,
        doc_md="Every row of the hour is in Hive exactly once; missing rows are sent again.",
    )
    breaches = AuditBreaches(
        task_id="audit_breaches",
        arguments=ARGUMENTS,
        doc_md="Every breach among the hour's readings was published, judged again by the thresholds then in force.",
    )
    settle >> readings >> breaches
