"""Where the feed begins to read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition

from dashboard.live import feed
from dashboard.live.feed import AWAY, LOOK_BACK_MS, follow
from dashboard.live.state import LiveState
from infra.settings import Settings
from tests.unit.dashboard.beds import NOW, Clock, monitor

HOUR_MS = 3_600_000
LOOKS = 100
"""After so many looks for messages the feed is told to stop: it should have begun again by then."""


class Broker:
    """One partition a topic, in which nothing comes. At its second look for messages, `meanwhile` happens; when there
    have been `readers`, the feed is told to stop. `since`: from when each reader wished to read, epoch ms."""

    def __init__(self, stop: threading.Event, readers: int) -> None:
        self.since: list[int] = []
        self.is_away = False
        self.meanwhile: Callable[[], None] = lambda: None
        self._stop = stop
        self._readers = readers
        self._looks = 0

    def list_topics(self, topic: str, _seconds: float) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: None})})

    def offsets_for_times(self, asked: list[TopicPartition], _seconds: float) -> list[TopicPartition]:
        self.since.append(asked[0].offset)
        if len(self.since) == self._readers:
            self._stop.set()
        return asked

    def assign(self, _starts: list[TopicPartition]) -> None:
        """Nothing comes of any."""

    def consume(self, _number: int, _seconds: float) -> list[Any]:
        self._looks += 1
        if self._looks == LOOKS:
            self._stop.set()
        if self._looks == 2:
            self.meanwhile()
        if self.is_away:
            self.is_away = False
            raise KafkaException("away")
        return []

    def close(self) -> None:
        """Another may begin."""


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def broker(stop: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Broker:
    one = Broker(stop, readers=2)
    monkeypatch.setattr(feed, "_consumer", lambda _: one)
    monkeypatch.setattr(feed, "AGAIN_SECONDS", 0.0)
    return one


@pytest.mark.parametrize("is_away", [False, True])
def test_after_the_clock_was_set_back_the_last_minutes_are_read_again_by_the_clock_as_it_was(
    broker: Broker, stop: threading.Event, is_away: bool
) -> None:
    clock = Clock()
    live = LiveState(clock)
    monitor(live, "A")

    def set_back() -> None:
        clock.ms -= HOUR_MS
        broker.is_away = is_away

    broker.meanwhile = set_back
    follow(Settings(), live, stop)
    assert broker.since == [NOW - LOOK_BACK_MS] * 2
    with live.look() as wards:
        assert not wards.patients
        assert wards.caught_up == is_away


def test_when_kafka_was_away_it_is_read_from_the_last_minutes_on(broker: Broker, stop: threading.Event) -> None:
    clock = Clock()
    live = LiveState(clock)
    monitor(live, "A")

    def be_away() -> None:
        clock.ms += HOUR_MS
        broker.is_away = True

    broker.meanwhile = be_away
    follow(Settings(), live, stop)
    assert broker.since == [NOW - LOOK_BACK_MS, NOW + HOUR_MS - LOOK_BACK_MS]
    assert live.problem("kafka") == AWAY
