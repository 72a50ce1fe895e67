"""Every minute: start the streams that do not run, watch their freshness and lag, restart one that is stuck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.lib.tell_ops import tell_ops_it_is_over, tell_ops_once

PAST = timedelta(minutes=10)
"""A run for an interval that ended longer ago is about the past, where no stream can be started."""

with DAG(
    dag_id="streams",
    description="Start the streams, watch their freshness and lag, restart one that is stuck",
    schedule=CronDataIntervalTimetable("* * * * *", timezone="UTC"),
    start_date=datetime(2020, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={
        "owner": "operators",
        "retries": 1,
        "retry_delay": timedelta(seconds=5),
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": tell_ops_once,
        "on_success_callback": tell_ops_it_is_over,
    },
    tags=["streams", "watch"],
    doc_md="""
### Streams

The streams (`vitals-producer`, `land-vitals`, `detect-breaches`, `derive-vitals`, `alert-engine`, `ward-page`,
`acknowledge-page` where mails carry links to it and, with the embedded email, `mailer`) are long-running processes
under a supervisor, which starts one again when it exits. This DAG sees to it each minute that they run and that they
get on.

* **start** starts every stream that does not run, and every server that its supervisor has given up. A server that
  was stopped by hand stays so.
* **watch** looks at when each stream last made progress and how many records wait for it. One that has made no
  progress for two minutes (ten after a start), or that has handled nothing of its backlog for an hour, is restarted and
  given time to come back. If it stays bad, or has a backlog that does not shrink for ten minutes, the task fails and
  says which stream and why. It fails, too, when a server (MySQL, Kafka, HDFS, HBase, Hive, SNS, …) does not do its
  work for longer than `streams.restart_grace_seconds`; streams that need it are then left alone. Airflow's own servers
  are not looked at, for without them this DAG does not run: see `./ward status`.
* **The watchdog**: each minute `watch` sends a reading of nobody (`wardwatch-watchdog`) through the alarm path, from
  `vital-info` by detection, `doctors-queue`, alert engine and outbox to an SNS topic of its own, and takes it from a
  queue there. When none has come through for `streams.max_watchdog_seconds`, though everything on the path seems well,
  the task fails and says which part had one last. The variable `streams_watchdog` holds (epoch ms) when the newest that
  came was sent and how long it took. Nobody is mailed a watchdog, and no table of analysts holds one.
* **Mails to ops**: one when trouble begins or changes and one when it is over, straight through SNS, not each minute.
  What ops know is kept in the variable `ops_told_streams_watch`. That this DAG itself does not run is told by the alert
  engine, when it has had no watchdog for `streams.max_unwatched_seconds`.
* **Interval and backfill**: none. A run for the past does nothing and says so.
* **To stop a stream for good** pause this DAG first, else it is started again within a minute.
* The limits are the settings `streams.max_silence_seconds`, `…max_start_seconds`, `…restart_grace_seconds`,
  `…max_backlog_seconds`, `…min_backlog_records`, `…max_stuck_seconds` and `…max_watchdog_seconds`.
""",
) as dag:

    @task(doc_md="Starts every stream that does not run. Skips itself in a run for the past.")
    def start(dag_run: Any = None) -> None:
        end = dag_run.data_interval_end
        if end is not None and datetime.now(UTC) - end > PAST:
            raise AirflowSkipException(
                f"This run is for the minute up to {end:%Y-%m-%d %H:%M} UTC, which is past: streams can only be "
                "started and watched now. Nothing was done."
            )
        from dags.lib.streams import start_streams
        from infra.settings import load_settings

        start_streams(load_settings())

    @task(doc_md="Looks at the freshness and the lag of each stream; restarts one that is stuck; sends the watchdog.")
    def watch() -> None:
        from dags.lib.streams import watch_streams
        from infra.settings import load_settings

        watch_streams(load_settings())

    start() >> watch()
