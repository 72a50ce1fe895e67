"""Running HQL on HiveServer2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from infra.clients import hive_connection
from infra.errors import UnavailableError, WardError
from infra.settings import Settings

FETCH_ROWS = 10_000
SLACK_SECONDS = 5
"""How much longer than a query may take, an answer is waited for: HiveServer2 itself is to say what took too long."""


class QueryError(WardError):
    """HiveServer2 refused a statement or failed while it ran it; the message is the server's own sentence."""


@dataclass(frozen=True)
class Answer:
    """What a statement gave: column names without their table, and the rows, fetched in chunks while they are read.

    A statement without a result, such as a CREATE, has no columns and no rows.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def hive_session(settings: Settings, within_seconds: int | None = None) -> Iterator[HiveSession]:
    """A session on HiveServer2, closed at the end.

    `within_seconds`: HiveServer2 ends a query that takes longer, and is itself given up a little later; without it a
    query may take hours. Raises UnavailableError when the server cannot be reached, at start or later.
    """
    connection = _connected(settings, within_seconds)
    try:
        yield HiveSession(settings, connection)
    finally:
        _close_quietly(connection)


class HiveSession:
    """Statements run one after the other; temporary settings last until the session ends."""

    def __init__(self, settings: Settings, connection: Any) -> None:
        self._settings = settings
        self._connection = connection

    def run(self, statement: str) -> Answer:
        """Run one statement (no semicolon at its end) and wait for it.

        Raises QueryError with the server's reason, UnavailableError when the server went away.
        """
        cursor = self._connection.cursor(arraysize=FETCH_ROWS)
        with self._errors():
            cursor.execute(statement)
            described = cursor.description
        if not described:
            return Answer((), iter(()))
        columns = tuple(str(column[0]).rsplit(".", 1)[-1] for column in described)
        return Answer(columns, self._rows(cursor))

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        return list(self.run(statement).rows)

    def _rows(self, cursor: Any) -> Iterator[tuple[Any, ...]]:
        with self._errors():
            while chunk := cursor.fetchmany(FETCH_ROWS):
                yield from (tuple(row) for row in chunk)
            cursor.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from pyhive.exc import Error
        from thrift.transport.TTransport import TTransportException

        try:
            yield
        except Error as error:
            raise QueryError(server_reason(error)) from error
        except (TTransportException, OSError) as error:
            raise UnavailableError("HiveServer2", hive_address(self._settings), error) from error


def query(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    """All rows of one statement, in a session of its own. Raises QueryError, UnavailableError."""
    with hive_session(settings) as session:
        return session.rows(statement)


def hive_address(settings: Settings) -> str:
    """Where HiveServer2 is, as messages name it."""
    return f"{settings.hadoop.hiveserver2_host}:{settings.hiveserver2_port}"


def server_reason(error: Exception) -> str:
    """The sentence within a Thrift answer of HiveServer2, without the server's stack trace."""
    answer = error.args[0] if error.args else error
    status = getattr(answer, "status", None)
    message = getattr(status, "errorMessage", None) or str(answer)
    return message.split("\n", 1)[0].removeprefix("Error while compiling statement: ")


def _connected(settings: Settings, within_seconds: int | None) -> Any:
    answer_seconds, limits = None, None
    if within_seconds is not None:
        answer_seconds = within_seconds + SLACK_SECONDS
        limits = {"hive.query.timeout.seconds": f"{within_seconds}s"}
    try:
        return hive_connection(settings, answer_seconds, configuration=limits)
    except UnavailableError:
        raise
    except Exception as error:  # the login's answer may be cut off, and PyHive then raises anything
        raise UnavailableError("HiveServer2", hive_address(settings), type(error).__name__) from error


def _close_quietly(connection: Any) -> None:
    # After an answer that was cut off (Ctrl-C) the next one is read from its middle, and may be anything.
    with suppress(Exception):
        connection.close()
