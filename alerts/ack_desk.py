"""Where the acknowledge page and the ward page look up alarms and leaves orders: the alerts database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alerts.alarms_table import AlarmRow, load_alarm
from alerts.database import in_transaction, mysql_errors, now_ms
from alerts.orders import await_outcome, newest_order_id, place_order, same_order_after
from infra.clients import alerts_connection
from infra.settings import Settings

ANSWER_SECONDS = 5.0
"""How long a person before a page waits for MySQL, and how long for the engine."""


@dataclass(frozen=True)
class Wish:
    """What a sent form asks for. `after`: the newest order of all when the form was made; `lasts`: ms; `severity`: as
    it was shown; `is_claimed`: nothing proves that the author is who they say they are."""

    alarm_id: str
    author: str
    reason: str
    lasts: int
    after: int
    severity: str
    is_claimed: bool = True


@dataclass(frozen=True)
class Placed:
    """The order of a form, and whether the same form had been sent before, so that it was not placed again."""

    order_id: int
    is_repeat: bool


class Desk(Protocol):
    """What the pages need. Every method raises UnavailableError while the database is away."""

    def look(self, alarm_id: str) -> AlarmRow | None:
        """The alarm as it is now."""

    def newest_order(self) -> int:
        """The id of the newest order of all, 0 for none: a form that carries it is known again."""

    def place(self, wish: Wish) -> Placed:
        """Leave an order for the engine, once for each form."""

    def outcome(self, order_id: int) -> str | None:
        """What the engine made of the order, waited for a little; None when it does not say."""


class MysqlDesk:
    """The real one: a connection for each question, so that nothing is kept that MySQL may have forgotten."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._placing = threading.Lock()

    def look(self, alarm_id: str) -> AlarmRow | None:
        with self._connection() as connection, connection.cursor() as cursor:
            return load_alarm(cursor, alarm_id)

    def newest_order(self) -> int:
        with self._connection() as connection, connection.cursor() as cursor:
            return newest_order_id(cursor)

    def place(self, wish: Wish) -> Placed:
        """One at a time, so that two clicks on the button are not two orders."""

        def work(cursor: Cursor) -> Placed:
            about = (wish.alarm_id, wish.author, wish.reason)
            known = same_order_after(cursor, wish.after, *about, wish.lasts, wish.is_claimed)
            if known is not None:
                return Placed(known, is_repeat=True)
            now = now_ms()
            order = place_order(cursor, *about, now + wish.lasts, wish.is_claimed, now, wish.severity)
            return Placed(order, is_repeat=False)

        with self._placing, self._connection() as connection:
            return in_transaction(connection, work)

    def outcome(self, order_id: int) -> str | None:
        with self._connection() as connection:
            return await_outcome(connection, order_id, ANSWER_SECONDS)

    @contextmanager
    def _connection(self) -> Iterator[Connection[Any]]:
        connection = alerts_connection(self._settings, read_timeout=ANSWER_SECONDS)
        with closing(connection), mysql_errors(self._settings):
            yield connection
