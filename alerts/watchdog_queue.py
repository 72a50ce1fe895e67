"""The end of the watchdog's way: an SQS queue on an SNS topic of its own, with the embedded SNS and with the real one.

A subscription of a queue of the same account needs nobody's confirmation. Everything is made again whenever it is
missing, as it is after a restart of the embedded SNS.
"""

from __future__ import annotations

import json
import time
from typing import Any

from alerts.envelope import read_envelope
from alerts.topics import sns_errors
from alerts.watchdog import watchdogs_in
from infra.clients import aws_client
from infra.settings import Settings

POLL_SECONDS = 1
"""A poll that waits asks all of SQS's servers; one that does not asks a few and may miss a message."""

KEPT_SECONDS = 3600
"""How long SQS keeps what nobody takes, as while the DAG is paused."""

AT_ONCE = 10


class WatchdogQueue:
    """The queue, named as the topic is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sqs: Any = None
        self._url = ""

    def prepare(self) -> None:
        """Make topic, queue and subscription where they are missing. Raises UnavailableError."""
        name = self._settings.alerts.watchdog_topic
        with sns_errors(self._settings):
            sns = aws_client(self._settings, "sns")
            self._sqs = aws_client(self._settings, "sqs")
            topic_arn = sns.create_topic(Name=name)["TopicArn"]
            self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
            queue_arn = self._allow(topic_arn)
            sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn, ReturnSubscriptionArn=True)

    def arrivals(self, newest: int, seconds: float) -> dict[int, int]:
        """Take what came: when each watchdog was sent -> when it arrived (epoch ms).

        Waits for up to `seconds` for the one sent at `newest`. What was taken is gone, also when the caller ends before
        it has made a note: a later one will come. Raises UnavailableError.
        """
        found: dict[int, int] = {}
        deadline = time.monotonic() + seconds
        with sns_errors(self._settings):
            while True:
                for message in self._take():
                    arrived = int(message["Attributes"]["SentTimestamp"])
                    body = read_envelope(message["Body"], message["MessageId"]).body
                    found.update(dict.fromkeys(watchdogs_in(body), arrived))
                if newest in found or time.monotonic() >= deadline:
                    return found

    def _take(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=AT_ONCE,
            WaitTimeSeconds=POLL_SECONDS,
            AttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        if messages:
            entries = [
                {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]} for place, message in enumerate(messages)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return messages

    def _allow(self, topic_arn: str) -> str:
        """Let the topic send to the queue, which the real SQS denies by default; the queue's ARN."""
        names = ["QueueArn", "Policy", "MessageRetentionPeriod"]
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        arn = str(found["QueueArn"])
        policy = queue_policy(topic_arn, arn)
        kept = str(KEPT_SECONDS)
        if json.loads(found.get("Policy") or "{}") != policy or found.get("MessageRetentionPeriod") != kept:
            attributes = {"Policy": json.dumps(policy), "MessageRetentionPeriod": kept}
            self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes=attributes)
        return arn


def queue_policy(topic_arn: str, queue_arn: str) -> dict[str, Any]:
    """The policy by which that topic, and nothing else, may send to that queue."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
            }
        ],
    }
