"""The hour that a run of an hourly DAG is about, as arguments of a program."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

HOUR = timedelta(hours=1)


def hour_start(dag_run: Any) -> str:
    """Start of the run's data interval, ISO 8601 in UTC.

    A run that was started without a logical date has no interval: it is about the last full hour before it.
    """
    return _interval(dag_run)[0].isoformat()


def hour_end(dag_run: Any) -> str:
    """End of the run's data interval, exclusive; see `hour_start`."""
    return _interval(dag_run)[1].isoformat()


MACROS = {"hour_start": hour_start, "hour_end": hour_end}
"""For `user_defined_macros`: `{{ hour_start(dag_run) }}`."""

ARGUMENTS = ("--from", "{{ hour_start(dag_run) }}", "--to", "{{ hour_end(dag_run) }}")


def _interval(dag_run: Any) -> tuple[datetime, datetime]:
    start, end = dag_run.data_interval_start, dag_run.data_interval_end
    if start is not None and end is not None:
        return start.astimezone(UTC), end.astimezone(UTC)
    full = dag_run.run_after.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return full - HOUR, full
