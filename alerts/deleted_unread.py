"""Breaches and technical alarms that Kafka deleted, as their time was over, before the engine had read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alerts.batch import Offsets
from alerts.technical import technical
from clinical.messages import TechnicalAlarm
from clinical.topics import DOCTORS_QUEUE, TECHNICAL_ALARMS

DELETED_UNREAD = "deleted_unread"


def deleted_unread(
    offsets: Offsets, extents: Mapping[tuple[str, int], tuple[int, int]]
) -> dict[tuple[str, int], tuple[int, int]]:
    """Partition -> the offset to read next, which is gone, and the first that is left. Of partitions whose messages
    mail somebody; not of those that were never read.

    `extents`: the first offset that each partition still has, and the next it will give.
    """
    return {
        partition: (offset, extents[partition][0])
        for partition, offset in offsets.items()
        if partition[0] in (DOCTORS_QUEUE, TECHNICAL_ALARMS) and 0 < offset < extents[partition][0]
    }


def told(partition: tuple[str, int], gone: tuple[int, int], now: int) -> TechnicalAlarm:
    """The alarm about what was deleted of a partition."""
    (topic, number), (offset, left) = partition, gone
    detail = (
        f"Kafka has deleted up to {left - offset} messages of {topic}, partition {number} (offsets {offset} to "
        f"{left - 1}), before the alert engine had read them: nobody was mailed about what they told. The engine goes "
        "on with what is left. Look at the patients' monitors, and why it was away longer than Kafka keeps messages."
    )
    return technical(DELETED_UNREAD, f"{topic}/{number}", detail, now)


def read_on(subjects: Iterable[str], now: int) -> list[TechnicalAlarm]:
    """The ends of such alarms (of each, what it is about), when all that is left has been read."""
    detail = "What Kafka had left has been read."
    return [technical(DELETED_UNREAD, subject, detail, now, cleared=True) for subject in sorted(subjects)]
