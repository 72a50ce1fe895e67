"""What the alerts need before they run: tables, the default subscription of ops, topics and subscriptions in SNS."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from pymysql.cursors import Cursor

from alerts.database import now_ms
from alerts.subscriptions import reconcile
from alerts.subscriptions_table import add_default_ops
from infra.clients import alerts_connection
from infra.settings import Settings

SCHEMA = Path(__file__).with_name("schema.sql")


def bootstrap(settings: Settings) -> None:
    """Create what is missing; a second run changes nothing, a run cut short is completed by the next.

    Raises UnavailableError when MySQL or SNS does not answer.
    """
    with closing(alerts_connection(settings)) as connection:
        with connection.cursor() as cursor:
            create_tables(cursor)
            add_default_ops(cursor, settings.alerts.ops_email, now_ms())
        reconcile(settings, connection)


def create_tables(cursor: Cursor) -> None:
    """Apply `schema.sql`, every statement of which leaves an existing table alone."""
    for statement in SCHEMA.read_text().split("\n--;\n"):
        cursor.execute(statement)
