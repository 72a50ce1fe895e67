"""Requests for a contacts import."""

from __future__ import annotations

import threading
import time

from alerts.contacts import ImportRequests


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
