"""A server that stays down: `./ward status` shows it, the watch over the streams fails, and ops are told once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra import supervise
from infra.airflow_api import AirflowApi
from infra.settings import Settings
from tests.running import run_ward, ward
from tests.stack.alerting import MAIL_SECONDS
from tests.stack.watching import FAILED, LIMITS, OVER, RunStreams, WatchMails, fails, paused_streams, running_streams

pytestmark = pytest.mark.stops_servers

Await = Callable[..., Any]
LOOKS = 5
BACK_SECONDS = 300


@pytest.fixture(scope="module")
def run_streams(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStreams]:
    """Runs the DAG `streams` once, with short limits of patience; the states of the run and of its tasks."""
    with running_streams(stack, tmp_path_factory.mktemp("airflow"), LIMITS) as run:
        yield run


@pytest.fixture
def streams_paused(stack: Settings, await_condition: Await) -> Iterator[None]:
    """The running Airflow leaves the streams alone for the time of a test."""
    with AirflowApi(stack, timeout_seconds=60) as api, paused_streams(api, await_condition):
        yield


@pytest.mark.usefixtures("streams_paused")
@pytest.mark.parametrize("server", ["kafka", "namenode", "hbase"])
def test_a_server_that_stays_down_is_shown_and_ops_are_told_once_and_once_that_it_is_over(
    stack: Settings, server: str, run_streams: RunStreams, await_condition: Await
) -> None:
    """Technical alarms go through Kafka, and with HDFS or HBase others go down: the mail takes the way that does
    without, and is one."""
    assert run_streams()["run"] == "success"
    watch = WatchMails(stack)
    supervise.stop(stack, server)
    try:
        shown = ward("status")
        assert shown.returncode == 1, shown.stdout
        assert re.search(rf"^{server} +down ", shown.stdout, re.MULTILINE), shown.stdout
        assert [fails(run_streams) for _ in range(LOOKS)] == [True] * LOOKS
        await_condition(watch.subjects, MAIL_SECONDS, f"ops were not told while {server} was down", 1)
        assert watch.subjects() == [FAILED]
        assert f"{server} is down: " in watch.mails()[0]["text"]
    finally:
        run_ward("up")
    await_condition(lambda: not fails(run_streams), BACK_SECONDS, f"not everything came back with {server}")
    await_condition(lambda: OVER in watch.subjects(), MAIL_SECONDS, "ops were not told that it is over", 1)
    assert [f"{server} is down: " in mail["text"] for mail in watch.mails()].count(True) == 1
    assert watch.subjects().count(OVER) == 1
    back = ward("status")
    assert re.search(rf"^{server} +up ", back.stdout, re.MULTILINE), back.stdout
