"""`./ward test`: lint, format, types, then all tests: on the real servers, in a browser, with faults, and without any.

Servers take minutes to start and tests wait a good deal, so the demo starts one stack for all, and what does not
disturb each other runs on it at the same time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from xml.etree import ElementTree

import orjson
from rich.console import Console

from infra import install
from infra.errors import ConfigurationError
from infra.priority import BEHIND_ALL
from infra.servers import SERVERS, venv_program
from infra.settings import PROJECT_ROOT, Settings

TEST_STACK = {
    "WARDWATCH_STATE_DIR": str(PROJECT_ROOT / ".ward" / "test"),
    "WARDWATCH_PORT_OFFSET": "3000",
    "WARDWATCH_SPARK__LANDING_INTERVAL_SECONDS": "8",
    "WARDWATCH_SPARK__REALTIME_EPOCH_SECONDS": "20",
    "WARDWATCH_DERIVATION__INTERVAL_SECONDS": "5",
    "WARDWATCH_ALERTS__DISCHARGES_SECONDS": "2",
    "WARDWATCH_DASHBOARD__SESSION_LOOK_SECONDS": "3",
}
"""A stack of the tests' own beside any other. Its intervals are shorter than the defaults of 30, 60, 10, 10 and 15, as
most tests wait for one batch, discharge their patients or end a session."""

LONG_FAULTS = (
    "--seeds=1,2,3",
    "--kills=7",
    "--server-kills=2",
    "--supervisor-kills=1",
    "--everything-kills=1",
    "--alone=1",
    "--together=4",
)
"""The long form of the fault suite: 21 kills of each stream over three seeds, the first of each seed alone."""

CAMPAIGNS = Path(TEST_STACK["WARDWATCH_STATE_DIR"]) / "faults"
UNDER_WAY = "under-way"
"""Beside the campaigns of the fault suite (`tests/faults/campaign.py`) until all of its long form have ended."""

OUTAGES = "tests/browser/test_outages.py"
"""What the ward page shows while something is down."""

KILLS, POISON = "tests/faults/test_kills.py", "tests/faults/test_poison.py"
"""The short form: each stream and server killed once, four at a time, and a thousand malformed messages."""

APART, QUIET = "looks_on", "leaves_streams"
"""The markers of what does not mind that streams are stopped, nor what any test does after the first half of those on
the stack; and of what does, but does not disturb those who look at the ward page."""

REPORTS = PROJECT_ROOT / ".ward" / "reports"
"""What became of each test of the last run of all, a file of JUnit's XML for each step."""

WHY_CHARACTERS = 300
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Step:
    """A command. It starts when those named in `after` have ended; if one that `ends_all` fails, nothing goes on. What
    one that is not `live` writes is shown when it has ended, so that it does not mix with what another writes. One that
    gives way has a session of its own."""

    name: str
    command: Sequence[str]
    after: tuple[str, ...] = ()
    live: bool = True
    gives_way: bool = False
    ends_all: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


def static_checks() -> list[Step]:
    """What needs nothing but the Python environment, one after the other."""
    return [
        Step("lint", [venv_program("ruff"), "check", "."]),
        Step("format", [venv_program("ruff"), "format", "--check", "."], after=("lint",)),
        Step("types", [venv_program("mypy")], after=("format",)),
    ]


def chosen_tests(arguments: Sequence[str]) -> list[Step]:
    """Tests as pytest is told, on a stack that they start and stop themselves."""
    return [Step("tests", [venv_program("pytest"), *arguments])]


def all_tests() -> list[Step]:
    """Every test and the short form of the faults, on one stack. The demo leaves it running: without it none goes on.
    Any other test that fails hides none of the rest."""
    reuse = {**TEST_STACK, "WARDWATCH_TEST_REUSE": "1"}
    demo, stack, own, unit = "the demo", "tests on the stack", "tests in worlds of their own", "unit tests"
    browser, quiet, apart = "tests in a browser", "tests beside a browser", "tests that look on"

    def on_servers(which: str, *paths: str) -> list[str]:
        return ["tests/stack", "--ignore=tests/stack/test_demo.py", *paths, "-m", which, "--durations=15"]

    def tests(name: str, arguments: Sequence[str], after: tuple[str, ...] = (), **options: Any) -> Step:
        report = REPORTS / f"{name.replace(' ', '-')}.xml"
        command = [venv_program("pytest"), *arguments, f"--junitxml={report}"]
        return Step(name, command, after, ends_all=name == demo, **options)

    beside = ["tests/unit", "--numprocesses=auto", "--dist=worksteal"]
    alone = [*on_servers("stops_servers", OUTAGES, KILLS), "--together=4"]
    in_browser = ["tests/browser", f"--ignore={OUTAGES}", "--durations=5"]
    return [
        tests(demo, ["tests/stack/test_demo.py"], environment={"WARDWATCH_TEST_LEAVE": "1"}),
        tests(unit, beside, live=False, gives_way=True),
        tests(
            stack,
            on_servers(f"not own_world and not stops_servers and not {APART} and not {QUIET}", POISON),
            (demo,),
            environment=reuse,
        ),
        tests(own, on_servers("own_world"), (demo,), live=False, environment=reuse),
        tests(browser, in_browser, (stack, own), environment=reuse),
        tests(apart, on_servers(APART), (own,), live=False, environment=reuse),
        tests(quiet, on_servers(QUIET), (stack, apart), live=False, environment=reuse),
        tests("tests that stop servers", alone, (browser, quiet), environment=reuse),
    ]


def require_embedded_servers(settings: Settings) -> None:
    """Tests write, break and stop what they run on. Raises ConfigurationError when a server of these settings stands
    elsewhere."""
    if elsewhere := [server.name for server in SERVERS if not server.wanted(settings)]:
        raise ConfigurationError(
            f"Tests break the servers that they run on, and these are set to an address elsewhere: "
            f"{', '.join(elsewhere)}. Run them without that `wardwatch.toml` or those WARDWATCH_… variables."
        )


def run_checks(settings: Settings, arguments: list[str], console: Console, faults: bool = False) -> int:
    """Check the code while what is missing is installed, then run the tests.

    Returns the exit status of the first that failed, or 0. No server is left running. Raises ConfigurationError when a
    server stands elsewhere.
    """
    require_embedded_servers(settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ThreadPoolExecutor(1) as pool:
        installed = pool.submit(install.ensure_installed, settings, console, for_tests=True)
        status = 0 if faults else run(static_checks(), console)
        installed.result()
    if faults and not arguments:
        return run_long_faults(console)
    if faults:
        arguments = ["tests/faults", *arguments]
    if status or arguments:
        return status or run(chosen_tests(arguments), console)
    shutil.rmtree(REPORTS, ignore_errors=True)
    with ExitStack() as resources:
        resources.callback(tell_failures, console)
        down = [str(PROJECT_ROOT / "ward"), "down"]
        resources.callback(subprocess.run, down, env={**os.environ, **TEST_STACK}, check=False)
        return run(all_tests(), console)


def tell_failures(console: Console) -> None:
    """Print once more, as the last word, which tests of the last run of all failed, and the beginning of why."""
    for report in sorted(REPORTS.glob("*.xml")):
        try:
            cases = list(ElementTree.parse(report).iter("testcase"))
        except ElementTree.ParseError:
            told = [f"{report} is not whole: pytest was killed."]
        else:
            told = [_in_a_line(case, wrong) for case in cases for wrong in case if wrong.tag in ("failure", "error")]
        for line in told:
            console.print(line, style="red", markup=False, highlight=False)


def _in_a_line(case: ElementTree.Element, wrong: ElementTree.Element) -> str:
    """What failed, where, and the first words of why: of a file that cannot be imported the last ones."""
    where, name = case.get("classname", ""), case.get("name", "")
    said = (wrong.get("message") or "").partition("\n")[0] if where else (wrong.text or "").strip().rpartition("\n")[2]
    place = f"{where.replace('.', '/')}.py::{name}" if where else f"{name.replace('.', '/')}.py"
    return f"{wrong.tag.upper()} {place}: {said[:WHY_CHARACTERS]}"


def run_long_faults(console: Console) -> int:
    """The long form of the fault suite: its exit status.

    If a campaign of the last one did not come to its end, it goes on, and what those before it found is told without
    doing them again; otherwise all begin anew.
    """
    mark = CAMPAIGNS / UNDER_WAY
    goes_on = ["--resume"] if mark.exists() else []
    if goes_on:
        console.print(f"The last run was interrupted, and goes on. To begin anew, remove {mark} first.")
    else:
        for old in CAMPAIGNS.glob("seed-*.json"):
            old.unlink()
    CAMPAIGNS.mkdir(parents=True, exist_ok=True)
    mark.touch()
    status = run(chosen_tests(["tests/faults", *LONG_FAULTS, *goes_on]), console)
    if all(orjson.loads(one.read_bytes())["ended"] for one in CAMPAIGNS.glob("seed-*.json")):
        mark.unlink(missing_ok=True)
    return status


def run(steps: Sequence[Step], console: Console) -> int:
    """Run each step when it may, until all have ended or one that ends all has failed. Returns the exit status of the
    first that failed, or 0.

    Those that still run when one has ended all are told to end, as all are when we are, and given the time to clean up.
    """
    waiting, running, done, first_failure = list(steps), list[_Running](), set[str](), 0
    with ExitStack() as resources:
        resources.callback(_end_all, running)
        while waiting or running:
            for step in [step for step in waiting if done.issuperset(step.after)]:
                waiting.remove(step)
                console.rule(step.name)
                output = None if step.live else resources.enter_context(TemporaryFile())
                running.append(_Running(step, output))
            _wait_a_moment(running[0].process)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                status = one.result(console)
                first_failure = first_failure or status
                if status and one.ends_all:
                    return first_failure
                done.add(one.name)
    return first_failure


def _end_all(running: list[_Running]) -> None:
    for one in running:
        one.process.terminate()
    for one in running:
        one.process.wait()


def _wait_a_moment(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(LOOK_SECONDS)


class _Running:
    """A step at work, with its output in a file unless it goes where ours goes."""

    def __init__(self, step: Step, output: IO[bytes] | None) -> None:
        self.name = step.name
        self.ends_all = step.ends_all
        self._begun = time.monotonic()
        self._output = output
        self.process = subprocess.Popen(
            [*(BEHIND_ALL if step.gives_way else ()), *step.command],
            cwd=PROJECT_ROOT,
            env={**os.environ, **step.environment},
            stdout=output,
            stderr=output,
            start_new_session=step.gives_way,
        )

    def result(self, console: Console) -> int:
        """Its exit status, once it has ended; shows what was kept back and how it went."""
        if self._output is not None:
            console.rule(f"{self.name} wrote")
            self._output.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(self._output, sys.stdout.buffer)
            sys.stdout.flush()
        status, seconds = self.process.returncode, time.monotonic() - self._begun
        how = f"[red]{self.name} failed[/] after" if status else f"[green]✓[/] {self.name}:"
        console.print(f"{how} {seconds:.0f} s")
        return status
