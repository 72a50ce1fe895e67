"""Kafka topics: names and shapes. Created by us, never auto-created; every key is a patient's id unless said."""

from __future__ import annotations

from dataclasses import dataclass

VITAL_INFO = "vital-info"
DERIVED_VITALS = "derived-vitals"
DOCTORS_QUEUE = "doctors-queue"
TECHNICAL_ALARMS = "technical-alarms"
PRODUCER_CURSOR = "vitals-producer-cursor"
SENT_AGAIN = "sent-again"
"""What was sent once more, after an audit or out of a dead-letter topic; the key names it, so that it is sent once."""


DEAD_LETTER_SUFFIX = "-dlq"
DEAD_LETTER_HEADERS = ("error", "topic", "partition", "offset")
"""Of a dead letter: why it could not be read, and where it was read."""

PARTLY_READ = "partly-read"
"""A further header of a reading that was set aside: the attributes that were left out of it when it was stored (to send
it again would double it), empty when it was not stored."""

LETTER_VALUE_BYTES, LETTER_KEY_BYTES = 900_000, 1_000
"""The most that a dead letter holds of a message. With its headers it is then below 1,000,000 bytes, which all clients
and brokers take as they come; a message that came in compressed may be of any size."""

CUT = "cut"
"""A further header of a dead letter: how many bytes key and value of the message had, where the letter holds only their
beginnings, else empty."""


def dead_letter_topic(consumer: str) -> str:
    """The topic for what `consumer` could not read: the original key and bytes, with DEAD_LETTER_HEADERS and CUT."""
    return f"{consumer}{DEAD_LETTER_SUFFIX}"


@dataclass(frozen=True)
class Topic:
    """A topic and how many partitions it has. Real-time detection needs a core for each partition that it reads."""

    name: str
    partitions: int
    compacted: bool = False
    notes: bool = False
    """Of a compacted one: its records are kept for `retention.sent_again_days` and not for good."""


TOPICS = (
    Topic(VITAL_INFO, 4),
    Topic(DERIVED_VITALS, 2),
    Topic(DOCTORS_QUEUE, 2),
    Topic(TECHNICAL_ALARMS, 1),
    Topic(PRODUCER_CURSOR, 1, compacted=True),
    Topic(SENT_AGAIN, 1, compacted=True, notes=True),
    Topic(dead_letter_topic("land-vitals"), 1),
    Topic(dead_letter_topic("land-breaches"), 1),
    Topic(dead_letter_topic("land-derived"), 1),
    Topic(dead_letter_topic("alert-engine"), 1),
)
