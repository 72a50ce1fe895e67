"""Keeps several topics level with each other: what is read comes out in the order of Kafka's timestamps. No I/O.

An hour of breaches must not be judged before the values between them, which would look lasting, nor the values before
the breaches. A partition that is read to its end holds nobody up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from heapq import merge

from alerts.batch import Record

Partition = tuple[str, int]


class Level:
    """Records that wait until no other partition can bring older ones."""

    def __init__(self, partitions: Iterable[Partition]) -> None:
        self._waiting: dict[Partition, deque[Record]] = {partition: deque() for partition in partitions}
        self._reached: dict[Partition, int] = dict.fromkeys(self._waiting, 0)

    def add(self, records: Iterable[Record]) -> None:
        """Records of each partition in the order of their offsets."""
        for record in records:
            partition = (record.topic, record.partition)
            self._waiting[partition].append(record)
            self._reached[partition] = max(self._reached[partition], record.timestamp)

    def release(self, ended: Collection[Partition], most: int) -> list[Record]:
        """Up to `most` records that may be handled now; `ended`: partitions that are read to their end."""
        open_ends = [at for partition, at in self._reached.items() if partition not in ended]
        horizon = min(open_ends, default=None)
        ready: list[Record] = []
        for record in merge(*(_up_to(waiting, horizon) for waiting in self._waiting.values()), key=_timestamp):
            if len(ready) == most:
                break
            ready.append(record)
        for record in ready:
            self._waiting[record.topic, record.partition].popleft()
        return ready

    def waiting(self, partition: Partition) -> int:
        """Records of a partition that have not been released."""
        return len(self._waiting[partition])

    @property
    def is_empty(self) -> bool:
        return not any(self._waiting.values())


def _up_to(waiting: Iterable[Record], horizon: int | None) -> Iterable[Record]:
    """The first records of a partition, until one is younger than the horizon."""
    for record in waiting:
        if horizon is not None and record.timestamp > horizon:
            return
        yield record


def _timestamp(record: Record) -> int:
    return record.timestamp
