"""The alerts database as the ward page asks it: for little, and never for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alerts.database import mysql_errors
from infra.clients import alerts_connection
from infra.settings import Settings

ANSWER_SECONDS = 10.0
"""A server that hangs for longer counts as away: every open page asks whether its session lasts."""


@contextmanager
def alerts_database(settings: Settings) -> Iterator[Connection[Any]]:
    """A connection of its own, each statement a transaction. Raises UnavailableError."""
    with (
        mysql_errors(settings),
        closing(alerts_connection(settings, read_timeout=ANSWER_SECONDS)) as connection,
    ):
        yield connection


@contextmanager
def alerts_cursor(settings: Settings) -> Iterator[Cursor]:
    """A cursor of such a connection."""
    with alerts_database(settings) as connection, connection.cursor() as cursor:
        yield cursor
