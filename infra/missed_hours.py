"""Hours for which Airflow made no run of an hourly DAG, as when it or the machine was away: made up for by a backfill.

    python -m infra.missed_hours

Airflow goes on with the newest hour after a pause. What landed in the hours before is then neither audited nor
compacted, nor are their alarms in Hive.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from infra.airflow_api import AirflowApi, AirflowRefusedError
from infra.errors import WardError
from infra.settings import load_settings

HOURLY = ("audit", "compact_readings", "alarms_history")
HOUR = timedelta(hours=1)
LOOK_BACK = timedelta(days=7)
PATIENCE = timedelta(hours=2)
"""The run of an hour is made when that has ended; until then, and a little, it is not missed."""

PAGE = 100
TIMEOUT_SECONDS = 60.0
"""Airflow makes all runs of a backfill before it answers."""


def missed(there: Collection[datetime], first: datetime, now: datetime) -> list[datetime]:
    """The beginnings of hours from `first` on, ascending, that are not `there`."""
    hour = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hour += HOUR * (hour < first)
    hours = []
    while hour <= now - PATIENCE:
        if hour not in there:
            hours.append(hour)
        hour += HOUR
    return hours


def make_up(api: AirflowApi, dag_id: str, now: datetime, look_back: timedelta = LOOK_BACK) -> list[datetime]:
    """Begin a backfill of the hours that are missed; returns them. A DAG that is paused is left alone.

    Missed is an hour after the first that Airflow ran by itself. One that had a run is not run again. While another
    backfill of the DAG goes on nothing is done: tomorrow is early enough. Raises UnavailableError, AirflowRefusedError.
    """
    scheduled = api.runs(dag_id, run_type="scheduled", order_by="logical_date", limit=1)
    if api.dag(dag_id)["is_paused"] or not scheduled:
        return []
    first = max(now - look_back, datetime.fromisoformat(scheduled[0]["logical_date"]))
    hours = missed(_runs(api, dag_id, first), first, now)
    if not hours:
        return []
    try:
        api.create_backfill(dag_id, hours[0], hours[-1], reprocess="none", max_active_runs=1)
    except AirflowRefusedError as refused:
        if refused.status != HTTPStatus.CONFLICT:
            raise
        return []
    return hours


def _runs(api: AirflowApi, dag_id: str, since: datetime) -> set[datetime]:
    """Logical dates of the runs since then."""
    found: list[dict[str, Any]] = []
    while len(found) % PAGE == 0:
        window = {"logical_date_gte": since.isoformat(), "order_by": "logical_date"}
        page = api.runs(dag_id, **window, limit=PAGE, offset=len(found))
        if not page:
            break
        found += page
    return {datetime.fromisoformat(run["logical_date"]) for run in found}


def main() -> int:
    """Make up for missed hours of all hourly DAGs. Prints them as JSON; status 1 when Airflow refused or is away."""
    made_up: dict[str, list[str]] = {}
    failed = False
    with AirflowApi(load_settings(), TIMEOUT_SECONDS) as api:
        for dag_id in HOURLY:
            try:
                made_up[dag_id] = [hour.isoformat() for hour in make_up(api, dag_id, datetime.now(UTC))]
            except WardError as error:
                print(error, file=sys.stderr)
                failed = True
    print(json.dumps({"made_up": made_up}), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
