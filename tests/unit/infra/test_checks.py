"""Steps of `./ward test`: in their order, at the same time where they may, and none after one that ends all."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra import checks
from infra.checks import Step, require_embedded_servers, run, run_checks
from infra.errors import ConfigurationError
from infra.settings import Alerts, Hadoop, Kafka, MySQL, Settings


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LOOK_SECONDS", 0.02)


def python(name: str, program: str, after: tuple[str, ...] = (), live: bool = True) -> Step:
    return Step(name, [sys.executable, "-c", program], after, live)


def lasting(mark: Path) -> Step:
    """One that waits for ten minutes and, told to end, leaves a mark."""
    return python(
        "lasting",
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(mark)!r}).touch(), sys.exit(1)))\n"
        f"pathlib.Path({str(mark.with_suffix('.begun'))!r}).touch()\n"
        "time.sleep(600)",
    )


def failing_after(mark: Path) -> Step:
    """One that fails when the lasting one has begun."""
    return python(
        "failing",
        "import pathlib, sys, time\n"
        f"while not pathlib.Path({str(mark.with_suffix('.begun'))!r}).exists(): time.sleep(0.01)\n"
        "print('what went wrong')\nsys.exit(3)",
        live=False,
    )


@pytest.mark.parametrize(
    ("elsewhere", "named"),
    [
        ({"mysql": MySQL(host="vitals.example")}, "mariadb"),
        ({"mysql": MySQL(port=3306)}, "mariadb"),
        ({"kafka": Kafka(bootstrap_servers="broker:9092")}, "kafka"),
        ({"hadoop": Hadoop(hiveserver2_host="hive", hiveserver2_port=10000)}, "hiveserver2"),
        ({"alerts": Alerts(sns_endpoint_url="aws")}, "sns"),
    ],
)
def test_tests_refuse_to_run_on_servers_that_stand_elsewhere(elsewhere: dict[str, Any], named: str) -> None:
    settings = Settings(**elsewhere)
    with pytest.raises(ConfigurationError, match=f"elsewhere: .*{named}"):
        run_checks(settings, [], Console())
    require_embedded_servers(Settings())


def test_what_is_kept_back_is_shown_and_a_step_waits_for_those_before_it(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "written"
    steps = [
        python("last", f"print(open({str(path)!r}).read())", after=("first", "second")),
        python("second", "print('beside')", live=False),
        python("first", f"open({str(path)!r}, 'w').write('in order')"),
    ]
    assert run(steps, Console()) == 0
    shown = capfdbinary.readouterr().out
    assert b"beside" in shown
    assert b"in order" in shown


@pytest.mark.parametrize("failing_first", [True, False])
def test_the_first_failure_ends_the_others_politely_and_is_the_status(
    tmp_path: Path, failing_first: bool, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    mark = tmp_path / "mark"
    steps = [failing_after(mark), lasting(mark)]
    begun = time.monotonic()
    assert run(steps if failing_first else steps[::-1], Console()) == 3
    assert time.monotonic() - begun < 600
    assert mark.exists()
    assert b"what went wrong" in capfdbinary.readouterr().out


def test_the_last_word_is_which_tests_failed_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = (
        "import pytest\n"
        "@pytest.fixture\ndef table():\n    yield\n    raise OSError('[it] is in use\\nand more')\n"
        "def test_well(): pass\ndef test_left(table): pass\ndef test_wrong(): assert 1 == 2\n"
    )
    (tmp_path / "test_it.py").write_text(program)
    (tmp_path / "test_lost.py").write_text("import what_is_not_there\n")
    (tmp_path / "killed.xml").write_text("<testsuites><testsuite>")
    monkeypatch.setattr(checks, "REPORTS", tmp_path)
    arguments = ["test_it.py", "test_lost.py", "--continue-on-collection-errors", "--junitxml=report.xml"]
    pytest_of_its_own = [sys.executable, "-m", "pytest", *arguments]
    subprocess.run(pytest_of_its_own, cwd=tmp_path, check=False, stdout=subprocess.DEVNULL)
    checks.tell_failures(Console(width=1000))
    told = capsys.readouterr().out
    assert "ERROR test_it.py::test_left: failed on teardown" in told
    assert "[it] is in use" in told
    assert "FAILURE test_it.py::test_wrong: assert 1 == 2" in told
    assert "ERROR test_lost.py: E   ModuleNotFoundError: No module named 'what_is_not_there'" in told
    assert "killed.xml is not whole" in told
    assert "test_well" not in told
    assert "and more" not in told


def test_after_a_failure_nothing_is_started(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    steps = [python("one", "raise SystemExit(2)"), python("two", f"open({str(mark)!r}, 'w')", after=("one",))]
    assert run(steps, Console()) == 2
    assert not mark.exists()


def test_a_test_that_fails_hides_no_other_and_is_the_status(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    steps = [
        replace(python("one", "raise SystemExit(2)"), ends_all=False),
        replace(python("two", f"open({str(mark)!r}, 'w'); raise SystemExit(3)", after=("one",)), ends_all=False),
        python("three", "pass", after=("two",)),
    ]
    assert run(steps, Console()) == 2
    assert mark.exists()


def test_only_without_the_demos_stack_no_other_test_is_run() -> None:
    assert [step.name for step in checks.all_tests() if step.ends_all] == ["the demo"]
    assert all(step.ends_all for step in checks.static_checks())


def test_a_step_that_gives_way_is_nice_in_a_session_that_is_nice_as_a_whole(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    program = (
        "import os, pathlib\n"
        "group = pathlib.Path('/proc/self/autogroup')\n"
        "print('nice', os.nice(0), os.getsid(0) == os.getpid(), group.read_text() if group.exists() else 'nice 19')"
    )
    assert run([Step("one", [sys.executable, "-c", program], gives_way=True)], Console()) == 0
    shown = capfdbinary.readouterr().out.decode()
    assert "nice 19 True" in shown
    assert shown.count("nice 19") == 2


def test_each_stack_test_is_in_exactly_one_step() -> None:
    expressions = [step.command[step.command.index("-m") + 1] for step in checks.all_tests() if "-m" in step.command]
    assert sorted(expressions) == [
        "leaves_streams",
        "looks_on",
        "not own_world and not stops_servers and not looks_on and not leaves_streams",
        "own_world",
        "stops_servers",
    ]


def test_browser_tests_share_the_stack_only_with_what_leaves_it_as_it_is() -> None:
    steps = {step.name: step for step in checks.all_tests()}
    assert set(steps["tests in a browser"].after) == {"tests on the stack", "tests in worlds of their own"}
    assert set(steps["tests that look on"].after) == {"tests in worlds of their own"}
    assert set(steps["tests beside a browser"].after) == {"tests on the stack", "tests that look on"}
    assert set(steps["tests that stop servers"].after) == {"tests in a browser", "tests beside a browser"}


def test_every_step_waits_only_for_steps_that_there_are() -> None:
    for steps in (checks.static_checks(), checks.all_tests(), checks.chosen_tests([])):
        names = {step.name for step in steps}
        assert {name for step in steps for name in step.after} <= names


@pytest.fixture
def campaigns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the campaigns of the fault suite are kept, with one of before."""
    monkeypatch.setattr(checks, "CAMPAIGNS", tmp_path)
    (tmp_path / "seed-1.json").touch()
    return tmp_path


def test_the_long_faults_begin_anew_and_after_an_interruption_go_on(
    campaigns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []

    def interrupted(steps: Sequence[Step], _console: Console) -> int:
        asked.append(steps[0].command[1:])
        (campaigns / "seed-1.json").write_text('{"ended": true}')
        (campaigns / "seed-2.json").write_text('{"ended": false}')
        raise KeyboardInterrupt

    def failed(steps: Sequence[Step], _console: Console) -> int:
        """Nothing started: the campaign is where it was."""
        asked.append(steps[0].command[1:])
        return 1

    def ended(steps: Sequence[Step], _console: Console) -> int:
        asked.append(steps[0].command[1:])
        (campaigns / "seed-2.json").write_text('{"ended": true}')
        return 1

    (campaigns / "seed-3.json").touch()
    monkeypatch.setattr(checks, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checks.run_long_faults(Console())
    assert not (campaigns / "seed-3.json").exists(), "what an older run found is not taken over"
    for outcome in (failed, ended, ended):
        monkeypatch.setattr(checks, "run", outcome)
        assert checks.run_long_faults(Console()) == 1
    anew = ["tests/faults", *checks.LONG_FAULTS]
    assert [list(one) for one in asked] == [anew, [*anew, "--resume"], [*anew, "--resume"], anew]
    assert not (campaigns / checks.UNDER_WAY).exists()
