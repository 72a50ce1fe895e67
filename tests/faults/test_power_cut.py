"""The power goes: nothing is lost and nothing comes twice where Kafka flushes each write (`kafka.flush_each_write`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.settings import Settings
from tests.faults.campaign import EVERYTHING, new_campaign
from tests.faults.disorder import cut_power, on_a_disk_of_its_own
from tests.faults.world import World
from tests.running import run_ward

pytestmark = [pytest.mark.timeout(1800), pytest.mark.stops_servers]

Await = Callable[..., Any]
CUTS = 2
ROOM_GIB = 8


@pytest.fixture
def kafka_flushes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of a stack that is started meanwhile; the next one does as it is told by its own settings."""
    with monkeypatch.context() as set_meanwhile:
        set_meanwhile.setenv("WARDWATCH_KAFKA__FLUSH_EACH_WRITE", "true")
        yield
    run_ward("up")


@pytest.mark.usefixtures("kafka_flushes")
def test_nothing_is_lost_or_doubled_when_the_power_goes(stack: Settings, seed: int, await_condition: Await) -> None:
    run_ward("down")
    with on_a_disk_of_its_own(stack, ROOM_GIB) as image:
        run_ward("up")
        campaign = new_campaign(seed, [EVERYTHING] * CUTS)
        world = World.begin(stack, campaign, await_condition)
        with world.loaded() as watch:
            for _ in range(CUTS):
                watch.recovered(time.time(), ())
                at = cut_power(stack, image)
                gone = time.time()
                run_ward("up")
                took = watch.recovered(gone, ())
                campaign.done.append({"fault": EVERYTHING, "at": at, "until": gone, "recovered": took})
        found = world.findings(await_condition)
    assert found.clean, str(found)
