"""The page learns from the streams whether readings are judged, and kept for charts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client import Gauge

from bench.source_database import free_port
from dashboard.live import register
from dashboard.live.register import (
    MISSED,
    NOT_DERIVED,
    NOT_JUDGED,
    RECENT,
    follow_streams,
    judges_now,
    waiting_seconds,
)
from dashboard.live.state import LiveState
from infra.metrics import StreamMetrics, StreamState, read_state
from infra.settings import Derivation, Ports, Settings, Spark
from infra.waiting import wait_for
from tests.unit.dashboard.beds import NOW, reading

PATIENCE_SECONDS = 300
STREAMS = ("detect-breaches", "alert-engine", "derive-vitals", "land-vitals")
SOURCES = ("judging", "deriving", RECENT)


@pytest.fixture
def settings() -> Settings:
    ports = {f"metrics_{name.replace('-', '_')}": free_port() for name in STREAMS}
    return Settings(ports=Ports(**ports), port_offset=0)


class Streams:
    """The metrics of these streams, all of which are well."""

    def __init__(self, settings: Settings) -> None:
        self._metrics = metrics = {name: StreamMetrics(name) for name in STREAMS}
        registry = metrics["land-vitals"].registry
        self._failing = Gauge("wardwatch_recent_failing", "1 while they cannot be written", registry=registry)
        for one in metrics.values():
            one.alive(0)
        self._servers = {name: one.serve(settings)[0] for name, one in metrics.items()}

    def end(self, name: str) -> None:
        server = self._servers.pop(name)
        server.shutdown()
        server.server_close()

    def fall_behind(self, name: str, records: int) -> None:
        self._metrics[name].alive(records)

    def fail_to_write(self) -> None:
        self._failing.set(1)

    def close(self) -> None:
        for name in list(self._servers):
            self.end(name)


@pytest.fixture
def streams(settings: Settings) -> Iterator[Streams]:
    all_of_them = Streams(settings)
    yield all_of_them
    all_of_them.close()


@pytest.fixture
def live(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveState]:
    monkeypatch.setattr(register, "STREAMS_SECONDS", 0.05)
    one, stop = LiveState(), threading.Event()
    thread = threading.Thread(target=follow_streams, args=(settings, one, stop))
    thread.start()
    yield one
    stop.set()
    thread.join(PATIENCE_SECONDS)


def test_while_all_are_well_nothing_is_said(streams: Streams, live: LiveState) -> None:
    assert wait_for(lambda: live.problem(*SOURCES) is None, PATIENCE_SECONDS, 0.05)


@pytest.mark.parametrize("judge", ["detect-breaches", "alert-engine"])
def test_without_a_judge_it_is_said(streams: Streams, live: LiveState, judge: str) -> None:
    streams.end(judge)
    assert wait_for(lambda: live.problem("judging") is not None, PATIENCE_SECONDS, 0.05)
    assert wait_for(lambda: live.problem(RECENT) is None, PATIENCE_SECONDS, 0.05)


@pytest.mark.parametrize("judge", ["detect-breaches", "alert-engine"])
def test_a_judge_that_gets_on_but_falls_behind_is_said(streams: Streams, live: LiveState, judge: str) -> None:
    streams.fall_behind(judge, 10_000)
    assert wait_for(lambda: live.problem("judging") is not None, PATIENCE_SECONDS, 0.05)
    streams.fall_behind(judge, 3)
    assert wait_for(lambda: live.problem("judging") is None, PATIENCE_SECONDS, 0.05)


def test_without_derivation_it_is_said_that_scores_are_not_computed(streams: Streams, live: LiveState) -> None:
    streams.end("derive-vitals")
    assert wait_for(lambda: live.problem(*SOURCES) == NOT_DERIVED, PATIENCE_SECONDS, 0.05)


def test_derivation_that_falls_behind_is_said(streams: Streams, live: LiveState) -> None:
    streams.fall_behind("derive-vitals", 10_000)
    assert wait_for(lambda: live.problem(*SOURCES) == NOT_DERIVED, PATIENCE_SECONDS, 0.05)
    streams.fall_behind("derive-vitals", 3)
    assert wait_for(lambda: live.problem(*SOURCES) is None, PATIENCE_SECONDS, 0.05)


def test_readings_may_wait_for_a_batch_of_derivation_also_when_no_more_come(
    streams: Streams, live: LiveState, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wait_for(lambda: live.problem(*SOURCES) is None, PATIENCE_SECONDS, 0.05)
    streams.fall_behind("derive-vitals", 10_000)
    live.take(reading("A", NOW, heart_rate=70) for _ in range(10_000))
    looks = Counter[str]()

    def read(settings: Settings, stream: str) -> StreamState | None:
        looks[stream] += 1
        return read_state(settings, stream)

    monkeypatch.setattr(register, "read_state", read)
    assert wait_for(lambda: looks["derive-vitals"] > 3 * MISSED, PATIENCE_SECONDS, 0.05)
    assert live.problem("deriving") is None


def test_more_may_wait_where_more_readings_come() -> None:
    state = StreamState(started=0, last_progress=1000, lag=9000, records=0, rejected=0)
    assert judges_now(state, rate=1000, now=1001)
    assert not judges_now(state, rate=60, now=1001)
    assert not judges_now(state, rate=1000, now=1061)


def test_a_judge_that_hangs_since_the_clock_was_set_back_does_not_judge() -> None:
    state = StreamState(started=0, last_progress=4600, lag=0, records=0, rejected=0)
    assert not judges_now(state, rate=0, now=1000)
    assert judges_now(state, rate=0, now=4599)


def test_on_a_cluster_detection_seems_an_epoch_behind_and_judges_all_the_same() -> None:
    assert waiting_seconds(Settings(), "detect-breaches") == 15
    elsewhere = Settings(spark=Spark(master="yarn", realtime_epoch_seconds=60))
    assert [waiting_seconds(elsewhere, name) for name in ("detect-breaches", "alert-engine")] == [75, 15]


def test_readings_wait_longer_for_derivation_which_takes_them_in_batches() -> None:
    assert waiting_seconds(Settings(), "derive-vitals") == 45
    assert waiting_seconds(Settings(derivation=Derivation(interval_seconds=60)), "derive-vitals") == 195


def test_at_the_start_of_the_page_a_judge_that_is_away_is_said_at_once(
    settings: Settings,
) -> None:
    live, stop = LiveState(), threading.Event()
    stop.set()
    follow_streams(settings, live, stop)
    assert live.problem("judging") == NOT_JUDGED
    assert live.problem("deriving") == NOT_DERIVED


def test_it_is_said_that_recent_readings_are_not_written(streams: Streams, live: LiveState) -> None:
    streams.fail_to_write()
    assert wait_for(lambda: live.problem(RECENT) is not None, PATIENCE_SECONDS, 0.05)
    assert wait_for(lambda: live.problem("judging") is None, PATIENCE_SECONDS, 0.05)
