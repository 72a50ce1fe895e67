"""Which dead letters are the same message, and that each message is sent again once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from infra.errors import ConfigurationError, WardError
from infra.settings import Settings
from producers import dead_letters as module
from producers.dead_letters import DeadLetter, newest_of_each, replay, sent_sources
from producers.sending_again import Item, Sent

LETTER = DeadLetter(
    topic="land-vitals-dlq",
    partition=0,
    offset=17,
    at=datetime(2026, 1, 31, 10, tzinfo=UTC),
    error="no time",
    source_topic="vital-info",
    source="vital-info/2/400",
    partly_read="",
    cut="",
    key=b"P1",
    value=b"{}",
)
REPEAT = replace(LETTER, offset=18)
OTHER = replace(LETTER, offset=19, source="vital-info/2/401")


class Kafka:
    """What the dead-letter topics and the notes hold."""

    def __init__(self, letters: Sequence[DeadLetter]) -> None:
        self.letters = letters
        self.notes: set[str] = set()
        self.sent: list[Item] = []

    def send_again(self, _settings: Settings, items: Sequence[Item]) -> Sent:
        fresh = {item.name: item for item in items if item.name not in self.notes}
        self.notes |= set(fresh)
        self.sent += fresh.values()
        return Sent(list(fresh), [item.name for item in items if item.name not in fresh])


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    held = Kafka([LETTER, REPEAT, OTHER])
    monkeypatch.setattr(module, "dead_letters", lambda _settings: iter(held.letters))
    monkeypatch.setattr(module, "sent_before", lambda _settings: set(held.notes))
    monkeypatch.setattr(module, "send_again", held.send_again)
    return held


def test_a_message_that_was_set_aside_twice_is_sent_once(kafka: Kafka) -> None:
    assert replay(Settings(), [LETTER, REPEAT, OTHER]) == ([LETTER.source, OTHER.source], [])
    assert [item.name for item in kafka.sent] == [LETTER.source, OTHER.source]
    assert replay(Settings(), [REPEAT]) == ([], [LETTER.source])
    assert len(kafka.sent) == 2


def test_a_letter_that_an_older_version_sent_counts_for_its_message(kafka: Kafka) -> None:
    kafka.notes = {LETTER.name}
    assert LETTER.source in sent_sources(Settings())
    assert replay(Settings(), [REPEAT, OTHER]) == ([OTHER.source], [LETTER.source])


def test_a_cut_letter_is_sent_only_as_a_corrected_message_of_usual_size(kafka: Kafka) -> None:
    cut = replace(LETTER, cut="2000000")
    with pytest.raises(WardError, match="beginning of a message of 2000000 bytes"):
        replay(Settings(), [cut])
    with pytest.raises(ConfigurationError, match="1000000 bytes"):
        replay(Settings(), [cut], b"x" * 1_000_000)
    replay(Settings(), [cut], b"{}")
    assert [(item.name, item.value) for item in kafka.sent] == [(LETTER.source, b"{}")]


def test_of_a_message_that_was_set_aside_twice_the_newest_letter_counts() -> None:
    elsewhere = replace(LETTER, topic="land-breaches-dlq")
    unplaced = [replace(LETTER, offset=offset, source_topic="", source="?/?/?") for offset in (20, 21)]
    assert newest_of_each([LETTER, REPEAT, OTHER, elsewhere, *unplaced]) == [REPEAT, OTHER, elsewhere, *unplaced]
