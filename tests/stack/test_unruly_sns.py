"""SNS errs, throttles, and answers too late: every notification arrives, once, in order and at the pace."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from alerts.publisher import Publisher
from infra.settings import Settings
from tests.stack.alerting import MAIL_SECONDS, OwnEngine, Reader, now_ms, produce, query, unique
from tests.stack.unruly_sns import BEHAVIOURS, unruly_sns

Await = Callable[..., Any]
PATIENTS = 6
STEPS = (0, 301, 602)
"""Seconds of a patient's breaches: told first, and escalated twice."""

SNS_LIMIT = 10
"""Messages in one second, above which SNS suspends an email endpoint."""

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
    stop = Event()
    with unruly_sns(stack) as sns:
        thread = Thread(target=Publisher(sns.settings).run, args=(stop,))
        thread.start()
        try:
            await_condition(
                lambda: all(sent_at for *_, sent_at in outbox()), SENT_SECONDS, "SNS has not taken everything", 0.5
            )
        finally:
            stop.set()
            thread.join()
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
    for asked in sns.asked:
        assert len([other for other in sns.asked if asked <= other < asked + 1]) <= SNS_LIMIT
