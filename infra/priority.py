"""Which stream gets a processor first when there are not enough for all."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil

GIVE_WAY = 5
"""Niceness of what can wait a little. Against one that does not give way it gets a quarter of a contested core."""

BEHIND_ALL = ("sh", "-c", '[ ! -w /proc/self/autogroup ] || echo 19 >/proc/self/autogroup; exec nice -n 19 "$@"', "sh")
"""Before a command that is to take only what others leave, in a session of its own. Linux weighs a session as a whole
(autogroup), so that being nice within one of many says little."""


def give_way() -> None:
    """Let others go first from now on: this process with everything below it, a JVM for example.

    On Linux each thread has a niceness of its own, which the threads that it starts begin with, so each one is set. One
    that is as nice already, or nicer, stays as it is. There is no way back without privileges. Not for a process that
    does other work too.
    """
    # Again while there was one to raise: before its turn it may have started another.
    while sum(_raised(thread) for thread in _threads()):
        pass


def _threads() -> list[int]:
    """All threads of this process and of those below it, by their ids."""
    this, found = psutil.Process(), list[int]()
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            found += [thread.id for thread in process.threads()]
    return found


def _raised(thread: int) -> bool:
    """Whether its niceness had to be raised."""
    with suppress(ProcessLookupError):
        if os.getpriority(os.PRIO_PROCESS, thread) < GIVE_WAY:
            os.setpriority(os.PRIO_PROCESS, thread, GIVE_WAY)
            return True
    return False
