"""`./ward down` and `./ward up`, while devices write and doctors acknowledge: every byte is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from alerts.inbox import received_mails
from clinical.topics import TOPICS
from hbase.table import read_state
from infra.airflow_api import AirflowApi
from infra.kafka_io import committed_messages
from infra.settings import Settings
from tests.faults.campaign import EVERYTHING, new_campaign
from tests.faults.editors import edited_row
from tests.faults.world import World
from tests.running import run_ward

pytestmark = pytest.mark.stops_servers

Await = Callable[..., Any]


def kept(settings: Settings) -> dict[str, dict[Any, Any]]:
    """What each server holds, by what identifies it. The oracle compares MySQL, Hive and the row that ops edit."""
    topics = [topic.name for topic in TOPICS if not topic.compacted]
    thresholds = read_state(settings)
    edited = edited_row(thresholds)
    with AirflowApi(settings) as api:
        runs = {(run["dag_id"], run["dag_run_id"]): run["logical_date"] for run in api.runs("~")}
    return {
        "Kafka": {
            (message.topic(), message.partition(), message.offset()): (message.key(), message.value())
            for message in committed_messages(settings, topics)
        },
        "HBase": {
            (row, column): (text, thresholds.written_at[row][column])
            for row, cells in thresholds.cells.items()
            if row != edited
            for column, text in cells.items()
        },
        "the inbox": {mail.mail_id: (mail.subject, mail.text) for mail in received_mails(settings)},
        "Airflow": runs,
    }


def test_down_and_up_keep_every_byte_and_what_is_written_meanwhile_comes_later(
    stack: Settings, seed: int, await_condition: Await
) -> None:
    campaign = new_campaign(seed, [EVERYTHING])
    world = World.begin(stack, campaign, await_condition)
    with world.loaded() as watch:
        watch.recovered(time.time(), ())
        before = kept(stack)
        told = time.time()
        run_ward("down")
        stopped = time.time()
        run_ward("up")
        took = watch.recovered(stopped, ())
        campaign.done.append({"fault": EVERYTHING, "at": told, "until": stopped, "recovered": took})
    after = kept(stack)
    assert all(before.values())
    assert {server: held.items() - after[server].items() for server, held in before.items()} == {
        server: set() for server in before
    }
    found = world.findings(await_condition)
    assert found.clean, str(found)
