"""Who gets what: the table of subscriptions, and which wards nobody listens to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from pymysql.cursors import Cursor

from alerts.message import UNKNOWN_WARD
from clinical.messages import Severity

TopicName = Literal["doctors", "ops"]
State = Literal["wanted", "pending", "confirmed", "removed"]


@dataclass(frozen=True)
class Subscription:
    """One email address on one topic. No `wards`: every ward; `severities` is empty on the ops topic.

    `state`: wanted (SNS has not heard of it), pending (the reader has not confirmed yet), confirmed, or removed (kept
    until SNS has forgotten it, and for the record).
    """

    subscription_id: int
    email: str
    topic: TopicName
    wards: tuple[str, ...]
    severities: tuple[Severity, ...]
    state: State
    sns_arn: str | None

    def filter_policy(self) -> dict[str, list[str]]:
        """The SNS filter policy on message attributes; empty lets everything through.

        A patient whose ward is not known concerns every ward: those alarms pass every ward's filter.
        """
        policy: dict[str, list[str]] = {}
        if self.wards:
            policy["ward"] = [*self.wards, UNKNOWN_WARD]
        if self.severities:
            policy["severity"] = list(self.severities)
        return policy

    def hears(self, ward: str, severity: Severity) -> bool:
        """Whether an alarm of that ward and severity reaches this reader."""
        return (
            self.topic == "doctors"
            and self.state == "confirmed"
            and (not self.wards or ward in self.wards or ward == UNKNOWN_WARD)
            and severity in self.severities
        )


def uncovered(
    wards: Iterable[str], severities: Sequence[Severity], subscriptions: Sequence[Subscription]
) -> dict[str, list[Severity]]:
    """For each ward that lacks one: the severities that no confirmed subscription hears."""
    gaps = {
        ward: [severity for severity in severities if not any(s.hears(ward, severity) for s in subscriptions)]
        for ward in wards
    }
    return {ward: missing for ward, missing in gaps.items() if missing}


def load_subscriptions(cursor: Cursor) -> list[Subscription]:
    """Every subscription, removed ones included, in the order in which they were made."""
    cursor.execute(
        "SELECT subscription_id, email, topic, wards, severities, state, sns_arn FROM subscriptions"
        " ORDER BY subscription_id"
    )
    return [
        Subscription(
            subscription_id=row[0],
            email=row[1],
            topic=row[2],
            wards=tuple(json.loads(row[3])),
            severities=cast(tuple[Severity, ...], tuple(json.loads(row[4]))),
            state=row[5],
            sns_arn=row[6],
        )
        for row in cursor.fetchall()
    ]


def put_subscription(
    cursor: Cursor, email: str, topic: TopicName, wards: Sequence[str], severities: Sequence[Severity], now: int
) -> None:
    """Make a subscription, or change the filter of the one that this address has on this topic."""
    cursor.execute(
        "INSERT INTO subscriptions (email, topic, wards, severities, state, created_at, changed_at)"
        " VALUES (%s, %s, %s, %s, 'wanted', %s, %s)"
        " ON DUPLICATE KEY UPDATE wards = VALUES(wards), severities = VALUES(severities),"
        " state = IF(state = 'removed', 'wanted', state), changed_at = VALUES(changed_at)",
        (email, topic, json.dumps(list(wards), ensure_ascii=False), json.dumps(list(severities)), now, now),
    )


def add_default_ops(cursor: Cursor, email: str, now: int) -> None:
    """Subscribe ops once: an address that was removed later stays removed."""
    cursor.execute(
        "INSERT IGNORE INTO subscriptions (email, topic, wards, severities, state, created_at, changed_at)"
        " VALUES (%s, 'ops', '[]', '[]', 'wanted', %s, %s)",
        (email, now, now),
    )


def remove_subscriptions(cursor: Cursor, email: str, now: int) -> int:
    """Mark every subscription of an address as removed; how many there were."""
    return cursor.execute(
        "UPDATE subscriptions SET state = 'removed', changed_at = %s WHERE email = %s AND state <> 'removed'",
        (now, email),
    )


def set_state(cursor: Cursor, subscription_id: int, state: State, sns_arn: str | None) -> None:
    """Note what SNS says of a subscription, unless it was removed meanwhile."""
    cursor.execute(
        "UPDATE subscriptions SET state = %s, sns_arn = %s"
        " WHERE subscription_id = %s AND (state <> 'removed' OR %s = 'removed')",
        (state, sns_arn, subscription_id, state),
    )
