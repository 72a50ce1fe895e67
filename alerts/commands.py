"""What the commands about alarms share: a connection, and a console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from pymysql.connections import Connection
from rich.console import Console

from alerts.database import mysql_errors
from infra.clients import alerts_connection
from infra.settings import Settings

WIDTH_OF_FILES = 160
"""Columns of output that does not go to a terminal."""


@contextmanager
def database(settings: Settings) -> Iterator[Connection[Any]]:
    """A connection to the alerts database. Raises UnavailableError."""
    with closing(alerts_connection(settings)) as connection, mysql_errors(settings):
        yield connection


def console() -> Console:
    """A console that takes nobody's text for markup."""
    terminal = Console(markup=False, highlight=False)
    return terminal if terminal.is_terminal else Console(markup=False, highlight=False, width=WIDTH_OF_FILES)
