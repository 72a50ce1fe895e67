"""The power goes: what was acknowledged is on the disk, and all comes up again with nothing lost and nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable
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
    run_ward("up")
    assert found.clean, str(found)
