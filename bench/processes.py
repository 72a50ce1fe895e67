"""What a process costs, with everything below it."""

from __future__ import annotations

import psutil

from infra.supervise import tree_memory_bytes

__all__ = ["tree_memory_bytes", "tree_processor_seconds"]


def tree_processor_seconds(pid: int) -> float:
    """Processor time of a process and all below it; the time of a child that has ended is its parent's.

    Raises psutil.NoSuchProcess when it is gone.
    """
    parent = psutil.Process(pid)
    own = parent.cpu_times()
    seconds = float(own.user + own.system + own.children_user + own.children_system)
    for child in parent.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it ended meanwhile
        seconds += times.user + times.system
    return seconds
