"""The stand-in for SNS and SQS forgets what it has sent, and delivers all the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import moto.sns.models
import moto.sqs.models
import pytest
from moto import mock_aws

from infra import sns_stand_in
from infra.settings import PROJECT_ROOT
from infra.sns_stand_in import Recent, install

ACCOUNT, REGION = "123456789012", "eu-central-1"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """Of SNS and SQS, of which each remembers ten."""
    for kind in (moto.sns.models.Topic, moto.sqs.models.Queue):
        monkeypatch.setattr(kind, "__init__", kind.__init__)  # put back at the end
    monkeypatch.setattr(sns_stand_in, "KEPT", 10)
    install()
    with mock_aws():
        account = {"region_name": REGION, "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        yield boto3.client("sns", **account), boto3.client("sqs", **account)


def test_every_message_is_delivered_once_and_only_the_newest_are_remembered(clients: tuple[Any, Any]) -> None:
    sns, sqs = clients
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="mail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    delivered = []
    for number in range(35):
        sns.publish(TopicArn=topic, Message=f"message {number}")
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        delivered.append(message["MessageId"])
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert len(set(delivered)) == 35
    topics = moto.sns.models.sns_backends[ACCOUNT][REGION].topics
    assert len(topics[topic].sent_notifications) == 10
    queues = moto.sqs.models.sqs_backends[ACCOUNT][REGION].queues
    assert len(queues["mail"].deleted_messages) == 10


def test_of_receipts_the_oldest_go_first() -> None:
    recent = Recent(maxlen=2)
    recent.update({"first"})
    recent.update({"second"})
    recent.update({"third"})
    assert list(recent) == ["second", "third"]


def test_it_is_started_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.sns_stand_in", "--help"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout
