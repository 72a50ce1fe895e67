"""Named locks in MySQL: held by a connection, so a crash releases them.

A machine that lost its power or its network closes nothing, and the server would take its session for alive until TCP
gives up, two hours later by default. So a session that holds a lock may be idle for IDLE_SECONDS only, and whoever
holds one asks after it every KEEP_SECONDS. A process that stood still for longer has lost its locks, and notices.

MySQL knows a lock by its name and the alerts database, so that two installations may share a server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from types import TracebackType
from typing import Any

import pymysql
from pymysql.connections import Connection

from infra.clients import alerts_connection
from infra.errors import SingleInstanceError, UnavailableError
from infra.log import get_logger
from infra.settings import Settings

LOCK = "CONCAT(%s, ':', CRC32(DATABASE()))"
"""A lock's name for MySQL, of ours and of the connection's database."""

IDLE_SECONDS = 60
"""After so long without a word the server ends a connection, and with it the lock."""

KEEP_SECONDS = 5.0
"""How often a lock is looked at."""

FORMER_SECONDS = 3.0 * IDLE_SECONDS
"""For so long a holder with the number of the connection that was lost is taken for that one. Later MySQL has been
restarted and begun to count anew."""

ANSWER_SECONDS = 20.0
"""A server that does not answer for so long has not kept the lock for us, as far as we can know: less than after which
it ends our connection, so that nobody else has the lock while we believe to have it."""

JOIN_SECONDS = 2.0

log = get_logger("locks")


class HeldError(SingleInstanceError):
    """The lock is held by another. `by`: the number of its connection, None when it has just gone."""

    def __init__(self, name: str, by: int | None) -> None:
        super().__init__(f"The lock {name} is held by another process: only one may run at a time.")
        self.by = by


@contextmanager
def named_lock(settings: Settings, name: str, timeout_seconds: float = 0) -> Iterator[None]:
    """Hold the lock `name` (at most 53 characters).

    Raises SingleInstanceError when another holds it for longer than `timeout_seconds`, UnavailableError without MySQL.
    The server frees the lock when the connection ends, however it ends. That is noticed at the end, by a further
    UnavailableError: another may have held the lock meanwhile, so what was done is to be done again.
    """
    with closing(_take(settings, name, timeout_seconds)) as connection:
        with _asked_after(connection, name):
            yield
        if not _is_held(connection, name):
            raise _unavailable(settings, f"the lock {name} was lost with its connection, so another may have had it")


@contextmanager
def _asked_after(connection: Connection[Any], name: str) -> Iterator[None]:
    """Keep the server from ending an idle connection meanwhile; one that is lost is asked no more."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(KEEP_SECONDS) and _is_held(connection, name):
            pass

    asking = threading.Thread(target=ask, name=f"lock-{name}", daemon=True)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()  # a connection is not for two threads


class KeptLock:
    """A lock that a stream holds for as long as it works, though its connection may be cut or MySQL be restarted.

    It is held when it was made; leave its context to release it. While MySQL is away nobody else can take it, and
    afterwards it is taken again, at the latest when the server has ended a connection of which we lost sight. When
    another process was faster, `stop` is set, and leaving the context raises SingleInstanceError.

    Raises SingleInstanceError when another holds the lock (a name of at most 53 characters) for longer than
    `timeout_seconds`, UnavailableError without MySQL.
    """

    def __init__(self, settings: Settings, name: str, timeout_seconds: float, stop: threading.Event) -> None:
        self._settings = settings
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._stop = stop
        self._ended = threading.Event()
        self._lost: SingleInstanceError | None = None
        self._connection, self._number = self._take()
        self._thread = threading.Thread(target=self._keep, name=f"lock-{name}", daemon=True)

    def __enter__(self) -> KeptLock:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(JOIN_SECONDS)
        if not self._thread.is_alive():  # else it waits for MySQL, and the lock goes with the process
            self._close()
        if kind is None and self._lost is not None:
            raise self._lost

    def _keep(self) -> None:
        seen = time.monotonic()
        while not self._ended.wait(KEEP_SECONDS):
            if _is_held(self._connection, self._name):
                seen = time.monotonic()
                continue
            self._close()
            try:
                self._connection, self._number = self._take()
                log.warning("a lock was lost with its connection and is held again", lock=self._name)
            except HeldError as error:
                # After a cut network it is our own former connection that has it, until the server ends that.
                if error.by in (None, self._number) and time.monotonic() - seen < FORMER_SECONDS:
                    continue
                self._lost = error
                self._stop.set()
                return
            except UnavailableError:
                continue

    def _take(self) -> tuple[Connection[Any], int]:
        connection = _take(self._settings, self._name, self._timeout_seconds)
        return connection, int(connection.thread_id())  # type: ignore[no-untyped-call]  # its stub has no types

    def _close(self) -> None:
        with suppress(pymysql.err.MySQLError):
            self._connection.close()


def _take(settings: Settings, name: str, timeout_seconds: float) -> Connection[Any]:
    """A connection that holds the lock."""
    deadline = time.monotonic() + timeout_seconds
    with ExitStack() as stack:
        connection = stack.enter_context(closing(alerts_connection(settings, read_timeout=ANSWER_SECONDS)))
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION wait_timeout = %s", (IDLE_SECONDS,))
                taken = 0
                while not taken:
                    left = max(0.0, deadline - time.monotonic())
                    cursor.execute(f"SELECT GET_LOCK({LOCK}, %s)", (name, min(left, ANSWER_SECONDS / 2)))
                    (taken,) = cursor.fetchone() or (0,)
                    if left == 0:
                        break
                if taken != 1:
                    cursor.execute(f"SELECT IS_USED_LOCK({LOCK})", (name,))
                    raise HeldError(name, *(cursor.fetchone() or (None,)))
        except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as error:
            raise _unavailable(settings, error) from error
        stack.pop_all()
        return connection


def _is_held(connection: Connection[Any], name: str) -> bool:
    """True when this connection has held the lock all the time: it is never opened again by itself."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT IS_USED_LOCK({LOCK}) = CONNECTION_ID()", (name,))
            return bool(cursor.fetchone() == (1,))
    except (pymysql.err.MySQLError, OSError):
        return False


def _unavailable(settings: Settings, reason: object) -> UnavailableError:
    return UnavailableError("MySQL", f"{settings.mysql.host}:{settings.mysql_port}", reason)
