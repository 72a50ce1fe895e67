"""The watchdog: a reading of nobody that goes the whole way of an alarm each minute, so that its absence can be told.

Its reading is a breach by every threshold table worth the name, a heart rate of 0; its id is the time of its sending
(epoch ms), negated, so that it is never that of a row of the source and tells how long the way took. What is made of it
goes to an SNS topic of its own, which no person is subscribed to. Pure.
"""

from __future__ import annotations

import re
from typing import Any

from alerts.database import digest
from alerts.decide import Notification
from alerts.message import UNKNOWN_WARD
from clinical.messages import WATCHDOG_PATIENT, Breach, breach_id
from clinical.topics import VITAL_INFO

KIND = "watchdog"
ATTRIBUTE = "heart_rate"
PRIORITY = 3
"""Behind every mail to people: it must not delay one, and its delay is then the longest that any of them has."""

SUBJECT = "[WATCHDOG] The alarm path works"
BODY = """Wardwatch sends itself this message each minute, to see that an alarm would come through.
No patient is concerned and there is nothing to be done.

Watchdog: {source_id}
Notification: {notification_id}
"""
NAMED = re.compile(r"^Watchdog: -(\d{1,15})$", re.MULTILINE)


def watchdog_reading(sent: int) -> dict[str, Any]:
    """The message for `vital-info` of a watchdog that is sent now (epoch ms)."""
    return {
        "reading_id": -sent,
        "patient_id": WATCHDOG_PATIENT,
        "recorded_at": sent,
        "inserted_at": sent,
        "recorded_at_is_receipt": False,
        ATTRIBUTE: 0,
    }


def watchdog_breach_id(sent: int) -> str:
    """Identity of the breach that detection makes of the watchdog sent at that time."""
    return breach_id(VITAL_INFO, str(-sent), ATTRIBUTE)


def watchdog_alarm_id(identity: str) -> str:
    """What stands for an alarm in the watchdog's notification, by the identity of its breach: there is no alarm."""
    return identity[:32]


def is_watchdog(breach: Breach) -> bool:
    """Whether a breach is about nobody: it makes no alarm, asks for no contact, and only `watchdog_notification`."""
    return breach["patient_id"] == WATCHDOG_PATIENT


def watchdog_notification(breach: Breach, notification_id: str, now: int) -> Notification:
    """What goes into the outbox for a watchdog's breach; `now` is epoch ms."""
    return Notification(
        notification_id=notification_id,
        alarm_id=watchdog_alarm_id(breach["breach_id"]),
        group_key=digest(KIND),
        topic=KIND,
        kind=KIND,
        notice=KIND,
        priority=PRIORITY,
        severity="technical",
        ward=UNKNOWN_WARD,
        attribute=breach["attribute"],
        subject=SUBJECT,
        body=BODY.format(source_id=breach["source_id"], notification_id=notification_id),
        created_at=now,
    )


def watchdogs_in(text: str) -> list[int]:
    """When the watchdogs that a message speaks of were sent (epoch ms): one, or several that were merged."""
    return [int(sent) for sent in NAMED.findall(text)]
