"""What the watch says of a watchdog that stays away; SNS and SQS are moto in this process, nothing else is there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from moto import mock_aws

from alerts.topics import ensure_topics
from alerts.watchdog import BODY
from alerts.watchdog_queue import WatchdogQueue
from dags.lib import watchdog_path
from infra.clients import aws_client
from infra.errors import UnavailableError
from infra.settings import Alerts, Settings, Streams

IMPATIENT = Settings(alerts=Alerts(sns_endpoint_url="aws"), streams=Streams(max_watchdog_seconds=4))
PATIENT = Settings(alerts=Alerts(sns_endpoint_url="aws"))


class Variables(dict[str, Any]):
    """Airflow's variables."""

    def get(self, key: str, default: Any = None, **_options: Any) -> Any:
        return super().get(key, default)

    def set(self, key: str, value: Any, **_options: Any) -> None:
        self[key] = value


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Variables]:
    """No server but moto; what is published is lost, and neither outbox nor queue has it. The clock leaps by 5 s."""
    kept = Variables()
    clock = itertools.count(1_790_000_000_000, 5000)
    monkeypatch.setattr(watchdog_path, "now_ms", lambda: next(clock))
    monkeypatch.setattr(watchdog_path, "Variable", kept)
    monkeypatch.setattr(watchdog_path, "ARRIVE_SECONDS", 0.0)
    monkeypatch.setattr(watchdog_path, "publish", lambda *_arguments: None)
    monkeypatch.setattr(watchdog_path, "_in_outbox", lambda *_arguments: "")
    monkeypatch.setattr(watchdog_path, "_in_queue", lambda *_arguments: "")
    with mock_aws():
        yield kept


def pass_on(settings: Settings, _topic: str, _key: str, reading: Mapping[str, Any], _seconds: float) -> None:
    """The whole path at once."""
    sns = aws_client(settings, "sns")
    body = BODY.format(source_id=reading["reading_id"], notification_id="n" * 32)
    sns.publish(TopicArn=ensure_topics(settings, sns).watchdog, Subject="[WATCHDOG]", Message=body)


def refuse(*_arguments: Any) -> None:
    raise UnavailableError("Kafka", "broker:9092", "no answer")


def test_one_that_comes_through_is_noted_and_nothing_is_said(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog_path, "publish", pass_on)
    walk = watchdog_path.send(IMPATIENT)
    assert watchdog_path.absence(IMPATIENT, walk, impaired=False) == ""
    assert variables[watchdog_path.MEMORY]["came"] == walk.sent


def test_one_that_stays_away_is_waited_for() -> None:
    assert watchdog_path.absence(PATIENT, watchdog_path.send(PATIENT), impaired=False) == ""


def test_nothing_is_said_while_the_path_is_known_to_be_broken() -> None:
    assert watchdog_path.absence(IMPATIENT, watchdog_path.send(IMPATIENT), impaired=True) == ""


def test_an_absence_says_that_detection_had_it_last() -> None:
    said = watchdog_path.absence(IMPATIENT, watchdog_path.send(IMPATIENT), impaired=False)
    assert "lets nothing through" in said
    assert "none has ever come" in said
    assert "in vital-info and not in doctors-queue" in said


def test_the_furthest_place_that_any_has_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = watchdog_path.send(IMPATIENT)
    monkeypatch.setattr(watchdog_path, "_in_queue", lambda *_arguments: "queue")
    assert watchdog_path.whereabouts(IMPATIENT, walk, [walk.sent]) == "queue"
    monkeypatch.setattr(watchdog_path, "_in_outbox", lambda *_arguments: "outbox")
    assert watchdog_path.whereabouts(IMPATIENT, walk, [walk.sent]) == "outbox"


def test_a_kafka_that_takes_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog_path, "publish", refuse)
    said = watchdog_path.absence(IMPATIENT, watchdog_path.send(IMPATIENT), impaired=False)
    assert "Kafka does not take them: Kafka at broker:9092" in said


def test_an_end_that_cannot_be_asked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WatchdogQueue, "prepare", refuse)
    said = watchdog_path.absence(IMPATIENT, watchdog_path.send(IMPATIENT), impaired=False)
    assert "Whether one has come cannot be seen" in said
