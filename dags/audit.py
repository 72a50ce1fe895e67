"""Hourly: every reading that MySQL took in that hour is in Hive exactly once, by id, and every breach was published."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from dags.lib.audit import AuditBreaches, AuditHour
from dags.lib.hourly import hourly, settle
from dags.lib.hours import ARGUMENTS

with DAG(
    dag_id="audit",
    description="Compare the readings of an hour in MySQL and Hive by id, and judge them again",
    doc_md="""
### Audit

Compares, by id, the rows that MySQL took in an hour with the readings in `health.vital_readings` and
`health.rejected_readings` in Hive. Each must be there exactly once. The log ends with the counts as JSON.

* **Interval**: the hour in which the rows were *inserted*, in UTC (a late reading belongs to the hour in which it
  arrived). A run started by hand without a logical date takes the last full hour.
* **Rows that are committed after their hour was audited**, as by a transaction that stayed open for hours: each audit
  also counts the rows of the 24 hours before its own (`producer.late_commit_audit_hours`) in MySQL, and of those that
  were audited and have more rows since, audits each again by id in the same task.
* **Backfill**: yes. *Trigger > Backfill* with the first and the last hour (both included) and, for hours that were
  audited before, *All Runs*. The audit only reads, and sends a missing row once. It looks back from the hour that it
  is about, also in a backfill.
* **Breaches**: the hour's readings are then judged once more, by the threshold snapshots that were in force, and each
  breach must be in `health.breaches`, whatever the audit of readings said. One that was never published fails
  `audit_breaches`, which names it. *What to do*: see to the patient, then look what `./ward logs detect-breaches`
  says of that time.
* **Waits** twenty minutes for rows that were committed late. While landing has not passed the end of the hour the
  audit is not held: the task is tried again every five minutes for an hour.
* **Rows that are missing** in Hive are sent to Kafka again, each once, and the hour is audited again; ops get a mail
  with the ids. Rows that were committed after the window for late commits are found like this.
* **When a difference remains** it fails at once, without another try, and mails ops the ids that are missing or
  double. *What to do*: see `./ward status` and `./ward dlq list`, put the cause right, and run a backfill of
  that hour; it passes when the readings are there.
""",
    **hourly(retries=12),
) as dag:
    settled = settle(
        "wait_for_late_commits",
        20,
        "Waits until twenty minutes after the interval, beyond the window for late commits.",
    )
    readings = AuditHour(
        task_id="audit_hour",
        arguments=(*ARGUMENTS, "--earlier"),
        doc_md="Every row of the hour, and of hours before that got more, is in Hive exactly once; missing rows are "
        "sent again.",
    )
    breaches = AuditBreaches(
        task_id="audit_breaches",
        arguments=ARGUMENTS,
        trigger_rule="all_done",
        doc_md="Every breach among the hour's readings was published, judged again by the thresholds then in force.",
    )
    # A run is what its last tasks are: this one stands for the audit of readings; breaches are audited in any case.
    agreed = EmptyOperator(task_id="readings_agree", doc_md="Nothing but the outcome of audit_hour for the whole run.")
    settled >> readings >> [breaches, agreed]
