"""A full disk, for Kafka and for HDFS: nothing is lost, nothing comes twice, and all goes on with room again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings import Settings
from tests.faults.campaign import new_campaign
from tests.faults.disorder import full, on_a_small_disk
from tests.faults.world import World

Await = Callable[..., Any]
FULL_SECONDS = 30.0


@pytest.mark.parametrize(("server", "room_mib"), [("kafka", 256), ("datanode", 4096)])
def test_nothing_is_lost_or_doubled_and_all_goes_on_afterwards(
    stack: Settings, seed: int, server: str, room_mib: int, await_condition: Await
) -> None:
    world = World.begin(stack, new_campaign(seed, [f"disk of {server} full"]), await_condition)
    with on_a_small_disk(stack, server, room_mib) as directory:
        with world.loaded() as watch:
            watch.recovered(time.time(), ())
            with full(directory):
                threading.Event().wait(FULL_SECONDS)
            watch.recovered(time.time(), (server,))
        found = world.findings(await_condition)
    assert found.clean, str(found)
