"""What a process costs, with everything below it."""

from __future__ import annotations

from contextlib import suppress

import psutil

from infra.supervise import tree_memory_bytes

__all__ = ["tree_memory_bytes", "tree_processor_seconds"]


def tree_processor_seconds(pid: int) -> float:
    """Processor time of a process and all below it, with what has ended there: that is its parent's, once reaped.

    Raises psutil.NoSuchProcess when it is gone.
    """
    parent = psutil.Process(pid)
    seconds = _with_ended_children(parent)
    for child in parent.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            seconds += _with_ended_children(child)
    return seconds


def _with_ended_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
