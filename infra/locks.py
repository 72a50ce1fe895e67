"""Named locks in MySQL: held by a connection, so a crash releases them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.clients import alerts_connection
from infra.errors import SingleInstanceError
from infra.settings import Settings


@contextmanager
def named_lock(settings: Settings, name: str, timeout_seconds: float = 0) -> Iterator[None]:
    """Hold the lock `name` (at most 64 characters).

    Raises SingleInstanceError when another holds it for longer than `timeout_seconds`. The server frees the lock when
    the connection ends, however it ends.
    """
    connection = alerts_connection(settings, read_timeout=timeout_seconds + 30)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, %s)", (name, timeout_seconds))
            (taken,) = cursor.fetchone() or (0,)
        if taken != 1:
            raise SingleInstanceError(f"The lock {name} is held by another process: only one may run at a time.")
        yield
    finally:
        connection.close()
