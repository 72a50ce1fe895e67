"""Steps of `./ward test` that run at the same time."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from infra import checks
from infra.checks import Step, run_together


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LOOK_SECONDS", 0.02)


def python(name: str, program: str) -> Step:
    return name, [sys.executable, "-c", program]


def lasting(mark: Path) -> Step:
    """One that waits for a minute and, told to end, leaves a mark."""
    return python(
        "lasting",
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(mark)!r}).touch(), sys.exit(1)))\n"
        f"pathlib.Path({str(mark.with_suffix('.begun'))!r}).touch()\n"
        "time.sleep(60)",
    )


def failing_after(mark: Path) -> Step:
    """One that fails when the lasting one has begun."""
    return python(
        "failing",
        "import pathlib, sys, time\n"
        f"while not pathlib.Path({str(mark.with_suffix('.begun'))!r}).exists(): time.sleep(0.01)\n"
        "print('what went wrong')\nsys.exit(3)",
    )


def test_all_succeed_and_what_was_kept_back_is_shown(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run_together([python("one", "print('first')"), python("two", "print('second')")], Console()) == 0
    shown = capfdbinary.readouterr().out
    assert b"first" in shown
    assert b"second" in shown


@pytest.mark.parametrize("failing_first", [True, False])
def test_the_first_failure_ends_the_others_politely_and_is_the_status(
    tmp_path: Path, failing_first: bool, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    mark = tmp_path / "mark"
    steps = [failing_after(mark), lasting(mark)]
    begun = time.monotonic()
    assert run_together(steps if failing_first else steps[::-1], Console()) == 3
    assert time.monotonic() - begun < 60
    assert mark.exists()
    assert b"what went wrong" in capfdbinary.readouterr().out


def test_a_failed_check_keeps_the_next_from_running(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    steps = [python("one", "raise SystemExit(2)"), python("two", f"open({str(mark)!r}, 'w')")]
    assert checks.run_each(steps, Console()) == 2
    assert not mark.exists()


def test_unit_tests_run_beside_those_on_the_servers_but_not_beside_chosen_ones() -> None:
    assert [name for name, _ in checks.suites([], faults=False)] == ["tests on the servers", "unit tests"]
    assert [name for name, _ in checks.suites(["tests/unit"], faults=False)] == ["tests"]
    assert [name for name, _ in checks.suites([], faults=True)] == ["faults, long form"]
