"""Locks on the real MySQL: lost with a connection, and those of streams held through it or given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from pymysql.connections import Connection

from infra.clients import alerts_connection
from infra.errors import SingleInstanceError, UnavailableError
from infra.locks import KeptLock, named_lock
from infra.settings import Settings
from tests.stack.alerting import unique

pytestmark = pytest.mark.own_world

Await = Callable[..., Any]


def holder(mysql_root: Connection[Any], name: str) -> int | None:
    """The connection that holds a lock."""
    with mysql_root.cursor() as cursor:
        cursor.execute("SELECT IS_USED_LOCK(%s)", (name,))
        ((found,),) = cursor.fetchall()
    return None if found is None else int(found)


def cut(mysql_root: Connection[Any], name: str) -> int:
    """Kill the connection that holds a lock; its number."""
    number = holder(mysql_root, name)
    assert number is not None
    with mysql_root.cursor() as cursor:
        cursor.execute(f"KILL {number}")
    return number


def test_a_lock_that_was_lost_is_told_when_its_work_is_done(stack: Settings, mysql_root: Connection[Any]) -> None:
    name = unique("lock")
    with pytest.raises(UnavailableError, match=f"the lock {name} was lost"), named_lock(stack, name):
        cut(mysql_root, name)
    with named_lock(stack, name, 10):
        """It is free again, and held to its end."""


def test_a_stream_takes_its_lock_again_when_the_connection_was_lost(
    stack: Settings, mysql_root: Connection[Any], await_condition: Await
) -> None:
    name, stop = unique("lock"), threading.Event()
    with KeptLock(stack, name, 1, stop):
        before = cut(mysql_root, name)
        await_condition(lambda: holder(mysql_root, name) not in (None, before), 30, "the lock was not taken again")
        with pytest.raises(SingleInstanceError), named_lock(stack, name):
            pass
    assert not stop.is_set()
    # MySQL frees the lock when it has read that the connection was closed.
    await_condition(lambda: holder(mysql_root, name) is None, 60, "the lock is held after its stream ended")


def test_a_stream_stops_and_says_why_when_another_took_its_lock_meanwhile(
    stack: Settings, mysql_root: Connection[Any], await_condition: Await
) -> None:
    name, stop, done = unique("lock"), threading.Event(), threading.Event()

    def wait_for_it() -> None:
        with alerts_connection(stack, read_timeout=60) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, 30)", (name,))
            done.wait(60)

    def is_next() -> bool:
        with mysql_root.cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock' AND info LIKE %s",
                (f"%{name}%",),
            )
            return bool(cursor.fetchall() != ((0,),))

    other, resources = threading.Thread(target=wait_for_it), ExitStack()
    resources.enter_context(KeptLock(stack, name, 1, stop))
    other.start()
    await_condition(is_next, 60, "nobody else waits for the lock")
    cut(mysql_root, name)
    await_condition(stop.is_set, 30, "the stream goes on without its lock")
    with pytest.raises(SingleInstanceError, match=f"{name} is held by another process"):
        resources.close()
    done.set()
    other.join(10)
