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
MailSeverity = Severity | Literal["technical"]
"""What a mail's attribute `severity` says; technical: of a signal that was lost, for nurses."""

HIGHEST_LEVEL = 2
"""Of escalation: an alarm is mailed at level 0, and at 1 and 2 when nobody acknowledges it."""


FILTER_MOST = 150
"""Combinations of values that SNS takes in a filter policy."""


@dataclass(frozen=True)
class Subscription:
    """One email address on one topic. No `wards`: every ward; `severities` is empty on the ops topic.

    `from_escalation`: hears mails of this level of escalation and above; 0: all.
    `state`: wanted (SNS has not heard of it), pending (the reader has not confirmed yet), confirmed, or removed (kept
    until SNS has forgotten it, and for the record).
    """

    subscription_id: int
    email: str
    topic: TopicName
    wards: tuple[str, ...]
    severities: tuple[MailSeverity, ...]
    state: State
    sns_arn: str | None
    from_escalation: int = 0

    def filter_policy(self) -> dict[str, list[str]]:
        """The SNS filter policy on message attributes; empty lets everything through."""
        return filter_policy(self.wards, self.severities, self.from_escalation)

    def hears(self, ward: str, severity: MailSeverity, escalation: int = 0) -> bool:
        """Whether a mail of that ward, severity and level of escalation reaches this reader."""
        return (
            self.topic == "doctors"
            and self.state == "confirmed"
            and (not self.wards or ward in self.wards or ward == UNKNOWN_WARD)
            and severity in self.severities
            and escalation >= self.from_escalation
        )


def filter_policy(
    wards: Sequence[str], severities: Sequence[MailSeverity], from_escalation: int
) -> dict[str, list[str]]:
    """The SNS filter policy on message attributes; empty lets everything through.

    A patient whose ward is not known concerns every ward: those alarms pass every ward's filter.
    """
    policy: dict[str, list[str]] = {}
    if wards:
        policy["ward"] = [*wards, UNKNOWN_WARD]
    if severities:
        policy["severity"] = list(severities)
    if from_escalation:
        policy["escalation"] = [str(level) for level in range(from_escalation, HIGHEST_LEVEL + 1)]
    return policy


def uncovered(
    wards: Iterable[str], severities: Sequence[Severity], subscriptions: Sequence[Subscription]
) -> dict[str, list[Severity]]:
    """For each ward that lacks one: the severities that no confirmed subscription hears at once, at level 0."""
    gaps = {
        ward: [severity for severity in severities if not any(s.hears(ward, severity) for s in subscriptions)]
        for ward in wards
    }
    return {ward: missing for ward, missing in gaps.items() if missing}


def load_subscriptions(cursor: Cursor) -> list[Subscription]:
    """Every subscription, removed ones included, in the order in which they were made."""
    cursor.execute(
        "SELECT subscription_id, email, topic, wards, severities, state, sns_arn, from_escalation FROM subscriptions"
        " ORDER BY subscription_id"
    )
    return [
        Subscription(
            subscription_id=row[0],
            email=row[1],
            topic=row[2],
            wards=tuple(json.loads(row[3])),
            severities=cast(tuple[MailSeverity, ...], tuple(json.loads(row[4]))),
            state=row[5],
            sns_arn=row[6],
            from_escalation=row[7],
        )
        for row in cursor.fetchall()
    ]


def put_subscription(
    cursor: Cursor,
    email: str,
    topic: TopicName,
    wards: Sequence[str],
    severities: Sequence[MailSeverity],
    now: int,
    from_escalation: int = 0,
) -> None:
    """Make a subscription, or change the filter of the one that this address has on this topic."""
    wards_json, severities_json = json.dumps(list(wards), ensure_ascii=False), json.dumps(list(severities))
    cursor.execute(
        "INSERT INTO subscriptions (email, topic, wards, severities, from_escalation, state, created_at, changed_at)"
        " VALUES (%s, %s, %s, %s, %s, 'wanted', %s, %s)"
        " ON DUPLICATE KEY UPDATE wards = VALUES(wards), severities = VALUES(severities),"
        " from_escalation = VALUES(from_escalation),"
        " state = IF(state = 'removed', 'wanted', state), changed_at = VALUES(changed_at)",
        (email, topic, wards_json, severities_json, from_escalation, now, now),
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
