"""Every five minutes: import the patients' contacts that changed from MySQL into Hive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable

from dags.lib.program import Program
from dags.lib.tell_ops import tell_ops_it_is_over, tell_ops_once

with DAG(
    dag_id="contacts_import",
    description="Import the patients' contacts that changed from MySQL into Hive (Sqoop)",
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={
        "owner": "operators",
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(minutes=20),
        "on_failure_callback": tell_ops_once,
        "on_success_callback": tell_ops_it_is_over,
    },
    tags=["sqoop", "hive", "patients"],
    doc_md="""
### Import of contacts

Brings new and changed rows of `patients_information` (names, phones, addresses, wards) into the Hive table
`health.patients`, from which detection takes what the doctors' emails say. Once a day all keys are compared, so that
deleted patients go too. The same by hand: `./ward import-contacts`.

* **Interval**: none. Each run imports what is in MySQL *now*.
* **Backfill**: pointless, but harmless: every run of it is one more current import.
* **When it fails**: it is tried twice more, then ops get one mail, and another one when it works again. The last good
  import stays in force; patients who are not in it still alarm, by adult bands and without a contact.
* The alert engine starts this DAG by itself when it meets a patient whom it does not know.
""",
) as dag:
    Program(
        task_id="import_contacts",
        module="infra.cli",
        arguments=["import-contacts", "--quiet"],
    )
