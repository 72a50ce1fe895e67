"""What every test on the real servers starts from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from pymysql.connections import Connection

from infra.checks import TEST_STACK
from infra.clients import devices_connection, mysql_connection
from infra.settings import Settings, load_settings
from tests import running
from tests.running import LEAVE, REUSE, run_ward, show_complaints, use_test_stack, wait_or_fail, ward
from tests.stack.alerting import OwnEngine, Reader, forget_ward, in_place_of_the_engine, unique, ward_subscriptions


def pytest_configure() -> None:
    use_test_stack()


@pytest.fixture(scope="session")
def demo() -> Iterator[subprocess.CompletedProcess[str]]:
    """`./ward demo`, from nothing running and no data unless the running stack is used; the stack stays up after it."""
    if REUSE:
        yield ward("demo")
        return
    run_ward("down")
    shutil.rmtree(TEST_STACK["WARDWATCH_STATE_DIR"], ignore_errors=True)
    try:
        finished = ward("demo")
        running.demo_left_it_running = True
        yield finished
    finally:
        running.demo_left_it_running = False
        if not LEAVE:
            run_ward("down")


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Settings:
    """Settings of a running stack with all servers, tables, topics and streams: the one that the demo left behind."""
    if not REUSE:
        request.getfixturevalue("demo")
        run_ward("up")
    return load_settings()


@pytest.fixture
def mysql_root(stack: Settings) -> Iterator[Connection[Any]]:
    """MySQL as root."""
    with mysql_connection(stack, "root", stack.secret("mysql_root_password")) as connection:
        yield connection


@pytest.fixture
def devices(stack: Settings) -> Iterator[Connection[Any]]:
    """MySQL as the bedside devices."""
    with devices_connection(stack) as connection:
        yield connection


@pytest.fixture(scope="session")
def await_condition() -> Callable[..., Any]:
    """`await_condition(fn, seconds, message, interval=0.25)`, see `wait_or_fail`."""
    return wait_or_fail


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return show_complaints((yield))


@pytest.fixture
def reader(stack: Settings) -> Iterator[Reader]:
    """A doctor who hears one ward that only this test uses."""
    one = Reader(f"{unique('doctor')}@wardwatch.example", unique("Ward"))
    ward_subscriptions("add", one.email, "--ward", one.ward)
    yield one
    ward_subscriptions("remove", one.email)
    forget_ward(stack, one.ward)


@pytest.fixture
def senior(reader: Reader) -> Iterator[Reader]:
    """Who hears the reader's ward from the first escalation on."""
    one = Reader(f"{unique('senior')}@wardwatch.example", reader.ward)
    ward_subscriptions("add", one.email, "--ward", one.ward, "--from-level", "1")
    yield one
    ward_subscriptions("remove", one.email)


@pytest.fixture
def own_engine(stack: Settings) -> Iterator[OwnEngine]:
    """The stack's engine is stopped, and one of the test's own works instead until the test hands over."""
    with in_place_of_the_engine(stack) as own:
        yield own
