"""What `./ward import-contacts` says about detection, by the metrics that detection serves."""

import socket
from collections.abc import Iterator

import pytest

from infra.metrics import CONTACTS_VERSION, StreamMetrics
from infra.settings import Ports, Settings
from sqoop.cli import DETECTION, await_detection


@pytest.fixture
def settings() -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Settings(ports=Ports(metrics_detect_breaches=port))


@pytest.fixture
def metrics(settings: Settings) -> Iterator[StreamMetrics]:
    metrics = StreamMetrics(DETECTION)
    server, thread = metrics.serve(settings)
    yield metrics
    server.shutdown()
    thread.join()


def test_detection_that_has_the_snapshot_or_a_later_one_is_not_waited_for(
    settings: Settings, metrics: StreamMetrics
) -> None:
    metrics.in_force(thresholds="t", **{CONTACTS_VERSION: "20260102T000000000Z"})
    for version in ("20260101T000000000Z", "20260102T000000000Z"):
        assert await_detection(settings, version) == "Breaches carry it from now on."


def test_detection_that_stays_with_an_older_snapshot_is_named(settings: Settings, metrics: StreamMetrics) -> None:
    metrics.in_force(thresholds="t", **{CONTACTS_VERSION: "20260101T000000000Z"})
    said = await_detection(settings, "20260102T000000000Z", seconds=0)
    assert said.startswith("Detection has not taken it up after 0 s")


def test_detection_that_does_not_run_is_no_error(settings: Settings) -> None:
    assert await_detection(settings, "20260102T000000000Z").startswith("Detection does not run")
