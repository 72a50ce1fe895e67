"""How a task tells ops that it failed: straight through the ops topic of SNS, without Kafka or the alert engine.

So the news that the alarm path itself is down gets out. Two habits: `tell_ops` mails every task that fails for good
(work for one interval); `tell_ops_once` mails when a condition begins, changes or ends, and not each minute while it
lasts (what is watched again and again).
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

log = logging.getLogger(__name__)

SUBJECT_CHARACTERS = 100


class ConditionError(AirflowFailException):
    """Something watched is wrong: a sentence for people, and a `key` that stays the same for as long as it lasts.

    Fails the task without a retry: the next run looks again.
    """

    def __init__(self, sentence: str, key: str) -> None:
        super().__init__(sentence)
        self.key = key


def tell_ops(context: Any) -> None:
    """`on_failure_callback`: mail ops the reason, the interval and where the log is."""
    _mail(f"[TECHNICAL] Airflow task {_task_name(context)} failed", _failure_text(context))


def tell_ops_once(context: Any) -> None:
    """`on_failure_callback`: as `tell_ops`, but only if ops were not told of the same trouble already.

    What ops know is kept in an Airflow variable `ops_told_<dag>_<task>`; it is set after the mail was taken, so a
    failure of SNS is tried again at the next run.
    """
    error = context.get("exception")
    key = error.key if isinstance(error, ConditionError) else type(error).__name__
    variable = _variable_name(context)
    if Variable.get(variable, default="") == key:
        log.info("ops know of this already (variable %s)", variable)
        return
    _mail(f"[TECHNICAL] Airflow task {_task_name(context)} failed", _failure_text(context))
    Variable.set(variable, key, description="The trouble that ops were last told of; gone when it is over")


def tell_ops_it_is_over(context: Any) -> None:
    """`on_success_callback` beside `tell_ops_once`: mail ops that the trouble they were told of is over."""
    variable = _variable_name(context)
    if not Variable.get(variable, default=""):
        return
    _mail(
        f"[CLEARED] Airflow task {_task_name(context)} failed",
        f"Over: {_task_name(context)} succeeds again.\n\n{_where(context)}",
    )
    Variable.delete(variable)


def tell_ops_that(context: Any, what: str, text: str) -> None:
    """Mail ops what a task did that they should know of, though it has not failed."""
    _mail(f"[TECHNICAL] Airflow task {_task_name(context)} {what}", f"{text}\n\n{_where(context)}")


def _task_name(context: Any) -> str:
    return f"{context['ti'].dag_id}.{context['ti'].task_id}"


def _variable_name(context: Any) -> str:
    return f"ops_told_{context['ti'].dag_id}_{context['ti'].task_id}"


def _failure_text(context: Any) -> str:
    reason = str(context.get("exception") or "The task's process ended without saying why.")
    return f"{reason}\n\n{_where(context)}"


def _where(context: Any) -> str:
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    lines = [f"Task: {_task_name(context)}", f"Run: {context['ti'].run_id}", f"Log: {context['ti'].log_url}"]
    if start is not None and end is not None:
        lines.insert(1, f"Interval: {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    return "\n".join(lines)


def _mail(subject: str, text: str) -> None:
    """Publish to the ops topic."""
    from infra.clients import aws_client
    from infra.settings import load_settings

    settings = load_settings()
    sns = aws_client(settings, "sns")
    heading = subject.encode("ascii", "replace").decode()[:SUBJECT_CHARACTERS]
    sns.publish(TopicArn=_ops_topic(settings, sns), Subject=heading, Message=text)
    log.info("ops were told: %s", heading)


def _ops_topic(settings: Any, sns: Any) -> str:
    """The ops topic, with its subscriptions put back first if SNS has forgotten them and the alert engine is down.

    When they cannot be (MySQL is away), the topic as it is.
    """
    from contextlib import closing

    import pymysql

    from alerts.subscriptions import reconcile
    from alerts.topics import ensure_topics
    from infra.clients import alerts_connection
    from infra.errors import WardError

    try:
        with closing(alerts_connection(settings)) as connection:
            return reconcile(settings, connection).ops
    except (WardError, pymysql.Error) as error:
        log.warning("the subscriptions could not be looked after: %s", error)
        return ensure_topics(settings, sns).ops
