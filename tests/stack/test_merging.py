"""The outbox under a flood: merged mails, what a refusal or a forgetful SNS makes of them, and mails of a ward."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymysql.connections import Connection

from alerts import subscriptions
from alerts.database import in_transaction
from alerts.message import Style
from alerts.no_signal import SignalAlarms, lost_before, signal_alarms
from alerts.outbox import (
    ALONE,
    MERGED_PRIORITY,
    Ready,
    load_ready,
    load_waiting,
    mark_sent,
    merge,
    requeue_lost,
    take_apart,
)
from alerts.publisher import REFUSED_ALARM
from alerts.subscriptions_table import Subscription
from alerts.technical import record_technical
from clinical.presence import Ending, Signal, SignalChanges
from infra.clients import alerts_connection
from infra.errors import UnavailableError
from infra.settings import Settings
from tests.stack.alerting import (
    OwnEngine,
    Reader,
    notifications,
    now_ms,
    parts_of,
    produce,
    put,
    query,
    unique,
    ward_subscriptions,
)

Await = Callable[..., Any]
FLOOD = 5000
FLOOD_SECONDS = 120
CLOCK_MS = 100
"""By so much less than the pace two messages may be apart: what is noted is when SNS had answered."""


def test_five_thousand_waiting_notifications_of_a_ward_become_a_few_mails_with_every_text_in_them(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    put(stack, notifications(reader.ward, FLOOD))
    own_engine.hand_over()
    await_condition(
        lambda: all(sent_at for _, sent_at, _ in parts_of(stack, reader.ward)), FLOOD_SECONDS, "mails still wait", 1
    )
    merged = {into for into, _, _ in parts_of(stack, reader.ward)}
    assert None not in merged
    assert len(merged) < 40
    mails = await_condition(
        lambda: len(found := reader.mails(stack)) >= len(merged) and found, FLOOD_SECONDS, "mails are missing", 1
    )
    assert {mail.notification_id for mail in mails} == merged
    told = Counter(number for mail in mails for number in re.findall(r"^HIGH: .* patient (\d+)\.\r?$", mail.text, re.M))
    assert told == {str(number): 1 for number in range(FLOOD)}


def test_five_thousand_patients_who_alarm_at_once_are_all_recorded_and_told_the_most_urgent_first(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    own_engine.drain(await_condition)
    severities = ("medium", "high")
    patients = {unique("P"): severities[number % 2] for number in range(FLOOD)}
    produce(stack, [reader.breach(patient_id=patient, severity=severity) for patient, severity in patients.items()])
    own_engine.drain(await_condition)
    own_engine.now += 31_000
    own_engine.drain(await_condition)
    raised = "SELECT patient_id, severity FROM alarms WHERE ward = %s AND phase = 'active'"
    assert dict(query(stack, raised, reader.ward)) == patients
    own_engine.hand_over()
    await_condition(
        lambda: all(sent_at for _, sent_at, _ in parts_of(stack, reader.ward)), FLOOD_SECONDS, "mails still wait", 1
    )
    mails = await_condition(
        lambda: len(found := reader.mails(stack)) >= len(sent_mails(stack, reader.ward)) and found,
        FLOOD_SECONDS,
        "mails are missing",
        1,
    )
    told = Counter(
        patient for mail in mails for patient in re.findall(r"^Patient id: +(P-[0-9a-f]{10})\b", mail.text, re.M)
    )
    assert told == dict.fromkeys(patients, 1)
    sent = sent_mails(stack, reader.ward)
    assert len(sent) < 100
    assert [severity for severity, _ in sent] == sorted((severity for severity, _ in sent), key=severities[::-1].index)
    shortest = min(later - earlier for (_, earlier), (_, later) in pairwise(sent))
    assert shortest >= 1000 / stack.alerts.publish_per_second - CLOCK_MS


def sent_mails(settings: Settings, ward: str) -> list[tuple[str, int]]:
    """Severity of each message to SNS about a ward, and when SNS had taken it (epoch ms), in that order."""
    return query(
        settings,
        "SELECT severity, sent_at FROM notifications WHERE ward = %s AND merged_into IS NULL ORDER BY sent_at",
        ward,
    )


def test_a_merged_notification_waits_first_until_it_is_sent_and_takes_its_parts_with_it(
    stack: Settings, reader: Reader, own_engine: OwnEngine
) -> None:
    seqs = put(stack, notifications(reader.ward, 3))
    with closing(alerts_connection(stack)) as connection:
        ready = in_transaction(connection, lambda cursor: merge(cursor, seqs, now_ms()))
        with connection.cursor() as cursor:
            waiting = load_waiting(cursor, now_ms())
        assert waiting[0].seq == ready.seq
        assert waiting[0].priority == MERGED_PRIORITY
        assert not {item.seq for item in waiting} & set(seqs)
        assert ready.is_merged
        assert (ready.attributes["attribute"], ready.attributes["notice"]) == (["heart_rate"], "raised")
        in_transaction(connection, lambda cursor: mark_sent(cursor, ready, "m1", 12345))
    assert parts_of(stack, reader.ward) == [(ready.notification_id, 12345, 0)] * 3


def test_a_merged_notification_that_sns_refuses_is_taken_apart_and_each_goes_alone(
    stack: Settings, reader: Reader, own_engine: OwnEngine
) -> None:
    seqs = put(stack, notifications(reader.ward, 3))
    with closing(alerts_connection(stack)) as connection:
        ready = in_transaction(connection, lambda cursor: merge(cursor, seqs, now_ms()))
        in_transaction(connection, lambda cursor: take_apart(cursor, ready))
        with connection.cursor() as cursor:
            waiting = {item.seq: item.kin for item in load_waiting(cursor, now_ms())}
    assert parts_of(stack, reader.ward) == [(None, None, ALONE)] * 3
    assert ready.seq not in waiting
    assert [waiting[seq] for seq in seqs] == [None] * 3


def test_ops_are_told_once_of_what_sns_refuses_and_once_that_it_has_taken_all(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    began = now_ms()
    query(stack, "UPDATE alarms SET open_key = NULL WHERE technical_kind = %s", REFUSED_ALARM)  # of a run that failed
    too_long = [replace(one, body="x" * 300_000) for one in notifications(reader.ward, 2)]
    put(stack, [*too_long, *notifications(reader.ward, 1)])
    own_engine.hand_over()

    def is_sent() -> list[bool]:
        return [sent_at is not None for _, sent_at, _ in parts_of(stack, reader.ward)]

    def told() -> list[str]:
        """What ops were told of refusals, oldest first."""
        rows = query(
            stack,
            "SELECT e.what FROM alarm_events e JOIN alarms USING (alarm_id)"
            " WHERE technical_kind = %s AND e.notification_id IS NOT NULL AND e.at >= %s ORDER BY event_id",
            REFUSED_ALARM,
            began,
        )
        return [what for (what,) in rows]

    await_condition(lambda: is_sent() == [False, False, True], FLOOD_SECONDS, "what is behind them still waits")
    await_condition(lambda: told() == ["raised"], FLOOD_SECONDS, "ops are not told")
    with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
        mended = "UPDATE notifications SET body = 'short', not_before = 2 WHERE ward = %s AND sent_at IS NULL"
        cursor.execute(mended, (reader.ward,))
    await_condition(lambda: all(is_sent()), FLOOD_SECONDS, "what SNS takes now still waits")
    assert told() == ["raised", "cleared"]


def merge_and_send(connection: Connection[Any], seqs: Sequence[int]) -> Ready:
    """The mail of several notifications, noted as taken by SNS."""
    ready = in_transaction(connection, lambda cursor: merge(cursor, seqs, now_ms()))
    in_transaction(connection, lambda cursor: mark_sent(cursor, ready, "m", now_ms()))
    return ready


@pytest.mark.parametrize("waited_ms", [0, 700_000])
def test_parts_are_put_back_with_the_mail_that_held_them_unless_its_readers_have_it(
    stack: Settings, reader: Reader, own_engine: OwnEngine, waited_ms: int
) -> None:
    """Also what was made before its reader had subscribed, and was sent afterwards."""
    [(subscription,)] = query(stack, "SELECT subscription_id FROM subscriptions WHERE email = %s", reader.email)
    made = [replace(one, created_at=one.created_at - waited_ms) for one in notifications(reader.ward, 4)]
    seqs = put(stack, made)
    with closing(alerts_connection(stack)) as connection:
        for half, is_mailed in ((seqs[:2], True), (seqs[2:], False)):
            ready = merge_and_send(connection, half)
            if is_mailed:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "INSERT INTO mailed VALUES (%s, %s, %s)", (subscription, ready.notification_id, now_ms())
                    )
        in_transaction(connection, requeue_lost)
    assert [sent_at is None for _, sent_at, _ in parts_of(stack, reader.ward)] == [False, False, True, True]


def test_when_putting_lost_mails_back_fails_sns_is_not_told_of_its_subscriptions_and_the_next_time_does_both(
    stack: Settings, reader: Reader, own_engine: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seqs = put(stack, notifications(reader.ward, 2))
    with closing(alerts_connection(stack)) as connection:
        merge_and_send(connection, seqs)

        def away(*_: object) -> int:
            raise UnavailableError("MySQL", "here", "lost")

        monkeypatch.setattr(subscriptions, "_known", lambda *_: {})  # what a new SNS says
        with monkeypatch.context() as patch:
            patch.setattr(subscriptions, "requeue_lost", away)
            patch.setattr(subscriptions, "_Reconciler", None)  # nothing may be told
            with pytest.raises(UnavailableError):
                subscriptions.reconcile(stack, connection)
        subscriptions.reconcile(stack, connection)
    assert [sent_at for _, sent_at, _ in parts_of(stack, reader.ward)] == [None, None]


def test_what_another_process_sends_while_sns_is_told_of_its_subscriptions_again_is_put_back_too(
    stack: Settings, reader: Reader, own_engine: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    [seq] = put(stack, notifications(reader.ward, 1))
    bring_in_line = subscriptions._Reconciler.try_to_bring_in_line
    with closing(alerts_connection(stack)) as connection, closing(alerts_connection(stack)) as publisher:

        def sent_meanwhile(reconciler: subscriptions._Reconciler, one: Subscription) -> None:
            in_transaction(publisher, lambda cursor: mark_sent(cursor, load_ready(cursor, seq), "m", now_ms()))
            bring_in_line(reconciler, one)

        monkeypatch.setattr(subscriptions, "_known", lambda *_: {})  # what a new SNS says
        monkeypatch.setattr(subscriptions._Reconciler, "try_to_bring_in_line", sent_meanwhile)
        subscriptions.reconcile(stack, connection)
    assert [sent_at for _, sent_at, _ in parts_of(stack, reader.ward)] == [None]


def record(connection: Connection[Any], made: SignalAlarms, style: Style) -> int:
    """How many mails alarms about signals gave."""
    return in_transaction(connection, lambda cursor: record_technical(cursor, made.alarms, now_ms(), style, made.wards))


def test_a_lost_signal_is_mailed_to_the_nurses_of_its_ward_and_to_ops_and_cleared_for_both(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    ward_subscriptions("add", reader.email, "--ward", reader.ward, "--technical")
    lost, style = [Signal(unique("P")), Signal(unique("P"), "spo2")], Style(ZoneInfo("UTC"))
    began = now_ms() - 31_000
    told = (
        SignalChanges(lost=dict.fromkeys(lost, began)),
        SignalChanges(ended=dict.fromkeys(lost, Ending.RETURNED)),
    )
    with closing(alerts_connection(stack)) as connection:
        for changes in told:
            made = signal_alarms(changes, lambda _: reader.ward, lambda _: False, {}, now_ms(), style)
            assert record(connection, made, style) == 2
            with connection.cursor() as cursor:
                still_lost = {signal: since for signal, since in lost_before(cursor).items() if signal in lost}
            assert still_lost == changes.lost
    own_engine.hand_over()
    found = await_condition(
        lambda: len(mails := reader.mails(stack)) >= 2 and mails, FLOOD_SECONDS, "the nurses were not told", 1
    )
    assert [mail.subject for mail in found] == [
        f"[TECHNICAL] no signal (2), ward {reader.ward}",
        f"[CLEARED] no signal (2), ward {reader.ward}",
    ]
    assert all(signal.patient_id in mail.text for mail in found for signal in lost)
