"""Hourly: rewrite a closed hour of what landing wrote from many small files into few large ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, CronDataIntervalTimetable

from dags.lib.hours import ARGUMENTS, MACROS
from dags.lib.program import Program
from dags.lib.tell_ops import tell_ops

TABLES = tuple(
    word
    for table in ("vital_readings", "breaches", "derived_vitals", "rejected_readings")
    for word in ("--table", table)
)

with DAG(
    dag_id="compact_readings",
    description="Rewrite a closed hour of what landing wrote from many small files into few large ones",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=3,
    is_paused_upon_creation=False,
    user_defined_macros=MACROS,
    default_args={
        "owner": "operators",
        "retries": 3,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=50),
        "on_failure_callback": tell_ops,
    },
    tags=["hive", "hourly", "backfill"],
    doc_md="""
### Compaction

Landing writes a small file every half minute. A quarter of an hour after an hour has ended, this DAG rewrites the
files of that hour of `health.vital_readings` into files of at most 256 MiB and switches the partition to them; those of
`health.breaches`, `derived_vitals` and `rejected_readings`, which have a partition a day, when the day has ended.
Queries see either the old files or the new ones, never both, and the readings stay the same.

* **Interval**: the hour in which the readings were *recorded*, in UTC. A run started by hand without a logical date
  takes the last full hour.
* **Backfill**: yes. *Trigger > Backfill* with the first and the last hour (both included) and, for hours that were
  compacted before, *All Runs*. Compacting an hour again changes nothing.
* **When it fails**: it is tried three more times, then ops get a mail. Nothing is lost: the hour keeps its small files,
  and a backfill of that hour makes up for it.
* Waits in the pool `spark`, so that only one Spark driver of Airflow's runs at a time.
""",
) as dag:
    settle = TimeDeltaSensor(
        task_id="wait_for_late_readings",
        delta=timedelta(minutes=15),
        deferrable=True,
        end_from_trigger=True,
        doc_md="Waits until a quarter of an hour after the interval, when most late readings have landed.",
    )
    settle >> Program(
        task_id="compact_hour",
        module="spark_jobs.compact_readings",
        arguments=[*TABLES, *ARGUMENTS],
        pool="spark",
        doc_md="Rewrites the hour of each table in one Spark driver; an hour that has nothing new is left alone.",
    )
