"""HDFS refuses for a while: nothing is lost, nothing comes twice, and all goes on when it takes files again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clinical.topics import VITAL_INFO
from infra import java
from infra.clients import hdfs
from infra.errors import UnavailableError
from infra.settings import Settings
from tests.faults.campaign import new_campaign
from tests.faults.world import World

Await = Callable[..., Any]
REFUSED_SECONDS = 30
"""Longer than an epoch of detection, and than several batches of landing."""


def admin(settings: Settings, *arguments: str) -> None:
    """Run `hdfs dfsadmin`."""
    command = java.command(
        settings,
        "hdfs",
        "org.apache.hadoop.hdfs.tools.DFSAdmin",
        *arguments,
        heap="128m",
        conf=("hadoop",),
        flags=java.HDFS_FLAGS,
    )
    subprocess.run(command, env={"HADOOP_USER_NAME": settings.hadoop.user}, check=True, capture_output=True)


@contextmanager
def safe_mode(settings: Settings) -> Iterator[None]:
    admin(settings, "-safemode", "enter")
    try:
        yield
    finally:
        admin(settings, "-safemode", "leave")


@contextmanager
def over_quota(settings: Settings) -> Iterator[None]:
    """Everything of ours has more names already than are allowed from now on, so that none can be added."""
    admin(settings, "-setQuota", "1", settings.hadoop.warehouse)
    try:
        yield
    finally:
        admin(settings, "-clrQuota", settings.hadoop.warehouse)


@pytest.mark.parametrize("refusal", [safe_mode, over_quota])
def test_nothing_is_lost_or_doubled_and_all_goes_on_afterwards(
    stack: Settings, seed: int, refusal: Callable[..., Any], await_condition: Await
) -> None:
    world = World.begin(stack, new_campaign(seed, [refusal.__name__]), await_condition)
    with world.loaded() as watch:
        watch.recovered(time.time(), ())
        with refusal(stack):
            with pytest.raises((UnavailableError, RuntimeError), match=r"SafeMode|quota"):
                hdfs(stack).makedirs(stack.hdfs_path("refused"))
            watch.wait_for(VITAL_INFO, time.time() + REFUSED_SECONDS)
        watch.recovered(time.time(), ())
    found = world.findings(await_condition)
    assert found.clean, str(found)
