"""A small client of Airflow's public API (v2): log in, look at a DAG, start a run, look at a run."""

from __future__ import annotations

import json
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

import requests

from infra.errors import UnavailableError, WardError
from infra.settings import Settings


class AirflowRefusedError(WardError):
    """Airflow answered, but not with what was asked for."""

    def __init__(self, action: str, status: int, answer: str) -> None:
        super().__init__(f"Airflow refused to {action}: HTTP {status}, {answer[:300]}")
        self.status = status


class AirflowApi:
    """Airflow as the admin user; the token is asked for at the first call and again when it has run out.

    Every call raises UnavailableError when Airflow does not answer within `timeout_seconds`, and AirflowRefusedError
    when it answers with an error.
    """

    def __init__(self, settings: Settings, timeout_seconds: float = 10) -> None:
        self._base = f"http://127.0.0.1:{settings.ports.airflow}"
        self._settings = settings
        self._timeout = timeout_seconds
        self._session = requests.Session()

    def __enter__(self) -> AirflowApi:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._session.close()

    def dag(self, dag_id: str) -> dict[str, Any]:
        """The DAG, with `is_paused` among its fields."""
        return self.call("GET", f"/dags/{dag_id}", f"show the DAG {dag_id}")

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run now, without a data interval of its own; the run's id."""
        body = {"logical_date": None, "conf": conf or {}}
        answer = self.call("POST", f"/dags/{dag_id}/dagRuns", f"start the DAG {dag_id}", json=body)
        return str(answer["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """The run, with `state` (queued, running, success, failed) among its fields."""
        return self.call("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}", f"show the run {run_id}")

    def trigger_for(self, dag_id: str, logical_date: datetime) -> str:
        """Start a run about the interval that *ends* at or before `logical_date`, as the page's dialog does."""
        body = {"logical_date": logical_date.isoformat()}
        answer = self.call("POST", f"/dags/{dag_id}/dagRuns", f"start the DAG {dag_id}", json=body)
        return str(answer["dag_run_id"])

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The run's tasks, with `task_id`, `state` and `try_number` among their fields."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        answer = self.call("GET", path, f"show the tasks of the run {run_id}")
        return list(answer["task_instances"])

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> str:
        """What a try of a task wrote: one JSON object an event, with `event` and whatever belongs to it."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/logs/{try_number}"
        answer = self.call("GET", path, f"show the log of {task_id}", params={"full_content": True})
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in answer["content"])

    def create_backfill(
        self, dag_id: str, first: datetime, last: datetime, reprocess: str = "completed", max_active_runs: int = 2
    ) -> int:
        """Run the DAG again for every logical date from `first` to `last`, both included; the backfill's id.

        `reprocess`: which dates that were run before are run again: none, failed or completed.
        """
        body = {
            "dag_id": dag_id,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            "reprocess_behavior": reprocess,
            "max_active_runs": max_active_runs,
        }
        answer = self.call("POST", "/backfills", f"backfill the DAG {dag_id}", json=body)
        return int(answer["id"])

    def backfill(self, backfill_id: int) -> dict[str, Any]:
        """The backfill; `completed_at` is null until all of its runs have ended."""
        return self.call("GET", f"/backfills/{backfill_id}", f"show the backfill {backfill_id}")

    def runs(self, dag_id: str, **filters: Any) -> list[dict[str, Any]]:
        """Runs of a DAG; filters are those of Airflow's API, such as `logical_date_gte`."""
        answer = self.call("GET", f"/dags/{dag_id}/dagRuns", f"list the runs of {dag_id}", params=filters)
        return list(answer["dag_runs"])

    def call(self, method: str, path: str, action: str, **arguments: Any) -> dict[str, Any]:
        """Any other request below `/api/v2`; `action` completes "Airflow refused to …" in an error."""
        if "Authorization" not in self._session.headers:
            self._log_in()
        answer = self._request(method, f"/api/v2{path}", **arguments)
        if answer.status_code == 401:
            self._log_in()
            answer = self._request(method, f"/api/v2{path}", **arguments)
        if not answer.ok:
            raise AirflowRefusedError(action, answer.status_code, answer.text)
        result: dict[str, Any] = answer.json() if answer.content else {}
        return result

    def _log_in(self) -> None:
        self._session.headers.pop("Authorization", None)
        credentials = {"username": "admin", "password": self._settings.secret("airflow_admin_password")}
        answer = self._request("POST", "/auth/token", json=credentials)
        if not answer.ok:
            raise AirflowRefusedError("log in the user admin", answer.status_code, answer.text)
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        try:
            return self._session.request(method, self._base + path, timeout=self._timeout, **arguments)
        except requests.RequestException as error:
            raise UnavailableError("Airflow", self._base, type(error).__name__) from error
