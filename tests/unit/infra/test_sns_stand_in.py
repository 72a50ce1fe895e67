"""The stand-in for SNS and SQS forgets what it has sent, and delivers all the same, also what comes meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from typing import Any

import boto3
import moto.sns.models
import pytest
from moto import mock_aws
from moto.core.common_models import BaseModel
from moto.sns.models import SNSBackend, Subscription, Topic, sns_backends
from moto.sqs.models import Message, Queue, sqs_backends

from infra import sns_stand_in
from infra.settings import PROJECT_ROOT
from infra.sns_stand_in import Recent, install

ACCOUNT, REGION = "123456789012", "eu-central-1"


PATCHED = (
    (Topic, "__init__"),
    (Queue, "__init__"),
    (Queue, "delete_message"),
    (SNSBackend, "__init__"),
    (Subscription, "private_key"),
    (BaseModel, "__new__"),
    (moto.sns.models, "DEFAULT_PAGE_SIZE"),
)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """Of SNS and SQS, of which each remembers ten."""
    for owner, name in PATCHED:
        monkeypatch.setattr(owner, name, getattr(owner, name))  # put back at the end
    monkeypatch.setattr(sns_stand_in, "KEPT", 10)
    install()
    with mock_aws():
        account = {"region_name": REGION, "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        yield boto3.client("sns", **account), boto3.client("sqs", **account)


def queue_of(clients: tuple[Any, Any], topic: str, name: str) -> str:
    """A new queue to which the topic is delivered; its address."""
    sns, sqs = clients
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return str(url)


def test_every_message_is_delivered_once_and_only_the_newest_are_remembered(clients: tuple[Any, Any]) -> None:
    sns, sqs = clients
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = queue_of(clients, topic, "mail")
    delivered = []
    for number in range(35):
        sns.publish(TopicArn=topic, Message=f"message {number}")
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        delivered.append(message["MessageId"])
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert len(set(delivered)) == 35
    topics = sns_backends[ACCOUNT][REGION].topics
    assert len(topics[topic].sent_notifications) == 10
    queues = sqs_backends[ACCOUNT][REGION].queues
    assert len(queues["mail"].deleted_messages) == 10
    assert not Message.instances_tracked  # type: ignore[attr-defined]  # moto's, for those who test with it
    assert not sns_backends[ACCOUNT][REGION]._message_public_keys


def test_a_message_reaches_every_reader_of_a_topic_however_many_there_are(clients: tuple[Any, Any]) -> None:
    sns, sqs = clients
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queues = [queue_of(clients, topic, f"mail-{number}") for number in range(130)]
    sns.publish(TopicArn=topic, Message="all")
    assert all(sqs.receive_message(QueueUrl=queue).get("Messages") for queue in queues)


def test_a_message_that_comes_while_another_is_deleted_is_kept(
    clients: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sqs = clients
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]
    queue = sqs_backends[ACCOUNT][REGION].queues["mail"]
    sqs.send_message(QueueUrl=url, MessageBody="first")
    (first,) = sqs.receive_message(QueueUrl=url)["Messages"]
    threads: list[Thread] = []

    class Spied(list[Message]):
        """The queue's messages, to which a thread adds one just after they were gone through for the last time."""

        def __iter__(self) -> Iterator[Message]:
            yield from super().__iter__()
            threads.append(Thread(target=queue.add_message, args=(Message("second", "second"),)))
            threads[-1].start()
            threads[-1].join(0.2)

    monkeypatch.setattr(queue, "_messages", Spied(queue._messages))
    queue.delete_message(first["ReceiptHandle"])
    for thread in threads:
        thread.join()
    assert {message.body for message in queue._messages} == {"second"}


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
