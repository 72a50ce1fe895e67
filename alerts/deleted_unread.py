"""Breaches and technical alarms that Kafka deleted, as their time was over, before the engine had read them."""

from __future__ import annotations

from collections.abc import Mapping

from pymysql.cursors import Cursor

from alerts.batch import Offsets
from alerts.technical import open_subjects, technical
from clinical.messages import TechnicalAlarm
from clinical.topics import DOCTORS_QUEUE, TECHNICAL_ALARMS

DELETED_UNREAD = "deleted_unread"
READ_ON = "What Kafka had left has been read."


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


class DeletedUnread:
    """Tells of each partition once how much is lost, and once that all that was left has been read. What is told here
    is written by the engine; after an error both are thrown away."""

    def __init__(self) -> None:
        self._lost: dict[tuple[str, int], tuple[int, int]] = {}
        self._told: set[str] = set()

    def start(self, cursor: Cursor) -> None:
        """Remember what was told before."""
        self._told = open_subjects(cursor, DELETED_UNREAD)

    def find(self, offsets: Offsets, extents: Mapping[tuple[str, int], tuple[int, int]]) -> None:
        """Compare where reading goes on with what there is, see `deleted_unread`."""
        self._lost = deleted_unread(offsets, extents)

    def look(self, now: int, behind: bool) -> list[TechnicalAlarm]:
        """What must be told. `now`: epoch ms; `behind`: messages wait that were not read yet."""
        if self._lost:
            alarms = [_lost(partition, gone, now) for partition, gone in self._lost.items()]
            self._told |= {_subject(partition) for partition in self._lost}
            self._lost = {}
            return alarms
        if behind:
            return []
        over, self._told = self._told, set()
        return [technical(DELETED_UNREAD, subject, READ_ON, now, cleared=True) for subject in sorted(over)]


def _subject(partition: tuple[str, int]) -> str:
    topic, number = partition
    return f"{topic}/{number}"


def _lost(partition: tuple[str, int], gone: tuple[int, int], now: int) -> TechnicalAlarm:
    (topic, number), (offset, left) = partition, gone
    detail = (
        f"Kafka has deleted up to {left - offset} messages of {topic}, partition {number} (offsets {offset} to "
        f"{left - 1}), before the alert engine had read them: nobody was mailed about what they told. The engine goes "
        "on with what is left. Look at the patients' monitors, and why it was away longer than Kafka keeps messages."
    )
    return technical(DELETED_UNREAD, _subject(partition), detail, now)
