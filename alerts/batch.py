"""The messages of one poll, sorted: breaches that are new, technical alarms, and what cannot be read."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from alerts.database import digest
from alerts.incoming import MalformedMessageError, read_breach, read_technical
from clinical.messages import Breach, TechnicalAlarm
from clinical.topics import TECHNICAL_ALARMS

Offsets = dict[tuple[str, int], int]
"""(topic, partition) -> the offset to read next."""


@dataclass(frozen=True)
class Record:
    """A Kafka message: where it was, and its bytes."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass
class Batch:
    """`seen` marks the breaches, to recognise them when they are repeated; `offsets` is where to read on."""

    breaches: list[Breach] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    technical: list[TechnicalAlarm] = field(default_factory=list)
    malformed: list[tuple[Record, str]] = field(default_factory=list)
    offsets: Offsets = field(default_factory=dict)


def read_batch(records: Iterable[Record], seen: Container[bytes]) -> Batch:
    """Sort records: a breach that was `seen`, or comes twice, is dropped; what cannot be read is set aside."""
    batch = Batch()
    new: set[bytes] = set()
    for record in records:
        batch.offsets[record.topic, record.partition] = record.offset + 1
        try:
            if record.topic == TECHNICAL_ALARMS:
                batch.technical.append(read_technical(record.value))
                continue
            breach = read_breach(record.value)
        except MalformedMessageError as error:
            batch.malformed.append((record, str(error)))
            continue
        mark = digest(breach["breach_id"])
        if mark not in seen and mark not in new:
            new.add(mark)
            batch.seen.append(mark)
            batch.breaches.append(breach)
    return batch
