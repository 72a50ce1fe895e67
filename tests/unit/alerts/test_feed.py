"""Where the engine begins to read, with a consumer in memory that answers for Kafka."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from alerts import feed
from alerts.feed import Feed
from infra.settings import Settings

READINGS, BREACHES = "readings", "breaches"
MOST_BACK, END = 250, 100_000
"""Records, and the second that it is now."""

NOW = 1_790_000_000_000


class MemoryConsumer:
    """Topics of one partition; `times` has the time of each message, in order."""

    times: tuple[int, ...] = ()
    low = 0

    def __init__(self, _config: dict[str, Any]) -> None:
        self.assigned: list[TopicPartition] = []

    def list_topics(self, topic: str, timeout: float) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions=[0])})

    def offsets_for_times(self, asked: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        found = [bisect_left(self.times, one.offset) for one in asked]
        end = len(self.times)
        return [
            TopicPartition(one.topic, one.partition, -1 if at == end else at)
            for one, at in zip(asked, found, strict=True)
        ]

    def get_watermark_offsets(self, _partition: TopicPartition, timeout: float) -> tuple[int, int]:
        return self.low, len(self.times)

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned.extend(partitions)


def starts(monkeypatch: pytest.MonkeyPatch, times: Iterable[int], stored: int, most_back: int = MOST_BACK) -> int:
    """Where readings are read from, when they came at these seconds and the next to read is the one at `stored`."""
    monkeypatch.setattr(feed, "Consumer", MemoryConsumer)
    monkeypatch.setattr(MemoryConsumer, "times", tuple(NOW - 1000 * (END - at) for at in times))
    one = Feed(Settings(), [READINGS, BREACHES])
    one.start_at({(READINGS, 0): stored, (BREACHES, 0): 70}, {READINGS: 300_000}, most_back, NOW)
    consumer: Any = one._consumer
    found = {at.topic: at.offset for at in consumer.assigned}
    assert found[BREACHES] == max(70, MemoryConsumer.low)
    return int(found[READINGS])


@pytest.mark.parametrize("away", [5, 100, 1200, 40_000])
def test_the_readings_of_five_minutes_before_the_engine_ended_are_read_again(
    monkeypatch: pytest.MonkeyPatch, away: int
) -> None:
    """A reading each second; not much more is read than was asked for."""
    stored = END - away
    begun = starts(monkeypatch, range(END), stored, END)
    assert stored - 300 - 2 * max(away, 60) <= begun <= stored - 300


def test_they_are_read_though_nothing_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = starts(monkeypatch, range(1000), 1000, 10_000)
    assert begun <= 700


def test_never_more_than_the_most_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert starts(monkeypatch, range(END), END) == END - MOST_BACK


def test_a_topic_of_which_nothing_was_read_begins_at_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    assert starts(monkeypatch, range(END), 0) in (0, OFFSET_BEGINNING)


def test_what_kafka_no_longer_has_is_begun_at_the_first_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryConsumer, "low", END - 100)
    assert starts(monkeypatch, range(END), END - 1000) == END - 100
