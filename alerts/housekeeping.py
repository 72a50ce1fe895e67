"""Forgetting alarms that were over long ago, with their audit trail and their mails, which hold names and addresses.

python -m alerts.housekeeping
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import orjson
import typer
from pymysql.connections import Connection

from alerts.database import in_transaction, mysql_errors, now_ms
from alerts.inbox import forget_mails
from infra.clients import alerts_connection
from infra.errors import UnavailableError
from infra.log import configure_logging
from infra.settings import Settings, load_settings
from infra.stream import EX_TEMPFAIL

ROWS_AT_ONCE = 5000
DAY_MS = 86_400_000

OLD: tuple[tuple[str, str], ...] = (
    ("notifications", "sent_at < %s"),
    ("alarm_events", "at < %s"),
    ("alarms", "last_breach_at < %s AND (kind = 'clinical' OR ended_at IS NOT NULL)"),
)
"""Table and which of its rows are old. A mail that was never sent, and a technical alarm that lasts, are never old."""


def forget_alarms(settings: Settings, before_ms: int) -> dict[str, int]:
    """Delete what was over before that time (epoch ms); rows by table. Raises UnavailableError.

    In small transactions, so that the alert engine never waits for it. A crash leaves the rest for the next time.
    """
    with mysql_errors(settings), closing(alerts_connection(settings)) as connection:
        return {table: _delete(connection, table, condition, before_ms) for table, condition in OLD}


def _delete(connection: Connection[Any], table: str, condition: str, before_ms: int) -> int:
    statement = f"DELETE FROM {table} WHERE {condition} LIMIT {ROWS_AT_ONCE}"
    deleted = 0
    while rows := in_transaction(connection, lambda cursor: cursor.execute(statement, (before_ms,))):
        deleted += rows
    return deleted


def main() -> None:
    """Forget alarms after `retention.alarms_days`, mails of the embedded inbox after `retention.inbox_days`.

    Prints what was deleted as JSON. Exit status: 0 done, 75 a server is away.
    """
    configure_logging()
    settings, now = load_settings(), now_ms()
    try:
        found = forget_alarms(settings, now - settings.retention.alarms_days * DAY_MS)
        if settings.embedded_email:
            found["inbox"] = forget_mails(settings, now - settings.retention.inbox_days * DAY_MS)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EX_TEMPFAIL) from error
    print(orjson.dumps(found).decode(), flush=True)


if __name__ == "__main__":
    typer.run(main)
