"""Which waiting notifications go out as one mail, when they come faster than the pace allows. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from alerts.outbox import Kin, Waiting, send_order


def plan_merges(waiting: Sequence[Waiting], at_once: int) -> list[tuple[Waiting, ...]]:
    """The mails to send, in their order; one of several parts is to be merged of them, oldest first.

    Up to `at_once` notifications are not merged. Beyond, what is to be sent next takes with it everything of its kin
    before which nothing else waits in its group, so that within a group nothing is overtaken, whether the mail holds
    all its parts or, when they are too long, only the first of them.
    """
    order = send_order(waiting)
    if len(order) <= at_once:
        return [(item,) for item in order]
    queues = _Queues(order)
    taken: set[int] = set()
    plan = []
    for item in order:
        if item.seq not in taken:
            parts = queues.take_kin(item)
            taken.update(part.seq for part in parts)
            plan.append(parts)
    return plan


class _Queues:
    """What waits in each group, and the groups in which something of a kin is next."""

    def __init__(self, order: Sequence[Waiting]) -> None:
        self._queues: dict[bytes, deque[Waiting]] = {}
        for item in order:
            self._queues.setdefault(item.group_key, deque()).append(item)
        self._next: dict[Kin, set[bytes]] = {}
        for group in self._queues:
            self._note(group)

    def take_kin(self, item: Waiting) -> tuple[Waiting, ...]:
        """Take `item`, which is the next of its group, with its kin in all groups; oldest first."""
        if item.kin is None:
            self._queues[item.group_key].popleft()
            self._note(item.group_key)
            return (item,)
        parts = []
        for group in self._next.pop(item.kin):
            queue = self._queues[group]
            while queue and queue[0].kin == item.kin:
                parts.append(queue.popleft())
            self._note(group)
        return tuple(sorted(parts, key=lambda part: part.seq))

    def _note(self, group: bytes) -> None:
        queue = self._queues[group]
        if queue and queue[0].kin is not None:
            self._next.setdefault(queue[0].kin, set()).add(group)
