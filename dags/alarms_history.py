"""Hourly: write the alarms that lasted or changed in that hour from MySQL to Hive, where they stay."""

from __future__ import annotations

from airflow.sdk import DAG

from dags.lib.hourly import hourly, settle
from dags.lib.hours import ARGUMENTS
from dags.lib.program import Program

with DAG(
    dag_id="alarms_history",
    description="Write the alarms that lasted or changed in an hour from MySQL to Hive",
    doc_md="""
### History of alarms

Writes the patients' alarms to the Hive table `health.alarms`, which the views `health.alarms_per_bed_day` and
`health.alarm_response` of the ward's alarm committee are made of. An alarm that lasted in the hour, or of which the
alert engine recorded something then (also one of the past whose readings came late), is written as it stands *now*; the
other alarms of its day stay as they are. A day is switched in one step, so queries see each alarm once, as it was or as
it is; a day of which nothing has changed is left alone. The log ends with the days as JSON.

* **Interval**: the hour in which alarms lasted or changed, in UTC. A run started by hand without a logical date takes
  the last full hour.
* **Backfill**: yes. *Trigger > Backfill* with the first and the last hour (both included) and, for hours that were
  written before, *All Runs*. Writing an hour again changes nothing but what has changed since.
* **Old alarms**: MySQL forgets alarms after `retention.alarms_days`. They stay in Hive until you drop their
  partitions; a backfill of hours before that finds nothing in MySQL and takes nothing away.
* **If the table is lost**, a backfill of all hours that MySQL still knows writes it anew.
* **When it fails**: it is tried five more times, then ops get a mail. Nothing is lost: a backfill of that hour makes up
  for it.
""",
    **hourly(retries=5),
) as dag:
    settled = settle(
        "wait_for_the_engine",
        5,
        "Waits until five minutes after the interval, when the engine has written what it recorded in it.",
    )
    settled >> Program(
        task_id="write_hour",
        module="alerts.history",
        arguments=ARGUMENTS,
        doc_md="Rewrites the days of the alarms that lasted or changed in the hour.",
    )
