"""SNS errs, throttles, answers too late, suspends who sends too fast: each notification arrives, once, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.settings import Settings
from tests.stack.alerting import (
    MAIL_SECONDS,
    OwnEngine,
    Reader,
    notifications,
    now_ms,
    parts_of,
    produce,
    publishing,
    put,
    query,
    unique,
)
from tests.stack.unruly_sns import BEHAVIOURS, LIMIT, PASS, unruly_sns

Await = Callable[..., Any]
PATIENTS = 6
STEPS = (0, 301, 602)
"""Seconds of a patient's breaches: told first, and escalated twice."""

SENT_SECONDS = 120


def test_nothing_is_lost_doubled_or_out_of_order_and_the_pace_is_kept(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    patients, began = [unique("P") for _ in range(PATIENTS)], now_ms() - 700_000
    for seconds in STEPS:
        own_engine.now = began + seconds * 1000
        produce(stack, [reader.breach(patient_id=patient, recorded_at=own_engine.now) for patient in patients])
        own_engine.drain(await_condition)

    def outbox() -> list[tuple[Any, ...]]:
        """Patient's group, id and time of sending of each of ours, in their order."""
        return query(
            stack,
            "SELECT group_key, notification_id, sent_at FROM notifications WHERE ward = %s ORDER BY seq",
            reader.ward,
        )

    assert len(outbox()) == PATIENTS * len(STEPS)
    with unruly_sns(stack, reader.ward) as sns, publishing(sns.settings):
        await_condition(
            lambda: all(sent_at for *_, sent_at in outbox()), SENT_SECONDS, "SNS has not taken everything", 0.5
        )
    own_engine.hand_over()
    ids = [notification_id for _, notification_id, _ in outbox()]
    await_condition(lambda: len(reader.mails(stack)) >= len(ids), MAIL_SECONDS, "mails are missing", 1)
    assert sorted(mail.notification_id for mail in reader.mails(stack)) == sorted(ids)

    assert set(sns.shown) == set(BEHAVIOURS)
    first_taken = list(dict.fromkeys(taken for taken in sns.accepted if taken in ids))
    assert len([taken for taken in sns.accepted if taken in ids]) > len(ids), "what timed out was not sent again"
    groups = {notification_id: group for group, notification_id, _ in outbox()}
    for group in set(groups.values()):
        taken = [notification_id for notification_id in first_taken if groups[notification_id] == group]
        assert taken == [notification_id for notification_id in ids if groups[notification_id] == group]
    assert sns.most_in_a_second <= LIMIT


@pytest.mark.parametrize(("limit", "is_suspended"), [(LIMIT, False), (LIMIT // 3, True)])
def test_what_comes_all_at_once_is_sent_at_a_pace_at_which_sns_suspends_nobody(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await, limit: int, is_suspended: bool
) -> None:
    """Were its limit lower than our pace, it would, and mails would be lost without an error."""
    seqs = put(stack, notifications(reader.ward, 3 * LIMIT))
    with unruly_sns(stack, reader.ward, [PASS], limit) as sns, publishing(sns.settings):
        await_condition(
            lambda: all(sent_at for _, sent_at, _ in parts_of(stack, reader.ward)), SENT_SECONDS, "mails still wait"
        )
    assert bool(sns.undelivered) == is_suspended
    assert sns.most_in_a_second <= LIMIT
    # What SNS took and answered too late was sent again, and has arrived.
    arrived = len(seqs) - len({*sns.undelivered} - {*sns.accepted})
    await_condition(lambda: len(reader.mails(stack)) == arrived, MAIL_SECONDS, "mails are missing", 1)
