"""Dead letters: what a consumer could not read, with the reason, as it lies in the consumer's dead-letter topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Message

from clinical.topics import CUT, DEAD_LETTER_SUFFIX, LETTER_VALUE_BYTES, PARTLY_READ, TOPICS, dead_letter_topic
from infra.errors import ConfigurationError, WardError
from infra.kafka_io import committed_messages
from infra.settings import Settings
from producers.sending_again import Item, Sent, send_again, sent_before

READINGS_SET_ASIDE = dead_letter_topic("land-vitals")
TOPIC_NAMES = tuple(topic.name for topic in TOPICS if topic.name.endswith(DEAD_LETTER_SUFFIX))


@dataclass(frozen=True)
class DeadLetter:
    """A message that could not be read.

    `name` is its place, `topic/partition/offset`; `source` the place where the message was read first: two letters of
    one source are the same message, set aside again after a crash or by another consumer. `partly_read`:
    the attributes that were left out, when all the rest of a reading was stored; None when that is not known. `key` and
    `value` are the original, or its beginning where `cut` says how many bytes it had.
    """

    topic: str
    partition: int
    offset: int
    at: datetime
    error: str
    source_topic: str
    source: str
    partly_read: str | None
    cut: str
    key: bytes | None
    value: bytes | None

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def dead_letters(settings: Settings, topics: Sequence[str] = TOPIC_NAMES) -> Iterator[DeadLetter]:
    """Every dead letter that Kafka still keeps, oldest first in each topic.

    Raises ConfigurationError for a topic that holds no dead letters, UnavailableError.
    """
    for topic in topics:
        if topic not in TOPIC_NAMES:
            raise ConfigurationError(f"{topic} is no dead-letter topic; there are {', '.join(TOPIC_NAMES)}.")
    return (_letter(message) for message in committed_messages(settings, topics))


def newest_of_each(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """The letters without those that a consumer wrote again later, after a crash."""
    return list({(each.topic, each.source if each.source_topic else each.name): each for each in letters}.values())


def sent_sources(settings: Settings) -> set[str]:
    """Sources of all messages that were sent again. Raises UnavailableError."""
    notes = sent_before(settings)
    # An older version noted a letter by its own name.
    return notes | {letter.source for letter in dead_letters(settings) if letter.name in notes}


def find_letters(settings: Settings, names: Sequence[str]) -> list[DeadLetter]:
    """The letters of these names, in this order. Raises WardError naming the first that is not there."""
    wanted = set(names)
    topics = sorted({name.split("/", 1)[0] for name in names})
    found = {letter.name: letter for letter in dead_letters(settings, topics) if letter.name in wanted}
    for name in names:
        if name not in found:
            raise WardError(f"There is no dead letter {name}, or Kafka no longer keeps it: see `./ward dlq list`.")
    return [found[name] for name in names]


def replay(settings: Settings, letters: Sequence[DeadLetter], value: bytes | None = None) -> Sent:
    """Send the original messages (or `value` in place of the only one) to the topics that they were read from.

    Each message once, ever, however often this is called, where it crashes or how many letters hold it; names in the
    result are sources. A reading of which all but some attributes was stored is refused with WardError, and nothing is
    sent: to land it again would double it. So is a letter that is cut, unless a `value` takes its place.
    """
    for letter in letters:
        if letter.partly_read is None:
            raise WardError(
                f"{letter.name} was set aside by an older version, which did not say whether the rest of its reading "
                f"was stored. See health.rejected_readings for {letter.source}, and let the device send a new reading."
            )
        if letter.partly_read:
            raise WardError(
                f"{letter.name} was stored already, but for {letter.partly_read}: sent again, its reading would be in "
                "Hive twice. Correct the source and let the device send a new reading."
            )
        if not letter.source_topic:
            raise WardError(f"{letter.name} does not say which topic it was read from, so it cannot be sent again.")
        if letter.cut and value is None:
            raise WardError(
                f"{letter.name} holds only the beginning of a message of {letter.cut} bytes: send a whole one in its "
                f"place with --file. The original lies at {letter.source} as long as Kafka keeps it."
            )
    if value is not None:
        _require_one_of_usual_size(letters, value)
    before = sent_sources(settings)
    items = [
        Item(letter.source, letter.source_topic, letter.key, letter.value if value is None else value)
        for letter in letters
        if letter.source not in before
    ]
    sent = send_again(settings, items)
    return Sent(sent.now, sorted({letter.source for letter in letters}.difference(sent.now)))


def _require_one_of_usual_size(letters: Sequence[DeadLetter], value: bytes) -> None:
    if len(letters) != 1:
        raise ConfigurationError("A corrected message takes the place of exactly one letter.")
    if len(value) > LETTER_VALUE_BYTES:
        raise ConfigurationError(
            f"The corrected message has {len(value)} bytes, and Kafka may refuse more than {LETTER_VALUE_BYTES}."
        )


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    found: Any = message.headers() or []
    return list(found)


def _letter(message: Message) -> DeadLetter:
    headers = {name: bytes(raw or b"").decode("utf-8", "replace") for name, raw in _headers(message)}
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        at=datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
        error=headers.get("error", "no reason given"),
        source_topic=headers.get("topic", ""),
        source="/".join(headers.get(part, "?") for part in ("topic", "partition", "offset")),
        partly_read=headers.get(PARTLY_READ, None if topic == READINGS_SET_ASIDE else ""),
        cut=headers.get(CUT, ""),
        key=message.key(),
        value=message.value(),
    )
