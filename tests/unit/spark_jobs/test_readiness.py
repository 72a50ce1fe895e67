"""What a stream of Spark does at its start while a server is away: without any server, and without Spark."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from infra.errors import UnavailableError
from infra.metrics import StreamMetrics
from infra.settings import Settings
from spark_jobs import derive_vitals, detect_breaches, land_vitals
from spark_jobs.landing import readiness


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that is taken, and at which nobody listens."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{silent.getsockname()[1]}"


def kafka_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "TIMEOUT_SECONDS", 0.1)


def namenode_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_require_topics", Mock())


def metastore_away(monkeypatch: pytest.MonkeyPatch) -> None:
    namenode_away(monkeypatch)
    monkeypatch.setattr(readiness, "hdfs", Mock())


@pytest.mark.parametrize("stream", [land_vitals, detect_breaches, derive_vitals], ids=lambda stream: stream.NAME)
@pytest.mark.parametrize(
    ("only_from_here_on", "server"),
    [(kafka_away, "Kafka"), (namenode_away, "HDFS"), (metastore_away, "Hive metastore")],
)
def test_a_server_that_is_away_at_the_start_is_asked_again_and_then_named(
    monkeypatch: pytest.MonkeyPatch,
    nobody: str,
    stream: ModuleType,
    only_from_here_on: Callable[[pytest.MonkeyPatch], None],
    server: str,
) -> None:
    settings = Settings.model_validate(
        {
            "start_retry_seconds": 3,  # the first try alone may take long beside the tests on the servers
            "kafka": {"bootstrap_servers": nobody},
            "hadoop": {"webhdfs_url": f"http://{nobody}", "metastore_uri": f"thrift://{nobody}"},
            "mysql": {"port": int(nobody.rpartition(":")[2])},
            "alerts_password": "unused",
        }
    )
    only_from_here_on(monkeypatch)
    with capture_logs() as said, pytest.raises(UnavailableError, match=f"^{server} at .*{nobody}"):
        stream.body(settings, StreamMetrics(stream.NAME), threading.Event())
    assert said
    assert all(line["event"] == "retrying" and line["reason"].startswith(f"{server} at ") for line in said)
