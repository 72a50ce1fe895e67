"""The messages of one poll: breaches that are new, values, technical alarms, and what cannot be read."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from alerts.bedside import Seen, read_derived, read_reading
from alerts.database import digest
from alerts.incoming import MalformedMessageError, read_breach, read_technical
from clinical.messages import Breach, TechnicalAlarm
from clinical.topics import DERIVED_VITALS, TECHNICAL_ALARMS, VITAL_INFO
from infra.settings import Readings

Offsets = dict[tuple[str, int], int]
"""(topic, partition) -> the offset to read next."""


@dataclass(frozen=True, slots=True)
class Record:
    """A Kafka message: where it was, its bytes, and Kafka's timestamp (epoch ms)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class Batch:
    """`inputs`: breaches and values in their order. `seen` marks the breaches, to recognise them when they are
    repeated; `offsets` is where to read on."""

    inputs: list[Breach | Seen] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    technical: list[TechnicalAlarm] = field(default_factory=list)
    malformed: list[tuple[Record, str]] = field(default_factory=list)
    offsets: Offsets = field(default_factory=dict)
    records: int = 0


def read_batch(records: Iterable[Record], seen: Container[bytes], readings: Readings) -> Batch:
    """Read records: a breach that was `seen`, or comes twice, is dropped; what cannot be read is set aside.

    A reading or derived value that cannot be judged is left out: landing sets those aside.
    """
    batch = Batch()
    new: set[bytes] = set()
    for record in records:
        batch.records += 1
        batch.offsets[record.topic, record.partition] = record.offset + 1
        if record.topic in (VITAL_INFO, DERIVED_VITALS):
            if (values := read_values(record, readings)) is not None:
                batch.inputs.append(values)
            continue
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
            batch.inputs.append(breach)
    return batch


def read_values(record: Record, readings: Readings) -> Seen | None:
    """The values of a message of either topic of values."""
    if record.topic == VITAL_INFO:
        return read_reading(record.value, record.timestamp, readings)
    return read_derived(record.value, record.timestamp)
