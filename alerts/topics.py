"""The SNS topics: one for doctors, one for ops, and one that only the watchdog passes through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import UnavailableError
from infra.settings import Settings

GONE = ("NotFound", "NotFoundException", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
"""Error codes that say that a topic, subscription or queue does not exist."""


TOO_MANY = ("TooManyRequestsException", "RequestLimitExceeded")
"""Error codes that say that AWS is asked too often, besides those of throttling."""


@dataclass(frozen=True)
class TopicArns:
    """Addresses of the topics, by the names that the outbox and the subscriptions use."""

    doctors: str
    ops: str
    watchdog: str

    def of(self, topic: str) -> str:
        return {"ops": self.ops, "watchdog": self.watchdog}.get(topic, self.doctors)


def ensure_topics(settings: Settings, sns: Any) -> TopicArns:
    """Create the topics; one that exists is left as it is."""
    return TopicArns(
        doctors=sns.create_topic(Name=settings.alerts.doctors_topic)["TopicArn"],
        ops=sns.create_topic(Name=settings.alerts.ops_topic)["TopicArn"],
        watchdog=sns.create_topic(Name=settings.alerts.watchdog_topic)["TopicArn"],
    )


def topics_exist(sns: Any, arns: TopicArns) -> bool:
    """False when SNS has forgotten a topic, as the embedded one does when it restarts."""
    try:
        sns.get_topic_attributes(TopicArn=arns.doctors)
        sns.get_topic_attributes(TopicArn=arns.ops)
    except ClientError as error:
        if is_gone(error):
            return False
        raise
    return True


def is_gone(error: ClientError) -> bool:
    """Whether AWS says that what was named does not exist."""
    return error.response.get("Error", {}).get("Code") in GONE


def is_passing(error: ClientError) -> bool:
    """Whether AWS says that it cannot now, whatever it was asked."""
    code = str(error.response.get("Error", {}).get("Code"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status == 429 or "Throttl" in code or code in TOO_MANY


@contextmanager
def sns_errors(settings: Settings) -> Iterator[None]:
    """Errors of AWS within become an UnavailableError that names SNS and its address."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        address = settings.sns_endpoint_url or f"AWS {settings.alerts.aws_region}"
        raise UnavailableError("SNS", address, error) from error
