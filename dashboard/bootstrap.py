"""What the ward page needs before it runs: its tables in the alerts database, and accounts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from alerts.bootstrap import create_tables
from dashboard.accounts import ensure_accounts
from infra.clients import alerts_connection
from infra.settings import Settings

SCHEMA = Path(__file__).with_name("schema.sql")


def bootstrap(settings: Settings) -> None:
    """Create what is missing; a second run changes nothing.

    Raises UnavailableError when MySQL does not answer, ConfigurationError when a table is of another version.
    """
    ensure_accounts(settings)
    with closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
        create_tables(cursor, SCHEMA)
