"""Acknowledgements that people ask for: written here by commands and pages, carried out by the alert engine.

The engine alone writes alarms, so an order is never lost with it: what was ordered while it was away takes effect when
it is back. Times are epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from infra.waiting import wait_for

LONGEST_MS = 8 * 3_600_000
"""An acknowledgement keeps reminders and escalation back: a shift is the most."""

POLL_SECONDS = 0.25
COLUMNS = "order_id, alarm_id, author, is_claimed, reason, until_at, created_at, severity"


@dataclass(frozen=True)
class Order:
    """One acknowledgement. `is_claimed`: the author gave a name, and nothing proves it. `until` None: the default.

    `severity`: what its author was shown (`AlarmRow.condition`), empty for none; None: not noted by an older version.
    """

    order_id: int
    alarm_id: str
    author: str
    is_claimed: bool
    reason: str
    until: int | None
    created_at: int
    severity: str | None = None


def place_order(
    cursor: Cursor,
    alarm_id: str,
    author: str,
    reason: str,
    until: int | None,
    is_claimed: bool,
    now: int,
    severity: str,
) -> int:
    """Ask the engine to acknowledge an alarm, unless it is more severe by then than `severity`; the order's id."""
    cursor.execute(
        "INSERT INTO orders (alarm_id, author, is_claimed, reason, until_at, created_at, severity)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (alarm_id, author, is_claimed, reason, until, now, severity),
    )
    return int(cursor.lastrowid)


def load_unhandled(cursor: Cursor) -> list[Order]:
    """The orders that wait for the engine, oldest first."""
    cursor.execute(f"SELECT {COLUMNS} FROM orders WHERE handled_at IS NULL ORDER BY order_id")
    return [_order(*row) for row in cursor.fetchall()]


def mark_handled(cursor: Cursor, order_id: int, outcome: str, now: int) -> None:
    """Note, within the caller's transaction, what became of an order, as a sentence for the one who gave it."""
    cursor.execute(
        "UPDATE orders SET handled_at = %s, outcome = %s WHERE order_id = %s", (now, outcome[:500], order_id)
    )


def outcome_of(cursor: Cursor, order_id: int) -> str | None:
    """What became of an order; None until the engine has carried it out."""
    cursor.execute("SELECT outcome FROM orders WHERE order_id = %s", (order_id,))
    (outcome,) = cursor.fetchone() or (None,)
    return None if outcome is None else str(outcome)


def await_outcome(connection: Connection[Any], order_id: int, seconds: float) -> str | None:
    """What became of an order, waited for; None when the engine does not say within `seconds`.

    `connection` must be outside a transaction, which would not see what the engine writes meanwhile.
    """
    with connection.cursor() as cursor:
        return wait_for(lambda: outcome_of(cursor, order_id), seconds, POLL_SECONDS)


def newest_order_id(cursor: Cursor) -> int:
    """The id of the newest order of all; 0 when there is none."""
    cursor.execute("SELECT COALESCE(MAX(order_id), 0) FROM orders")
    (newest,) = cursor.fetchone() or (0,)
    return int(newest)


def same_order_after(
    cursor: Cursor, order_id: int, alarm_id: str, author: str, reason: str, lasts: int, is_claimed: bool
) -> int | None:
    """The first order behind `order_id` by the same author, about the same alarm, for the same reason and so long (ms).

    This is how a page knows a form that was sent twice; `is_claimed` tells the two pages' orders apart.
    """
    cursor.execute(
        "SELECT order_id FROM orders WHERE order_id > %s AND alarm_id = %s AND author = %s AND reason = %s"
        " AND until_at - created_at = %s AND is_claimed = %s ORDER BY order_id LIMIT 1",
        (order_id, alarm_id, author, reason, lasts, is_claimed),
    )
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def _order(
    order_id: int,
    alarm_id: str,
    author: str,
    is_claimed: int,
    reason: str,
    until: int | None,
    created_at: int,
    severity: str | None,
) -> Order:
    return Order(order_id, alarm_id, author, bool(is_claimed), reason, until, created_at, severity)
