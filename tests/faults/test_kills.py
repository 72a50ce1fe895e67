"""Whatever is killed, and whenever: nothing is lost, nothing comes twice, and fresh data flows again."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from infra.settings import Settings
from tests.faults.campaign import Campaign, Kills, begin_or_resume, striking
from tests.faults.conftest import finished
from tests.faults.world import World

pytestmark = [pytest.mark.timeout(2700), pytest.mark.every_seed, pytest.mark.stops_servers]

Await = Callable[..., Any]
LONGEST_PAUSE = 6.0


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> Kills:
    options = ("--kills", "--server-kills", "--supervisor-kills", "--everything-kills", "--together", "--alone")
    return Kills(*map(request.config.getoption, options))


def test_no_kill_loses_or_doubles_anything(
    stack: Settings, seed: int, kills: Kills, await_condition: Await, pytestconfig: pytest.Config
) -> None:
    campaign = begin_or_resume(stack, seed, kills, ended_too=pytestconfig.getoption("--resume"))
    if not campaign.ended:
        carry_out(stack, campaign, await_condition)
    finished.append(campaign)
    assert campaign.clean, campaign.findings
    assert not kills.alone or campaign.too_slow == []


def carry_out(stack: Settings, campaign: Campaign, await_condition: Await) -> None:
    """Do what is left of it, and note what the oracle finds."""
    world = World.begin(stack, campaign, await_condition)
    campaign.save(stack)
    chance = random.Random(f"{campaign.seed} {len(campaign.done)}")
    try:
        with world.loaded() as watch:
            for fault in campaign.left:
                # The seed decides at which moment of a batch, an epoch or a transaction it strikes.
                threading.Event().wait(chance.uniform(0, LONGEST_PAUSE))
                with striking(stack, fault, chance) as struck:
                    since_gone = watch.recovered(struck.gone, struck.servers)
                took = {name: round(struck.gone - struck.at + seconds, 1) for name, seconds in since_gone.items()}
                campaign.done.append({"fault": fault, "at": struck.at, "until": struck.gone, "recovered": took})
                campaign.save(stack)
    finally:
        campaign.save(stack)
    assert campaign.authors, "nobody acknowledged anything"
    found = world.findings(await_condition)
    campaign.findings, campaign.clean, campaign.ended = str(found), found.clean, True
    campaign.save(stack)
