"""Threads of a stream."""

from __future__ import annotations

from threading import Event

import pytest

from alerts.threads import Threads


def test_what_a_thread_fails_with_ends_the_stream() -> None:
    failed = Event()

    def fail(_stop: Event) -> None:
        failed.set()
        raise ValueError("broken")

    with Threads(Event()) as threads:
        threads.start("fails", fail)
        assert failed.wait(30)
        threads._threads[0].join(30)
        with pytest.raises(ValueError, match="broken"):
            threads.check()


def test_threads_that_have_ended_are_forgotten_and_the_others_are_waited_for() -> None:
    ended = Event()

    def wait(stop: Event) -> None:
        stop.wait(30)
        ended.set()

    with Threads(Event()) as threads:
        threads.start("ends", lambda _stop: None)
        threads.start("waits", wait)
        threads._threads[0].join(30)
        threads.check()
        assert [thread.name for thread in threads._threads] == ["waits"]
    assert ended.is_set()
