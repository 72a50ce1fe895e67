"""The stack on which faults strike, and the options of the fault suite."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.settings import Settings
from tests.faults.campaign import Campaign
from tests.running import running_stack, show_complaints, use_test_stack, wait_or_fail

LANDING_SECONDS = "5"
"""Shorter than the default of 30: so many more batches are hit, and recovery is seen sooner."""

finished: list[Campaign] = []
"""Campaigns of this run, for the table at its end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--seeds", default="1", help="seeds of the campaigns, with commas; default: 1")
    group.addoption(
        "--resume", action="store_true", help="what campaigns of seeds that have ended found is told, not found again"
    )
    for option, default, what in (
        ("--kills", 1, "how often each stream is killed"),
        ("--server-kills", 1, "how often each server is killed"),
        ("--supervisor-kills", 0, "how often the supervisor alone is killed"),
        ("--everything-kills", 0, "how often everything is killed at once, supervisor and all"),
        ("--together", 3, "how many are killed at a time"),
        ("--alone", 0, "how many of these kills strike nothing else, for the recovery time of each"),
    ):
        group.addoption(option, type=int, default=default, help=f"{what}, by seed; default: {default}")


def pytest_configure() -> None:
    use_test_stack()


turn = itertools.count()
"""Whose turn it is among the seeds."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What a seed changes runs with every one; each of the other tests with one of them, so that none takes long."""
    if "seed" not in metafunc.fixturenames:
        return
    seeds = [int(seed) for seed in metafunc.config.getoption("--seeds").split(",")]
    if metafunc.definition.get_closest_marker("every_seed") is None:
        seeds = [seeds[next(turn) % len(seeds)]]
    metafunc.parametrize("seed", seeds)


@pytest.fixture(scope="session")
def stack() -> Iterator[Settings]:
    """A running stack: the one that the tests of `tests/stack/` before these have started, or one of its own with the
    data that an earlier one left."""
    with running_stack(WARDWATCH_SPARK__LANDING_INTERVAL_SECONDS=LANDING_SECONDS) as settings:
        yield settings


@pytest.fixture(scope="session")
def await_condition() -> Callable[..., Any]:
    """`await_condition(fn, seconds, message, interval=0.25)`, see `wait_or_fail`."""
    return wait_or_fail


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    return show_complaints((yield))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of faults and recovery times."""
    for campaign in finished:
        terminalreporter.section(f"campaign of seed {campaign.seed}")
        terminalreporter.write_line(campaign.findings)
        for fault in sorted({done["fault"] for done in campaign.done}):
            took = [done["recovered"] for done in campaign.done if done["fault"] == fault]
            longest = [max(stages.values()) for stages in took]
            slowest = max(took[-1], key=lambda stage: took[-1][stage])
            terminalreporter.write_line(
                f"{fault:20} {len(took):3} x  fresh again after {min(longest):6.1f} to {max(longest):6.1f} s"
                f"  (last: {slowest})"
            )
