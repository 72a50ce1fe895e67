"""A whole stack of its own for the tests, beside whatever else runs here: own state directory, all ports moved.

With `WARDWATCH_TEST_REUSE=1` the tests use the stack that `./ward up` already runs instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection

from infra.clients import devices_connection, mysql_connection
from infra.settings import PROJECT_ROOT, Settings, load_settings
from infra.waiting import wait_for

REUSE = os.environ.get("WARDWATCH_TEST_REUSE") == "1"
TEST_STATE = PROJECT_ROOT / ".ward" / "test"
PORT_OFFSET = 3000
SHOWN_LOG_LINES = 8
TROUBLE = ("ERROR", "FATAL", "CRITICAL", "Caused by", '"level": "error"', '"level": "warning"')


def pytest_configure() -> None:
    """A polite kill ends the run as Ctrl-C does, so that the stack is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not REUSE:
        os.environ["WARDWATCH_STATE_DIR"] = str(TEST_STATE)
        os.environ["WARDWATCH_PORT_OFFSET"] = str(PORT_OFFSET)
        load_settings.cache_clear()


def ward(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `./ward`; its status and what it printed."""
    return subprocess.run(
        [PROJECT_ROOT / "ward", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def run_ward(*arguments: str) -> None:
    """Run `./ward`; fails with what it printed when it fails."""
    finished = ward(*arguments)
    if finished.returncode != 0:
        pytest.fail(f"./ward {' '.join(arguments)} failed:\n{finished.stdout}\n{log_tails(load_settings().log_dir)}")


@pytest.fixture(scope="session")
def demo() -> Iterator[subprocess.CompletedProcess[str]]:
    """`./ward demo`, from nothing running and no data unless the running stack is used; the stack stays up after it."""
    if REUSE:
        yield ward("demo")
        return
    run_ward("down")
    shutil.rmtree(TEST_STATE, ignore_errors=True)
    try:
        yield ward("demo")
    finally:
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
    """`await_condition(fn, seconds, message, interval=0.25)`: the first truthy answer of `fn`.

    Fails with `message` and the last answer when there is none within `seconds`.
    """

    def wait(fn: Callable[[], Any], seconds: float, message: str, interval: float = 0.25) -> Any:
        if not (answer := wait_for(fn, seconds, interval)):
            pytest.fail(f"{message} (after {seconds:.0f} s; last answer: {answer!r})")
        return answer

    return wait


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what servers and streams complained of last."""
    report = yield
    if report.failed:
        report.sections.append(("the last complaints of each log", log_tails(load_settings().log_dir)))
    return report


def log_tails(directory: Path) -> str:
    """The last lines of each log that speak of trouble."""
    shown = []
    for path in sorted(set(directory.glob("*.log")) - set(directory.glob("*-init.log"))):
        with path.open(errors="replace") as file:
            lines = deque((line for line in file if any(word in line for word in TROUBLE)), SHOWN_LOG_LINES)
        if lines:
            shown.append(f"-- {path.name}\n" + "".join(line[:400].rstrip() + "\n" for line in lines))
    return "\n".join(shown)
