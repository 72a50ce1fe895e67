"""Named locks in MySQL: held by a connection, so a crash releases them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from infra.clients import alerts_connection
from infra.errors import SingleInstanceError
from infra.settings import Settings

IDLE_SECONDS = 31_536_000
"""The server may not end the connection, and with it the lock, because it is idle (8 hours by default)."""


@contextmanager
def named_lock(settings: Settings, name: str, timeout_seconds: float = 0) -> Iterator[None]:
    """Hold the lock `name` (at most 64 characters).

    Raises SingleInstanceError when another holds it for longer than `timeout_seconds`. The server frees the lock when
    the connection ends, however it ends.
    """
    with hold_lock(settings, name, timeout_seconds):
        yield


def hold_lock(settings: Settings, name: str, timeout_seconds: float = 0) -> ExitStack:
    """As `named_lock`, but the lock is held when this returns, so that the taking alone can be tried again.

    Leave the stack's context to release it.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(closing(alerts_connection(settings, read_timeout=timeout_seconds + 30)))
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION wait_timeout = %s", (IDLE_SECONDS,))
            cursor.execute("SELECT GET_LOCK(%s, %s)", (name, timeout_seconds))
            (taken,) = cursor.fetchone() or (0,)
        if taken != 1:
            raise SingleInstanceError(f"The lock {name} is held by another process: only one may run at a time.")
        return stack.pop_all()
