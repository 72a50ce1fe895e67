"""Asks for a contacts import as soon as a breach names a patient without contact."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable

from infra.airflow_api import AirflowApi
from infra.errors import WardError
from infra.log import get_logger
from infra.settings import PROJECT_ROOT, Settings
from infra.waiting import wait_for

DAG = "contacts_import"
PAUSE_SECONDS = 60.0
"""At most one import a minute, however many patients are missing."""

BEGIN_SECONDS = 60.0
"""One of its runs waits for the one before it, which takes seconds; for longer, Airflow's scheduler does not work."""

IMPORT_TIMEOUT_SECONDS = 600
log = get_logger("contacts-request")


class ImportRequests:
    """Runs `start` in a thread of its own when asked to, at most once in `pause` seconds; no request is lost.

    A request within the pause is answered when it ends. The engine never waits for an import.
    """

    def __init__(
        self, start: Callable[[], None], pause: float = PAUSE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._start = start
        self._pause = pause
        self._clock = clock
        self._asked = threading.Event()
        self._not_before = clock()

    def ask(self) -> None:
        """Ask for an import."""
        self._asked.set()

    def run(self, stop: threading.Event) -> None:
        """Answer requests until `stop` is set."""
        while not stop.is_set():
            if not self._asked.wait(0.5):
                continue
            if stop.wait(max(0.0, self._not_before - self._clock())):
                return
            self._asked.clear()
            self._not_before = self._clock() + self._pause
            self._start()


def start_import(settings: Settings) -> None:
    """Start the import through Airflow; when it cannot, or its scheduler does not begin within BEGIN_SECONDS, run the
    same import here. Errors are logged."""
    try:
        with AirflowApi(settings) as airflow:
            if airflow.dag(DAG).get("is_paused"):
                raise WardError(f"the DAG {DAG} is paused")
            waiting = airflow.runs(DAG, state="queued", run_type="manual")
            run_id = str(waiting[0]["dag_run_id"]) if waiting else airflow.trigger(DAG)
            if not wait_for(lambda: airflow.run(DAG, run_id)["state"] != "queued", BEGIN_SECONDS, 1):
                raise WardError(f"the run {run_id} does not begin")
        log.info("contacts import started through Airflow", run_id=run_id)
    except WardError as error:
        log.warning("Airflow cannot import the contacts; importing without it", reason=str(error))
        _import_here()


def _import_here() -> None:
    command = [str(PROJECT_ROOT / "ward"), "import-contacts", "--quiet"]
    try:
        result = subprocess.run(
            command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=IMPORT_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("contacts import failed", reason=type(error).__name__)
        return
    if result.returncode:
        log.error("contacts import failed", status=result.returncode)
    else:
        log.info("contacts import done")
