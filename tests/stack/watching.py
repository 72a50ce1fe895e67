"""What the stack tests of the watch over the streams share: running the DAG with other limits, and its mails to ops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from infra.airflow_api import AirflowApi
from infra.settings import PROJECT_ROOT, Settings
from tests.stack.dags_in_scratch import ENDED

Await = Callable[..., Any]
RunStreams = Callable[[], dict[str, Any]]
DONE = {"success", "failed", "skipped", "upstream_failed"}
TAKEN = DONE | {"queued", "running"}
LIMITS = {"MAX_SILENCE_SECONDS": "20", "RESTART_GRACE_SECONDS": "10"}
"""Settings of `streams` by which it does not take a test long until a stream or server is in trouble."""
OVER, FAILED = (f"[{kind}] Airflow task streams.watch failed" for kind in ("CLEARED", "TECHNICAL"))


def inbox(settings: Settings, recipient: str) -> list[dict[str, Any]]:
    answer = requests.get(f"http://127.0.0.1:{settings.ports.inbox}/api/email", timeout=10)
    answer.raise_for_status()
    return [mail for mail in answer.json() if any(to["address"] == recipient for to in mail["to"])]


class WatchMails:
    """The mails of the watch over the streams that ops get from now on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._before = {mail["id"] for mail in inbox(settings, settings.alerts.ops_email)}

    def mails(self) -> list[dict[str, Any]]:
        found = inbox(self._settings, self._settings.alerts.ops_email)
        return [mail for mail in found if mail["id"] not in self._before and "streams.watch" in mail["subject"]]

    def subjects(self) -> list[str]:
        return sorted(mail["subject"] for mail in self.mails())


def fails(run_streams: RunStreams) -> bool:
    """Whether the watch of a run of the DAG fails."""
    return bool(run_streams()["tasks"]["watch"] == "failed")


@contextmanager
def running_streams(stack: Settings, home: Path, limits: Mapping[str, str]) -> Iterator[RunStreams]:
    """Runs the DAG `streams` once whenever asked, with `limits` (settings of `streams`); the states of run and tasks.

    It runs in an Airflow with an empty database of its own in `home`.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
        "PYTHONPATH": str(PROJECT_ROOT),
        "WARDWATCH_STATE_DIR": str(stack.state_dir),
        "WARDWATCH_PORT_OFFSET": str(stack.port_offset),
        **{f"WARDWATCH_STREAMS__{name}": value for name, value in limits.items()},
    }
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True)
    said = home / "said.log"
    with (
        said.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.stack.dags_in_scratch"],
            cwd=PROJECT_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        ) as airflow,
    ):  # fmt: skip
        assert airflow.stdin is not None
        assert airflow.stdout is not None

        def run() -> dict[str, Any]:
            print("run", file=airflow.stdin, flush=True)
            answer = next((line for line in airflow.stdout or () if line.startswith(ENDED)), None)
            assert answer is not None, said.read_text()
            found: dict[str, Any] = json.loads(answer.removeprefix(ENDED))
            return found

        yield run


@contextmanager
def paused_streams(api: AirflowApi, await_condition: Await) -> Iterator[None]:
    """The running Airflow leaves the streams alone meanwhile.

    A paused DAG starts no further task of a run that is under way, which would never end: such a run is let go on until
    its last task is with a worker.
    """

    def pause(is_paused: bool) -> None:
        api.call("PATCH", "/dags/streams", "pause the DAG streams or go on", json={"is_paused": is_paused})

    def is_at_rest() -> bool:
        pause(True)
        runs = [run for state in ("running", "queued") for run in api.runs("streams", state=state)]
        tasks = {task["state"] for run in runs for task in api.task_instances("streams", run["dag_run_id"])}
        if not tasks <= TAKEN:
            pause(False)
        return tasks <= DONE

    try:
        await_condition(is_at_rest, 300, "streams still runs", 2)
        yield
    finally:
        pause(False)
