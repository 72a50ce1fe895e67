"""Runs and backfills through the API of the running Airflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from infra.airflow_api import AirflowApi, AirflowRefusedError

HOUR = timedelta(hours=1)
ENDED = ("success", "failed")


def end_of(api: AirflowApi, dag_id: str, run_id: str, await_condition: Callable[..., Any], seconds: float = 600) -> str:
    """The state in which the run ends."""

    def ended() -> str | None:
        state = str(api.run(dag_id, run_id)["state"])
        return state if state in ENDED else None

    return str(await_condition(ended, seconds, f"the run {run_id} of {dag_id} did not end", 2))


def run_backfill(
    api: AirflowApi, dag_id: str, first: datetime, last: datetime, await_condition: Callable[..., Any]
) -> list[dict[str, Any]]:
    """Backfill an hourly DAG for the hours `first` to `last`, both included; its runs, each ended.

    The end is seen from the runs: Airflow itself notes only every 30 s that a backfill has completed, and until then
    it refuses another one of the same DAG, which is waited for.
    """

    def begun() -> bool:
        try:
            api.create_backfill(dag_id, first, last)
        except AirflowRefusedError as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    def ended() -> list[dict[str, Any]]:
        runs = api.runs(
            dag_id,
            run_type="backfill",
            logical_date_gte=first.isoformat(),
            logical_date_lte=last.isoformat(),
        )
        return runs if len(runs) >= hours and all(run["state"] in ENDED for run in runs) else []

    hours = (last - first) // HOUR + 1
    await_condition(begun, 600, f"another backfill of {dag_id} does not end", 2)
    runs: list[dict[str, Any]] = await_condition(ended, 900, f"the backfill of {dag_id} did not end", 1)
    return runs
