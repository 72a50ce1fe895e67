"""The queue at the end of the watchdog's way, on moto in this process, which is the embedded SNS and SQS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from alerts.message import UNKNOWN_WARD
from alerts.topics import ensure_topics
from alerts.watchdog import BODY
from alerts.watchdog_queue import WatchdogQueue, queue_policy
from infra.clients import aws_client
from infra.errors import UnavailableError
from infra.settings import Alerts, Settings

SENT = 1_790_000_000_000
SETTINGS = Settings(alerts=Alerts(sns_endpoint_url="aws"))


@pytest.fixture
def sns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield aws_client(SETTINGS, "sns")


@pytest.fixture
def queue(sns: Any) -> WatchdogQueue:
    made = WatchdogQueue(SETTINGS)
    made.prepare()
    return made


def tell(sns: Any, sent: int) -> None:
    """Publish a watchdog as the outbox does."""
    sns.publish(
        TopicArn=ensure_topics(SETTINGS, sns).watchdog,
        Subject="[WATCHDOG] The alarm path works",
        Message=BODY.format(source_id=-sent, notification_id="n" * 32),
        MessageAttributes={"ward": {"DataType": "String", "StringValue": UNKNOWN_WARD}},
    )


def test_a_watchdog_arrives_with_the_time_of_its_arrival_and_only_once(sns: Any, queue: WatchdogQueue) -> None:
    tell(sns, SENT)
    [(sent, arrived)] = queue.arrivals(SENT, 2).items()
    assert sent == SENT
    assert arrived > 1_600_000_000_000
    assert queue.arrivals(SENT, 0) == {}


def test_more_than_one_poll_can_hold_arrive_in_one_look(sns: Any, queue: WatchdogQueue) -> None:
    for minute in range(25):
        tell(sns, SENT + minute)
    assert sorted(queue.arrivals(SENT + 24, 5)) == [SENT + minute for minute in range(25)]


def test_what_is_no_watchdog_is_thrown_away(sns: Any, queue: WatchdogQueue) -> None:
    sns.publish(TopicArn=ensure_topics(SETTINGS, sns).watchdog, Message="hello")
    assert queue.arrivals(SENT, 0) == {}


def test_preparing_again_changes_nothing(sns: Any, queue: WatchdogQueue) -> None:
    WatchdogQueue(SETTINGS).prepare()
    topic = ensure_topics(SETTINGS, sns).watchdog
    [one] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert one["Protocol"] == "sqs"
    tell(sns, SENT)
    assert list(queue.arrivals(SENT, 2)) == [SENT]
    assert queue.arrivals(SENT, 0) == {}


def test_only_the_topic_may_send_and_nothing_is_kept_for_long(sns: Any, queue: WatchdogQueue) -> None:
    sqs = aws_client(SETTINGS, "sqs")
    url = sqs.get_queue_url(QueueName=SETTINGS.alerts.watchdog_topic)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    topic = ensure_topics(SETTINGS, sns).watchdog
    assert json.loads(found["Policy"]) == queue_policy(topic, found["QueueArn"])
    assert found["MessageRetentionPeriod"] == "3600"


def test_a_queue_that_sns_has_forgotten_is_an_error_until_it_is_prepared_again(sns: Any, queue: WatchdogQueue) -> None:
    sqs = aws_client(SETTINGS, "sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=SETTINGS.alerts.watchdog_topic)["QueueUrl"])
    with pytest.raises(UnavailableError, match="SNS"):
        queue.arrivals(SENT, 0)
    queue.prepare()
    tell(sns, SENT)
    assert list(queue.arrivals(SENT, 2)) == [SENT]
