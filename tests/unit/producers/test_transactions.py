"""What is sent to a client whose queue is full is sent on from there, each message once."""

from __future__ import annotations

from typing import cast

import pytest
from confluent_kafka import Producer

from producers.transactions import _sending


class FullNowAndThen:
    """A Kafka client whose queue is full at certain calls."""

    def __init__(self, full_at: set[int]) -> None:
        self._full_at = full_at
        self._calls = 0
        self.sent: list[tuple[str, bytes, bytes | None]] = []

    def produce(self, topic: str, value: bytes, key: bytes | None) -> None:
        self._calls += 1
        if self._calls in self._full_at:
            raise BufferError("Local: Queue full")
        self.sent.append((topic, value, key))


@pytest.mark.parametrize("full_at", [set(), {1}, {1, 4, 5, 9}, {7}])
def test_each_message_is_sent_once_and_in_order_however_often_the_queue_was_full(full_at: set[int]) -> None:
    messages = [(None if number == 3 else b"P%d" % number, b"%d" % number) for number in range(7)]
    client = FullNowAndThen(full_at)
    send, refusals = _sending("vital-info", messages), 0
    while True:
        try:
            send(cast("Producer", client))
            break
        except BufferError:
            refusals += 1
    assert refusals == len(full_at)
    assert client.sent == [("vital-info", value, key) for key, value in messages]
