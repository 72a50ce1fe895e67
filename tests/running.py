"""A whole stack of its own for the tests, beside whatever else runs here: own state directory, all ports moved.

With `WARDWATCH_TEST_REUSE=1` the tests use the stack that `./ward up` already runs instead; with
`WARDWATCH_TEST_LEAVE=1` theirs is left running at the end. `./ward test` runs several pytest on one stack by these.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.checks import TEST_STACK, require_embedded_servers
from infra.errors import UnavailableError
from infra.settings import PROJECT_ROOT, Settings, load_settings
from infra.waiting import wait_for

REUSE = os.environ.get("WARDWATCH_TEST_REUSE") == "1"
LEAVE = os.environ.get("WARDWATCH_TEST_LEAVE") == "1"
SHOWN_LOG_LINES = 8
TROUBLE = ("ERROR", "FATAL", "CRITICAL", "Caused by", '"level": "error"', '"level": "warning"')


demo_left_it_running = False
"""The demo of this run has started the stack, and has not ended it yet."""


def use_test_stack() -> None:
    """Point the settings of this process at the tests' stack. A polite kill then ends the run as Ctrl-C does, so that
    the stack is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not REUSE:
        os.environ.update(TEST_STACK)
        load_settings.cache_clear()
    require_embedded_servers(load_settings())


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


@contextmanager
def running_stack(**environment: str) -> Iterator[Settings]:
    """A running stack: the one that other tests or `./ward up` have started, or one of its own with `environment` and
    the data that an earlier one left."""
    if REUSE or demo_left_it_running:
        yield load_settings()
        return
    os.environ.update(environment)
    load_settings.cache_clear()
    run_ward("down")
    try:
        run_ward("up")
        yield load_settings()
    finally:
        run_ward("down")


def wait_or_fail(fn: Callable[[], Any], seconds: float, message: str, interval: float = 0.25) -> Any:
    """The first truthy answer of `fn`; fails with `message` and the last answer when there is none within `seconds`.

    A server that does not answer is asked again: it may have been restarted, or have much to say.
    """
    refusals: list[UnavailableError] = []

    def ask() -> Any:
        try:
            return fn()
        except UnavailableError as error:
            refusals.append(error)
            return None

    if not (answer := wait_for(ask, seconds, interval)):
        pytest.fail(
            f"{message} (after {seconds:.0f} s; last answer: {answer!r}; {len(refusals)} refusals: {refusals[-1:]})"
        )
    return answer


def show_complaints(report: pytest.TestReport) -> pytest.TestReport:
    """The report, with what servers and streams complained of last if the test failed."""
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
