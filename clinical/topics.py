"""Kafka topics: names and shapes. Created by us, never auto-created; every key is a patient's id unless said."""

from __future__ import annotations

from dataclasses import dataclass

VITAL_INFO = "vital-info"
DERIVED_VITALS = "derived-vitals"
DOCTORS_QUEUE = "doctors-queue"
TECHNICAL_ALARMS = "technical-alarms"
PRODUCER_CURSOR = "vitals-producer-cursor"


def dead_letter_topic(consumer: str) -> str:
    """The topic for what `consumer` could not read: original bytes; error, topic, partition, offset in headers."""
    return f"{consumer}-dlq"


@dataclass(frozen=True)
class Topic:
    """A topic and how many partitions it has. Real-time detection needs a core for each partition that it reads."""

    name: str
    partitions: int
    compacted: bool = False


TOPICS = (
    Topic(VITAL_INFO, 4),
    Topic(DERIVED_VITALS, 2),
    Topic(DOCTORS_QUEUE, 2),
    Topic(TECHNICAL_ALARMS, 1),
    Topic(PRODUCER_CURSOR, 1, compacted=True),
    Topic(dead_letter_topic("land-vitals"), 1),
    Topic(dead_letter_topic("land-breaches"), 1),
    Topic(dead_letter_topic("alert-engine"), 1),
)
