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
from typing import Any

from infra.airflow_api import AirflowApi
from infra.errors import WardError
from infra.settings import load_settings

HOURLY = ("audit", "compact_readings", "alarms_history")
HOUR = timedelta(hours=1)
LOOK_BACK = timedelta(days=7)
PATIENCE = timedelta(hours=2)
"""The run of an hour is made when that has ended; until then, and a little, it is not missed."""

PAGE = 100


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

    Missed is an hour after the first that Airflow ran by itself. One that had any run is not run again. Raises
    UnavailableError, AirflowRefusedError (as while another backfill of the DAG goes on: tomorrow is early enough).
    """
    scheduled = api.runs(dag_id, run_type="scheduled", order_by="logical_date", limit=1)
    if api.dag(dag_id)["is_paused"] or not scheduled:
        return []
    first = max(now - look_back, datetime.fromisoformat(scheduled[0]["logical_date"]))
    hours = missed(_runs(api, dag_id, first), first, now)
    if hours:
        api.create_backfill(dag_id, hours[0], hours[-1], reprocess="none", max_active_runs=1)
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
    try:
        with AirflowApi(load_settings()) as api:
            for dag_id in HOURLY:
                made_up[dag_id] = [hour.isoformat() for hour in make_up(api, dag_id, datetime.now(UTC))]
    except WardError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"made_up": made_up}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
