"""Forgetting alarms that were over long ago, with their audit trail and their mails, which hold names and addresses.

python -m alerts.housekeeping
"""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from typing import Any

import orjson
import typer
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alerts.database import in_transaction, mysql_errors, now_ms
from alerts.inbox import forget_mails
from infra.clients import alerts_connection
from infra.errors import UnavailableError
from infra.log import configure_logging
from infra.settings import Settings, load_settings
from infra.stream import EX_TEMPFAIL

ROWS_AT_ONCE = 1000
SCAN_SECONDS = 600
"""How long the search for old rows may take, once a day."""

DAY_MS = 86_400_000

OLD: tuple[tuple[str, str, str], ...] = (
    ("alarms", "alarm_id", "last_breach_at < %s AND ended_at IS NOT NULL AND notice IS NULL"),
    ("alarm_events", "event_id", "at < %s AND alarm_id NOT IN (SELECT alarm_id FROM alarms)"),
    ("notifications", "seq", "sent_at < %s AND alarm_id NOT IN (SELECT alarm_id FROM alarms)"),
    ("orders", "order_id", "handled_at < %s AND alarm_id NOT IN (SELECT alarm_id FROM alarms)"),
    ("silences", "silence_id", "ends_at < %s"),
    ("audited_hours", "hour_at", "hour_at < %s"),
)
"""Table, its key and which of its rows are old: alarms that are over, what belongs to no alarm any more, silences, what
the audit noted.

A technical alarm that lasts is never old, nor is a mail that was never sent.
"""

WATCHDOG_DAYS = 2
OLD_WATCHDOGS = ("notifications", "seq", "kind = 'watchdog' AND created_at < %s")
"""One a minute, and of use for an hour: sent or not."""


def forget_alarms(settings: Settings, before_ms: int) -> dict[str, int]:
    """Delete what was over before that time (epoch ms); rows by table. Raises UnavailableError.

    Old rows are found without a lock and deleted by their keys, few at a time, so that the alert engine never waits for
    it. A crash leaves the rest for the next time.
    """
    with mysql_errors(settings), closing(alerts_connection(settings, read_timeout=SCAN_SECONDS)) as connection:
        return {table: delete_old(connection, table, key, condition, before_ms) for table, key, condition in OLD}


def forget_watchdogs(settings: Settings, before_ms: int) -> int:
    """Delete the watchdog's notifications of before that time (epoch ms); how many. Raises UnavailableError."""
    with mysql_errors(settings), closing(alerts_connection(settings, read_timeout=SCAN_SECONDS)) as connection:
        return delete_old(connection, *OLD_WATCHDOGS, before_ms)


def delete_old(connection: Connection[Any], table: str, key: str, condition: str, before_ms: int) -> int:
    """Delete the rows of `table` that `condition` tells of `before_ms`, few at a time; how many."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {key} FROM {table} WHERE {condition}", (before_ms,))
        old = [value for (value,) in cursor.fetchall()]
    for start in range(0, len(old), ROWS_AT_ONCE):
        some = old[start : start + ROWS_AT_ONCE]
        marks = ", ".join(["%s"] * len(some))
        in_transaction(
            connection, partial(Cursor.execute, query=f"DELETE FROM {table} WHERE {key} IN ({marks})", args=some)
        )
    return len(old)


def main() -> None:
    """Forget alarms after `retention.alarms_days`, mails of the embedded inbox after `retention.inbox_days`, the
    watchdog's notifications after two days.

    Prints what was deleted as JSON. Exit status: 0 done, 75 a server is away.
    """
    configure_logging()
    settings, now = load_settings(), now_ms()
    try:
        found = forget_alarms(settings, now - settings.retention.alarms_days * DAY_MS)
        found["watchdogs"] = forget_watchdogs(settings, now - WATCHDOG_DAYS * DAY_MS)
        if settings.embedded_email:
            found["inbox"] = forget_mails(settings, now - settings.retention.inbox_days * DAY_MS)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EX_TEMPFAIL) from error
    print(orjson.dumps(found).decode(), flush=True)


if __name__ == "__main__":
    typer.run(main)
