"""The table of `./ward status`."""

from __future__ import annotations

import os

import pytest
from rich.console import Console

from infra import status
from infra.metrics import StreamState
from infra.servers import find
from infra.settings import Settings, Streams
from infra.status import STALE_SECONDS, Row, duration, row_of, table, unchecked
from infra.supervise import Process


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (200, "3m 20s"),
        (3600, "1h"),
        (18_125, "5h 2m"),
        (356_400, "4d 3h"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_row_tells_state_age_memory_lag_and_progress() -> None:
    row = Row("land-vitals", "up", 1_000.0, 42, 3 * 2**20, "http://127.0.0.1:1/", 1234.0, 1_090.0)
    console = Console(width=120, record=True)
    console.print(table([row], now=1_100.0))
    line = console.export_text().splitlines()[-1]
    for part in ("land-vitals", "up", "1m 40s", "42", "3", "1,234", "10s ago", "http://127.0.0.1:1/"):
        assert part in line


def test_what_is_not_asked_is_down_without_a_process_and_not_ready_with_one() -> None:
    settings = Settings()
    server = find(settings, "kafka")
    assert unchecked(settings, server, None).state == "down"
    assert unchecked(settings, server, Process("kafka", "FATAL", 0, 0.0)).state == "down"
    running = unchecked(settings, server, Process("kafka", "RUNNING", 42, 900.0), lambda: 901.0)
    assert (running.state, running.since, running.pid) == ("starting", 900.0, 42)


@pytest.mark.parametrize(("after", "state"), [(600, "starting"), (601, "hangs")])
def test_what_is_not_ready_long_after_its_start_hangs(after: int, state: str) -> None:
    settings = Settings(streams=Streams(max_start_seconds=600))
    process = Process("kafka", "RUNNING", 42, 900.0)
    assert unchecked(settings, find(settings, "kafka"), process, lambda: 900.0 + after).state == state


@pytest.mark.parametrize(
    ("ago", "state"), [(-3600, "starting"), (-1, "up"), (STALE_SECONDS - 1, "up"), (STALE_SECONDS, "starting")]
)
def test_a_stream_is_up_while_it_gets_on_by_the_clock_as_it_is_now(
    monkeypatch: pytest.MonkeyPatch, ago: int, state: str
) -> None:
    said = StreamState(started=0, last_progress=10_000 - ago, lag=0, records=0, rejected=0)
    monkeypatch.setattr(status, "read_state", lambda *_: said)
    settings = Settings()
    process = Process("land-vitals", "RUNNING", os.getpid(), 9_500.0)
    assert row_of(settings, find(settings, "land-vitals"), process, lambda: 10_000).state == state
