"""Hourly: rewrite a closed hour of what landing wrote from many small files into few large ones."""

from __future__ import annotations

from airflow.sdk import DAG

from dags.lib.hourly import hourly, settle
from dags.lib.hours import ARGUMENTS
from dags.lib.program import Program

TABLES = tuple(
    word
    for table in ("vital_readings", "breaches", "derived_vitals", "rejected_readings")
    for word in ("--table", table)
)

with DAG(
    dag_id="compact_readings",
    description="Rewrite a closed hour of what landing wrote from many small files into few large ones",
    doc_md="""
### Compaction

Landing writes a small file every half minute. A quarter of an hour after an hour has ended, this DAG rewrites the
files of that hour of `health.vital_readings` into files of at most 256 MiB and switches the partition to them; those of
`health.breaches`, `derived_vitals` and `rejected_readings`, which have a partition a day, when the day has ended.
Queries see either the old files or the new ones, never both, and the readings stay the same.

* **Interval**: the hour in which the readings were *recorded*, in UTC. A run started by hand without a logical date
  takes the last full hour.
* **What comes later**: the run of a day's last hour also looks at all hours of the last month (`readings.max_age_days`)
  and rewrites those in which something landed since, as from a device whose clock is slow.
* **Backfill**: yes. *Trigger > Backfill* with the first and the last hour (both included) and, for hours that were
  compacted before, *All Runs*. Compacting an hour again changes nothing.
* **When it fails**: it is tried three more times, then ops get a mail. Nothing is lost: the hour keeps its small files,
  and a backfill of that hour makes up for it.
* Waits in the pool `spark`, so that only one Spark driver of Airflow's runs at a time.
""",
    **hourly(retries=3),
) as dag:
    settled = settle(
        "wait_for_late_readings",
        15,
        "Waits until a quarter of an hour after the interval, when most late readings have landed.",
    )
    settled >> Program(
        task_id="compact_hour",
        module="spark_jobs.compact_readings",
        arguments=[*TABLES, *ARGUMENTS],
        pool="spark",
        doc_md="Rewrites the hour of each table in one Spark driver; an hour that has nothing new is left alone.",
    )
