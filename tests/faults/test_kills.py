"""Whatever is killed, and whenever: nothing is lost, nothing comes twice, and fresh data flows again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.metrics import CONTACTS_VERSION, read_state
from infra.settings import Settings
from sqoop.location import location_in_hive
from tests.faults.campaign import STREAMS, Campaign, Kills, begin_or_resume, strike, wait_random
from tests.faults.conftest import finished
from tests.faults.load import Load, admit, ward_of
from tests.faults.oracle import Oracle
from tests.faults.recovery import Watch
from tests.running import run_ward
from tests.stack.alerting import ward_subscriptions

pytestmark = pytest.mark.timeout(2700)

Await = Callable[..., Any]
LONGEST_PAUSE = 6.0
REST_SECONDS = 240


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> Kills:
    options = ("--kills", "--server-kills", "--supervisor-kills", "--together")
    return Kills(*map(request.config.getoption, options))


def test_no_kill_loses_or_doubles_anything(stack: Settings, seed: int, kills: Kills, await_condition: Await) -> None:
    campaign = begin_or_resume(seed, kills)
    doctor = f"{campaign.name.lower()}@faults.example"
    admit(stack, campaign.name)
    ward_subscriptions("add", doctor, "--ward", ward_of(campaign.name))
    run_ward("import-contacts")
    version = location_in_hive(stack, "health.patients").rsplit("/", 1)[-1]
    await_condition(lambda: contacts_in_force(stack) >= version, 60, "detection does not know the patients", 1)
    campaign.save()
    chance = random.Random(f"{seed} {len(campaign.done)}")
    load = Load(stack, campaign.name, seed + len(campaign.done))
    oracle = Oracle(stack, campaign.name, campaign.since, doctor)
    with Watch(stack, f"{campaign.name}-").following() as watch:
        load.start()
        try:
            for fault in campaign.left:
                wait_random(chance, LONGEST_PAUSE, threading.Event().wait)
                struck, servers = strike(stack, fault, chance)
                until = time.time()
                took = watch.recovered(struck, servers)
                campaign.done.append({"fault": fault, "at": struck, "until": until, "recovered": took})
                campaign.acknowledged += load.acknowledged
                load.acknowledged.clear()
                campaign.save()
        finally:
            load.finish()
    campaign.acknowledged += load.acknowledged
    await_condition(
        lambda: is_at_rest(stack, oracle, campaign), REST_SECONDS, "what was written did not come to rest", 2
    )
    found = oracle.findings(campaign.acknowledged, campaign.sns_killed)
    campaign.findings, campaign.ended = str(found), found.clean
    campaign.save()
    finished.append(campaign)
    assert found.clean, str(found)


def contacts_in_force(settings: Settings) -> str:
    state = read_state(settings, "detect-breaches")
    return state.in_force.get(CONTACTS_VERSION, "") if state else ""


def is_at_rest(settings: Settings, oracle: Oracle, campaign: Campaign) -> bool:
    """Whether all streams have worked off everything, and every notification was sent and mailed on."""
    states = [read_state(settings, stream) for stream in STREAMS]
    if any(state is None or state.lag for state in states):
        return False
    return oracle.is_mailed(campaign.sns_killed)
