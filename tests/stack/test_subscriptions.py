"""Subscriptions in MySQL, in SNS and in the mailer's queues."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from alerts.bootstrap import bootstrap
from alerts.cli import inbox
from alerts.inbox import inbox_url
from alerts.message import UNKNOWN_WARD
from alerts.subscriptions import queue_name, reconcile
from alerts.subscriptions_table import put_subscription, remove_subscriptions
from alerts.topics import TopicArns, ensure_topics
from infra.clients import alerts_connection, aws_client
from infra.errors import UnavailableError, WardError
from infra.settings import Settings
from tests.stack.alerting import MAIL_SECONDS, Reader, forget_ward, now_ms, produce, query, unique, ward_subscriptions

pytestmark = pytest.mark.leaves_streams

Await = Callable[..., Any]


@pytest.fixture
def reader(stack: Settings) -> Iterator[Reader]:
    """An address and a ward that only this test uses; subscribed by the test itself, unsubscribed afterwards."""
    one = Reader(f"{unique('doctor')}@wardwatch.example", unique("Ward"))
    yield one
    with closing(alerts_connection(stack)) as connection:
        with connection.cursor() as cursor:
            remove_subscriptions(cursor, one.email, now_ms())
        reconcile(stack, connection)
    forget_ward(stack, one.ward)


def row_of(settings: Settings, email: str) -> tuple[int, str]:
    [(subscription_id, state)] = query(
        settings, "SELECT subscription_id, state FROM subscriptions WHERE email = %s", email
    )
    return subscription_id, state


def in_sns(settings: Settings, topic: str = "doctors") -> dict[tuple[str, str], dict[str, Any]]:
    """What SNS has on a topic: (protocol, last part of the endpoint) -> filter policy."""
    sns = aws_client(settings, "sns")
    arns: TopicArns = ensure_topics(settings, sns)
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arns.of(topic))
    found = {}
    for subscription in (each for page in pages for each in page["Subscriptions"]):
        answer = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])
        policy = json.loads(answer["Attributes"].get("FilterPolicy") or "{}")
        found[subscription["Protocol"], subscription["Endpoint"].rpartition(":")[2]] = policy
    return found


def queues(settings: Settings) -> set[str]:
    urls = aws_client(settings, "sqs").list_queues().get("QueueUrls", [])
    return {url.rpartition("/")[2] for url in urls}


def test_an_added_subscription_is_in_mysql_in_sns_and_mirrored_by_a_queue_with_the_same_filter(
    stack: Settings, reader: Reader
) -> None:
    output = ward_subscriptions("add", reader.email, "--ward", reader.ward, "--severity", "high")
    assert f"{reader.email} gets alarms of severity high, wards: {reader.ward}" in " ".join(output.split())
    assert "no patient is on ward" in output
    subscription_id, state = row_of(stack, reader.email)
    policy = {"ward": [reader.ward, UNKNOWN_WARD], "severity": ["high"]}
    assert state == "confirmed"
    known = in_sns(stack)
    assert known["email", reader.email] == policy
    assert known["sqs", queue_name(subscription_id)] == policy
    assert reader.email.partition("@")[0] in ward_subscriptions("list")


def test_adding_an_address_again_changes_its_filter(stack: Settings, reader: Reader) -> None:
    ward_subscriptions("add", reader.email, "--ward", reader.ward)
    ward_subscriptions("add", reader.email, "--severity", "high")
    subscription_id, _ = row_of(stack, reader.email)
    known = in_sns(stack)
    assert known["email", reader.email] == known["sqs", queue_name(subscription_id)] == {"severity": ["high"]}


def test_nurses_hear_of_lost_signals_and_senior_doctors_of_what_is_escalated(stack: Settings, reader: Reader) -> None:
    ward_subscriptions("add", reader.email, "--ward", reader.ward, "--technical")
    wards = [reader.ward, UNKNOWN_WARD]
    assert in_sns(stack)["email", reader.email] == {"ward": wards, "severity": ["technical"]}
    output = ward_subscriptions("add", reader.email, "--ward", reader.ward, "--severity", "high", "--from-level", "1")
    assert "once they are escalated to level 1" in " ".join(output.split())
    policy = {"ward": wards, "severity": ["high"], "escalation": ["1", "2"]}
    assert in_sns(stack)["email", reader.email] == policy
    subscription_id, _ = row_of(stack, reader.email)
    assert in_sns(stack)["sqs", queue_name(subscription_id)] == policy


def test_a_removed_subscription_is_gone_from_sns_with_its_queue(stack: Settings, reader: Reader) -> None:
    ward_subscriptions("add", reader.email, "--ward", reader.ward)
    subscription_id, _ = row_of(stack, reader.email)
    ward_subscriptions("remove", reader.email)
    assert ("email", reader.email) not in in_sns(stack)
    assert queue_name(subscription_id) not in queues(stack)
    assert row_of(stack, reader.email) == (subscription_id, "removed")


def test_an_address_that_was_removed_can_be_added_again(stack: Settings, reader: Reader) -> None:
    for command in (("add", "--ward", reader.ward), ("remove",), ("add", "--ward", reader.ward)):
        ward_subscriptions(command[0], reader.email, *command[1:])
    assert row_of(stack, reader.email)[1] == "confirmed"
    assert ("email", reader.email) in in_sns(stack)


def test_removing_an_unknown_address_says_so() -> None:
    with pytest.raises(WardError, match="has no subscription"):
        ward_subscriptions("remove", "nobody@wardwatch.example")


def test_ops_are_subscribed_to_their_topic_from_the_start(stack: Settings) -> None:
    assert in_sns(stack, "ops")["email", stack.alerts.ops_email] == {}


def test_a_second_bootstrap_changes_nothing(stack: Settings) -> None:
    """Doctors of other tests may come and go meanwhile."""

    def everything() -> tuple[Any, ...]:
        ops = query(stack, "SELECT * FROM subscriptions WHERE topic = 'ops'")
        return ops, in_sns(stack, "ops"), query(stack, "SHOW TABLES")

    before = everything()
    bootstrap(stack)
    assert everything() == before


def test_while_sns_is_away_a_subscription_is_kept_and_made_later(stack: Settings, reader: Reader) -> None:
    alerts = stack.alerts.model_copy(update={"sns_endpoint_url": "http://127.0.0.1:9"})
    with closing(alerts_connection(stack)) as connection:
        with connection.cursor() as cursor:
            put_subscription(cursor, reader.email, "doctors", [reader.ward], ["high"], now_ms())
        with pytest.raises(UnavailableError, match="SNS"):
            reconcile(stack.model_copy(update={"alerts": alerts}), connection)
        assert row_of(stack, reader.email)[1] in ("wanted", "confirmed")
        reconcile(stack, connection)
    assert row_of(stack, reader.email)[1] == "confirmed"


def test_a_severity_filter_holds(stack: Settings, reader: Reader, await_condition: Await) -> None:
    ward_subscriptions("add", reader.email, "--ward", reader.ward, "--severity", "high")
    patient = unique("P")
    produce(
        stack,
        [
            reader.breach(patient_id=patient, severity="medium"),
            reader.breach(patient_id=patient, attribute="spo2", value=85, unit="%", direction="low"),
        ],
    )
    mails = await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "no mail")
    assert [mail.subject.split()[:2] for mail in mails] == [["[HIGH]", "Oxygen"]]


def test_a_patient_of_an_unknown_ward_reaches_the_doctors_of_every_ward(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    ward_subscriptions("add", reader.email, "--ward", reader.ward)
    produce(stack, [mine := reader.breach(ward=None)])
    patient = mine["patient_id"]
    [mail] = await_condition(
        lambda: [mail for mail in reader.mails(stack, patient) if patient in mail.subject], MAIL_SECONDS, "no mail"
    )
    assert UNKNOWN_WARD in mail.subject


def test_the_inbox_command_lists_and_shows_mails(stack: Settings, reader: Reader, await_condition: Await) -> None:
    ward_subscriptions("add", reader.email, "--ward", reader.ward)
    produce(stack, [mine := reader.breach()])
    [mail] = await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "no mail")
    app = Typer()
    app.command()(inbox)
    listed = CliRunner().invoke(app, ["--to", reader.email, "--last", "5"])
    assert mail.mail_id in listed.output
    assert f"1 of 1 mails. Page: {inbox_url(stack)}" in listed.output
    shown = CliRunner().invoke(app, ["--show", mail.mail_id])
    assert mine["patient_id"] in shown.output
    assert "1 Harbour Street, Oslo" in shown.output
