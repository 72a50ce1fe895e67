"""Servers that hang, connections that are cut or slow, a broker that is away: nothing is lost, nothing comes twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from clinical.topics import VITAL_INFO
from infra import supervise
from infra.settings import Settings
from tests.faults.campaign import Campaign, new_campaign
from tests.faults.conftest import finished
from tests.faults.disorder import cut_connections, hang, slow_down
from tests.faults.world import World

pytestmark = pytest.mark.timeout(2700)

Await = Callable[..., Any]
SPOKEN_TO = (
    "mariadb",
    "kafka",
    "namenode",
    "datanode",
    "hbase",
    "hbase-thrift",
    "metastore",
    "hiveserver2",
    "sns",
    "inbox",
)
HANGING_SECONDS = 20.0
SLOW_SECONDS = 20.0
AWAY_SECONDS = 120.0


def run(stack: Settings, campaign: Campaign, fault: Callable[[Settings, str], None], await_condition: Await) -> None:
    """Each fault of the campaign under load, each until everything is fresh again; then the oracle."""
    world = World.begin(stack, campaign, await_condition)
    with world.loaded() as watch:
        for name in campaign.faults:
            began = time.time()
            fault(stack, name)
            ended = time.time()
            took = watch.recovered(ended, (name,))
            campaign.done.append({"fault": f"{fault.__name__} {name}", "at": began, "until": ended, "recovered": took})
    found = world.findings(await_condition)
    campaign.findings = str(found)
    finished.append(campaign)
    assert found.clean, str(found)


def hangs(settings: Settings, name: str) -> None:
    hang(settings, name, HANGING_SECONDS)


def is_cut_off(settings: Settings, name: str) -> None:
    cut_connections(settings, name)


def is_slow(settings: Settings, name: str) -> None:
    slow_down(settings, name, SLOW_SECONDS)


@pytest.mark.parametrize("fault", [hangs, is_cut_off, is_slow])
def test_each_server_in_turn(
    stack: Settings, seed: int, fault: Callable[[Settings, str], None], await_condition: Await
) -> None:
    run(stack, new_campaign(seed, list(SPOKEN_TO)), fault, await_condition)


def test_a_broker_that_is_away_for_two_minutes(stack: Settings, seed: int, await_condition: Await) -> None:
    world = World.begin(stack, new_campaign(seed, ["kafka away"]), await_condition)
    with world.loaded() as watch:
        watch.recovered(time.time(), ())
        supervise.stop(stack, "kafka")
        try:
            threading.Event().wait(AWAY_SECONDS)
        finally:
            supervise.start(stack, "kafka")
        watch.wait_for(VITAL_INFO, time.time())
        watch.recovered(time.time(), ("kafka",))
    found = world.findings(await_condition)
    assert found.clean, str(found)
