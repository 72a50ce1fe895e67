"""Where the engine begins to read, with a consumer in memory that answers for Kafka."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from alerts import feed
from alerts.feed import Feed
from infra.settings import Settings

READINGS, BREACHES = "readings", "breaches"
STORED, MOST_BACK = 1000, 300


class MemoryConsumer:
    """Topics of one partition; `younger` is the first offset after the time that is asked for, -1: there is none."""

    younger = -1

    def __init__(self, _config: dict[str, Any]) -> None:
        self.assigned: list[TopicPartition] = []

    def list_topics(self, topic: str, timeout: float) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions=[0])})

    def offsets_for_times(self, asked: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, self.younger) for one in asked]

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned.extend(partitions)


@pytest.mark.parametrize(
    ("younger", "starts"),
    [
        pytest.param(900, 900, id="what came since then is read again"),
        pytest.param(100, STORED - MOST_BACK, id="but never more than the most"),
        pytest.param(STORED, STORED - MOST_BACK, id="away for longer: what came last before counts"),
        pytest.param(STORED + 5, STORED - MOST_BACK, id="away for longer, and others wrote meanwhile"),
        pytest.param(-1, STORED - MOST_BACK, id="away for longer, and nothing came since"),
    ],
)
def test_readings_before_the_stored_offset_are_read_again(
    monkeypatch: pytest.MonkeyPatch, younger: int, starts: int
) -> None:
    monkeypatch.setattr(feed, "Consumer", MemoryConsumer)
    monkeypatch.setattr(MemoryConsumer, "younger", younger)
    one = Feed(Settings(), [READINGS, BREACHES])
    one.start_at({(READINGS, 0): STORED, (BREACHES, 0): 70}, {READINGS: 123_000}, MOST_BACK)
    consumer: Any = one._consumer
    assert {(at.topic, at.offset) for at in consumer.assigned} == {(READINGS, starts), (BREACHES, 70)}
