"""Requests for a contacts import."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from alerts import contacts
from alerts.contacts import ImportRequests, start_import
from infra.errors import UnavailableError
from infra.settings import Settings


class Started:
    """Counts imports, and lets a test wait for them. One lasts until it may end."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.may_end = threading.Event()
        self.changed = threading.Condition()

    def __call__(self) -> None:
        with self.changed:
            self.times.append(time.monotonic())
            self.changed.notify_all()
        self.may_end.wait(120)

    def wait_for(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(self.times) >= count, timeout=120)


def run(requests: ImportRequests) -> threading.Event:
    stop = threading.Event()
    threading.Thread(target=requests.run, args=(stop,), daemon=True).start()
    return stop


def test_the_first_request_starts_an_import_at_once() -> None:
    started = Started()
    requests = ImportRequests(started, pause=60)
    requests.ask()
    stop = run(requests)
    assert started.wait_for(1)
    started.may_end.set()
    stop.set()


def test_requests_within_the_pause_are_answered_once_when_it_ends() -> None:
    started, begun = Started(), time.monotonic()
    requests = ImportRequests(started, pause=0.3)
    stop = run(requests)
    requests.ask()
    assert started.wait_for(1)
    for _ in range(5):
        requests.ask()
    started.may_end.set()
    assert started.wait_for(2)
    assert started.times[1] - begun >= 0.29
    assert not threading.Event().wait(0.5)
    assert len(started.times) == 2
    stop.set()


class Airflow:
    """An Airflow whose run is in these states, one after the other; None: it does not answer."""

    def __init__(self, is_paused: bool = False, states: tuple[str, ...] | None = ("running",)) -> None:
        self.is_paused = is_paused
        self.states = list(states) if states else None
        self.has_a_run = False

    def __call__(self, _settings: Settings) -> Airflow:
        return self

    def __enter__(self) -> Airflow:
        if self.states is None:
            raise UnavailableError("Airflow", "here", "refused")
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def dag(self, _dag_id: str) -> dict[str, Any]:
        return {"is_paused": self.is_paused}

    def runs(self, _dag_id: str, **_filters: str) -> list[dict[str, Any]]:
        return [{"dag_run_id": "run-1"}] if self.has_a_run else []

    def trigger(self, _dag_id: str) -> str:
        assert not self.has_a_run, "what waits already is enough"
        self.has_a_run = True
        return "run-1"

    def run(self, _dag_id: str, _run_id: str) -> dict[str, Any]:
        assert self.states
        return {"state": self.states.pop(0) if len(self.states) > 1 else self.states[0]}


@pytest.mark.parametrize(
    ("airflow", "imported_here"),
    [
        (Airflow(), 0),
        (Airflow(states=("queued", "running")), 0),
        (Airflow(states=("queued", "success")), 0),
        (Airflow(states=("queued",)), 1),
        (Airflow(is_paused=True), 1),
        (Airflow(states=None), 1),
    ],
)
def test_an_import_that_airflow_does_not_begin_is_run_without_it(
    airflow: Airflow, imported_here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    here: list[str] = []
    monkeypatch.setattr(contacts, "BEGIN_SECONDS", 1.5)
    monkeypatch.setattr(contacts, "AirflowApi", airflow)
    monkeypatch.setattr(contacts, "_import_here", lambda: here.append("imported"))
    start_import(Settings())
    assert len(here) == imported_here
    if airflow.states == ["queued"]:
        start_import(Settings())
        assert len(here) == imported_here + 1
