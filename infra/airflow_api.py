"""A small client of Airflow's public API (v2): log in, look at a DAG, start a run, look at a run."""

from __future__ import annotations

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
