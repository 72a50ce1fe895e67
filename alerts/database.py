"""Small helpers for the alerts database: transactions, errors, keys, the clock."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings

T = TypeVar("T")

DEADLOCK_TRIES = 5
"""Engine, publisher and commands write the same tables: InnoDB may ask one of them to begin again."""


def now_ms() -> int:
    """The clock, epoch ms."""
    return time.time_ns() // 1_000_000


def digest(*parts: str) -> bytes:
    """A key of fixed length (SHA-256) for identifiers of any length and script; exact, whatever the collation."""
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def in_transaction(connection: Connection[Any], work: Callable[[Cursor], T]) -> T:
    """Run `work(cursor)` in one transaction, again after a deadlock; `work` must therefore be repeatable.

    Everything of it is committed, or nothing.
    """
    for attempt in range(1, DEADLOCK_TRIES + 1):
        connection.begin()
        try:
            with connection.cursor() as cursor:
                result = work(cursor)
            connection.commit()
            return result
        except pymysql.err.OperationalError as error:
            _roll_back(connection)
            if error.args[0] not in (ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT) or attempt == DEADLOCK_TRIES:
                raise
        except BaseException:
            _roll_back(connection)
            raise
    raise AssertionError("unreachable")


def _roll_back(connection: Connection[Any]) -> None:
    # Fails when the connection was lost, and then there is nothing to roll back. It is its owner's to close.
    with suppress(pymysql.err.Error):
        connection.rollback()


@contextmanager
def mysql_errors(settings: Settings) -> Iterator[None]:
    """A lost MySQL connection within becomes an UnavailableError, which a stream answers by starting afresh.

    Raises ConfigurationError when the tables have not been made.
    """
    try:
        yield
    except pymysql.err.ProgrammingError as error:
        if error.args[0] != ER.NO_SUCH_TABLE:
            raise
        raise ConfigurationError(
            f"The database {settings.mysql.alerts_database} lacks a table: `./ward up` makes them."
        ) from error
    except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as error:
        raise UnavailableError("MySQL", f"{settings.mysql.host}:{settings.mysql_port}", error) from error
