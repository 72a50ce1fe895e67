"""Locks on the real MySQL: lost with a connection, and those of streams held through it or given up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from pymysql.connections import Connection

from infra import locks
from infra.clients import alerts_connection
from infra.errors import SingleInstanceError, UnavailableError
from infra.locks import LOCK, KeptLock, named_lock
from infra.settings import Settings
from tests.stack.alerting import unique

pytestmark = pytest.mark.own_world

Await = Callable[..., Any]


def holder(settings: Settings, name: str) -> int | None:
    """The connection that holds a lock."""
    with alerts_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT IS_USED_LOCK({LOCK})", (name,))
        ((found,),) = cursor.fetchall()
    return None if found is None else int(found)


def cut(settings: Settings, mysql_root: Connection[Any], name: str) -> int:
    """Kill the connection that holds a lock; its number."""
    number = holder(settings, name)
    assert number is not None
    with mysql_root.cursor() as cursor:
        cursor.execute(f"KILL {number}")
    return number


@pytest.fixture
def short_idle(monkeypatch: pytest.MonkeyPatch) -> float:
    """A server that ends an idle connection soon, seconds."""
    monkeypatch.setattr(locks, "IDLE_SECONDS", 3)
    monkeypatch.setattr(locks, "KEEP_SECONDS", 0.5)
    return 3


def hold(settings: Settings, name: str) -> None:
    """A process that holds a lock, which the server gives up soon, until it is ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "IDLE_SECONDS", 3)
        with named_lock(settings, name):
            threading.Event().wait()


def test_two_installations_on_one_server_do_not_wait_for_each_other(stack: Settings) -> None:
    name = unique("lock")
    other = stack.model_copy(update={"mysql": stack.mysql.model_copy(update={"alerts_database": "information_schema"})})
    with named_lock(stack, name), named_lock(other, name), pytest.raises(SingleInstanceError), named_lock(stack, name):
        pass


def test_a_lock_is_held_longer_than_a_connection_may_be_idle(stack: Settings, short_idle: float) -> None:
    with named_lock(stack, unique("lock")):
        threading.Event().wait(short_idle + 2)  # it is the span of time that is to be outlived


def test_a_lock_of_a_machine_that_is_gone_without_a_word_is_free_again(stack: Settings, await_condition: Await) -> None:
    name = unique("lock")
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(stack, name), daemon=True)
    process.start()
    try:
        await_condition(lambda: holder(stack, name), 60, "the process took no lock")
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)  # it closes nothing, and says nothing any more
        await_condition(lambda: holder(stack, name) is None, 30, "the lock is held for nobody")
    finally:
        process.kill()
        process.join(30)


@pytest.mark.usefixtures("short_idle")
def test_a_stream_whose_network_was_cut_waits_for_its_own_former_connection_to_end(
    stack: Settings, await_condition: Await, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, stop = unique("lock"), threading.Event()
    # What a cut network does: we lose sight of the connection, and the server hears nothing of that.
    monkeypatch.setattr(KeptLock, "_close", lambda _lock: None)
    with KeptLock(stack, name, 0, stop):
        former = holder(stack, name)
        monkeypatch.setattr(locks, "_is_held", lambda connection, _name: connection.thread_id() != former)
        await_condition(lambda: holder(stack, name) not in (None, former), 30, "the lock was not taken again")
    assert not stop.is_set()


def test_a_lock_that_was_lost_is_told_when_its_work_is_done(stack: Settings, mysql_root: Connection[Any]) -> None:
    name = unique("lock")
    with pytest.raises(UnavailableError, match=f"the lock {name} was lost"), named_lock(stack, name):
        cut(stack, mysql_root, name)
    with named_lock(stack, name, 10):
        """It is free again, and held to its end."""


def test_a_stream_takes_its_lock_again_when_the_connection_was_lost(
    stack: Settings, mysql_root: Connection[Any], await_condition: Await
) -> None:
    name, stop = unique("lock"), threading.Event()
    with KeptLock(stack, name, 1, stop):
        before = cut(stack, mysql_root, name)
        await_condition(lambda: holder(stack, name) not in (None, before), 30, "the lock was not taken again")
        with pytest.raises(SingleInstanceError), named_lock(stack, name):
            pass
    assert not stop.is_set()
    # MySQL frees the lock when it has read that the connection was closed.
    await_condition(lambda: holder(stack, name) is None, 60, "the lock is held after its stream ended")


def test_a_stream_stops_and_says_why_when_another_took_its_lock_meanwhile(
    stack: Settings, mysql_root: Connection[Any], await_condition: Await
) -> None:
    name, stop, done = unique("lock"), threading.Event(), threading.Event()

    def wait_for_it() -> None:
        with alerts_connection(stack, read_timeout=60) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT GET_LOCK({LOCK}, 30)", (name,))
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
    cut(stack, mysql_root, name)
    await_condition(stop.is_set, 30, "the stream goes on without its lock")
    with pytest.raises(SingleInstanceError, match=f"{name} is held by another process"):
        resources.close()
    done.set()
    other.join(10)
