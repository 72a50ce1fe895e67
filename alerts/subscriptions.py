"""Brings SNS in line with the table of subscriptions, as often as needed: every step may be repeated.

On the embedded SNS, which sends no email, each email subscription is mirrored by a queue with the same filter policy;
the mailer empties it. On the real SNS a subscription hears nothing until its reader has confirmed it.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from botocore.exceptions import ClientError
from pymysql.connections import Connection

from alerts.database import in_transaction
from alerts.outbox import requeue_lost
from alerts.subscriptions_table import State, Subscription, load_subscriptions, set_state
from alerts.topics import TopicArns, ensure_topics, is_gone, is_passing, sns_errors
from infra.clients import aws_client
from infra.locks import named_lock
from infra.log import get_logger
from infra.settings import Settings

PENDING = "PendingConfirmation"
LOCK_SECONDS = 30
log = get_logger("subscriptions")

Known = dict[tuple[str, str], str]
"""What SNS has on one topic: (protocol, endpoint) -> subscription ARN, or PENDING."""


def queue_name(subscription_id: int) -> str:
    """The queue that mirrors a subscription on the embedded SNS."""
    return f"wardwatch-mail-{subscription_id}"


def reconcile(
    settings: Settings, connection: Connection[Any], none_sent: AbstractContextManager[Any] | None = None
) -> TopicArns:
    """Make topics, subscriptions and filter policies in SNS what the table says, and note what SNS says in the table.

    When the embedded SNS turns out to have forgotten a subscription, mails that it may have lost are put back into the
    outbox first, within `none_sent`: what SNS took before its subscription was back must be noted as sent by then, else
    it is not put back. Then SNS is told of the subscription; after a crash in between it is found forgotten again.
    Without `none_sent` another process may send at the same time, and they are put back once more at the end.
    Subscriptions in SNS that the table does not know are left alone. Raises UnavailableError.
    """
    with named_lock(settings, "wardwatch:subscriptions", LOCK_SECONDS), sns_errors(settings):
        sns = aws_client(settings, "sns")
        sqs = aws_client(settings, "sqs") if settings.embedded_email else None
        arns = ensure_topics(settings, sns)
        known = {topic: _known(sns, arns.of(topic)) for topic in ("doctors", "ops")}
        with connection.cursor() as cursor:
            subscriptions = load_subscriptions(cursor)
        forgotten = [one for one in subscriptions if sqs and _is_forgotten(one, known[one.topic])]
        with none_sent if none_sent and forgotten else nullcontext():
            if forgotten:
                again = in_transaction(connection, requeue_lost)
                log.warning("SNS had forgotten subscriptions", subscriptions=len(forgotten), mails_sent_again=again)
            for subscription in subscriptions:
                worker = _Reconciler(sns, sqs, arns.of(subscription.topic), known[subscription.topic], connection)
                worker.try_to_bring_in_line(subscription)
        if forgotten and none_sent is None:
            # Another process publishes: what it sent meanwhile may have reached nobody.
            in_transaction(connection, requeue_lost)
    return arns


def _known(sns: Any, topic_arn: str) -> Known:
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    return {
        (found["Protocol"], found["Endpoint"]): found["SubscriptionArn"]
        for page in pages
        for found in page["Subscriptions"]
        if is_listed(found["SubscriptionArn"])
    }


def _is_forgotten(subscription: Subscription, known: Known) -> bool:
    """Whether the embedded SNS no longer has the queue of a subscription that was confirmed."""
    name = queue_name(subscription.subscription_id)
    return subscription.state == "confirmed" and not any(_is_queue(name, *of) for of in known)


def _is_queue(name: str, protocol: str, endpoint: str) -> bool:
    return protocol == "sqs" and endpoint.rpartition(":")[2] == name


def is_listed(arn: str) -> bool:
    """Whether SNS has it. One that its reader has ended is listed for some time, as `Deleted`."""
    return arn == PENDING or arn.startswith("arn:")


class _Reconciler:
    """Brings subscriptions of one topic in line."""

    def __init__(self, sns: Any, sqs: Any | None, topic_arn: str, known: Known, connection: Connection[Any]) -> None:
        self._sns = sns
        self._sqs = sqs
        self._topic_arn = topic_arn
        self._known = known
        self._connection = connection

    def try_to_bring_in_line(self, subscription: Subscription) -> None:
        """`bring_in_line`, but a subscription that SNS will not have does not keep the others from being served. While
        SNS cannot, what is in force stays so until the next comparison."""
        try:
            self.bring_in_line(subscription)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if is_passing(error):
                log.warning("a subscription waits", subscription_id=subscription.subscription_id, code=code)
                return
            log.error("SNS refuses a subscription", subscription_id=subscription.subscription_id, code=code)
            if subscription.state == "confirmed":
                # What it was changed to is not in force: nobody may count on it.
                with self._connection.cursor() as cursor:
                    set_state(cursor, subscription.subscription_id, "wanted", subscription.sns_arn)

    def bring_in_line(self, subscription: Subscription) -> None:
        """Do what one subscription needs."""
        if subscription.state == "removed":
            self._remove(subscription)
            return
        if self._sqs is not None:
            self._mirror(subscription)
        arn = self._ensure("email", subscription.email, subscription)
        confirmed = arn.startswith("arn:") and (self._sqs is not None or self._was_confirmed(subscription))
        state: State = "confirmed" if confirmed else "pending"
        kept_arn = arn if arn.startswith("arn:") else subscription.sns_arn
        if (state, kept_arn) != (subscription.state, subscription.sns_arn):
            with self._connection.cursor() as cursor:
                set_state(cursor, subscription.subscription_id, state, kept_arn)

    def _was_confirmed(self, subscription: Subscription) -> bool:
        """Listed with an ARN before this run: a subscription that was only just made waits for its reader."""
        return self._known.get(("email", subscription.email), PENDING) != PENDING

    def _mirror(self, subscription: Subscription) -> None:
        assert self._sqs is not None
        url = self._sqs.create_queue(QueueName=queue_name(subscription.subscription_id))["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self._ensure("sqs", answer["Attributes"]["QueueArn"], subscription)

    def _ensure(self, protocol: str, endpoint: str, subscription: Subscription) -> str:
        """Subscribe, or correct the filter of what is subscribed; the ARN, or PENDING."""
        policy = subscription.filter_policy()
        arn = self._known.get((protocol, endpoint))
        if arn is None:
            made = self._sns.subscribe(
                TopicArn=self._topic_arn,
                Protocol=protocol,
                Endpoint=endpoint,
                Attributes={"FilterPolicy": json.dumps(policy)} if policy else {},
                ReturnSubscriptionArn=True,
            )
            return str(made["SubscriptionArn"])
        if arn != PENDING:
            self._correct_filter(arn, policy)
        return arn

    def _correct_filter(self, arn: str, policy: dict[str, list[str]]) -> None:
        attributes = self._sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        if json.loads(attributes.get("FilterPolicy") or "{}") != policy:
            self._sns.set_subscription_attributes(
                SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=json.dumps(policy)
            )

    def _remove(self, subscription: Subscription) -> None:
        self._unsubscribe(self._known.get(("email", subscription.email)))
        if self._sqs is not None:
            name = queue_name(subscription.subscription_id)
            for (protocol, endpoint), arn in self._known.items():
                if _is_queue(name, protocol, endpoint):
                    self._unsubscribe(arn)
            self._delete_queue(name)

    def _unsubscribe(self, arn: str | None) -> None:
        if arn and arn != PENDING:
            self._sns.unsubscribe(SubscriptionArn=arn)

    def _delete_queue(self, name: str) -> None:
        assert self._sqs is not None
        try:
            self._sqs.delete_queue(QueueUrl=self._sqs.get_queue_url(QueueName=name)["QueueUrl"])
        except ClientError as error:
            if not is_gone(error):
                raise
