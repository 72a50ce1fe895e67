"""From a breach on `doctors-queue` to a mail in the inbox, with the real Kafka, MariaDB, SNS, SQS and SMTP."""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from alerts.deleted_unread import DELETED_UNREAD
from alerts.engine import STREAM, TOPICS, Engine
from alerts.feed import Feed
from alerts.inbox import received_mails
from alerts.message import NOT_IMPORTED, NOT_ON_RECORD
from alerts.publisher import Publisher
from clinical.topics import DOCTORS_QUEUE, TECHNICAL_ALARMS, dead_letter_topic
from infra.airflow_api import AirflowApi
from infra.clients import alerts_connection, kafka_config
from infra.kafka_io import publish
from infra.settings import Settings
from infra.supervise import processes, start, stop, wait_ready
from tests.stack.alerting import (
    LOW_PRESSURE,
    MAIL_SECONDS,
    OwnEngine,
    Reader,
    forget_ward,
    insert_reading,
    now_ms,
    produce,
    query,
    unique,
    ward_subscriptions,
)
from tests.stack.watching import paused_streams
from tests.unit.alerts.breaches import technical_alarm

Await = Callable[..., Any]


def test_a_breach_becomes_one_mail_that_names_patient_contact_ward_and_attribute(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    produce(stack, [reader.breach(patient_id=(patient := unique("P")))])
    [mail] = await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "no mail")
    assert mail.subject == f"[HIGH] Glucose 45.0 mg/dL low, ward {reader.ward}, patient {patient}"
    for text in (
        "Zoë Łukasz",
        "+47 22 00 00 00",
        "1 Harbour Street, Oslo",
        reader.ward,
        "Glucose 45.0 mg/dL",
        patient,
    ):
        assert text in mail.text


def test_a_repeated_breach_gives_no_second_mail_and_does_not_count(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    first, other = reader.breach(), reader.breach()
    produce(stack, [first, first, first])
    await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "no mail")
    produce(stack, [first, other])
    mails = await_condition(lambda: len(found := reader.mails(stack)) > 1 and found, MAIL_SECONDS, "no second alarm")
    assert [first["patient_id"] in mail.subject for mail in mails] == [True, False]
    assert query(stack, "SELECT breaches FROM alarms WHERE patient_id = %s", first["patient_id"]) == [(1,)]


def test_a_doctor_of_another_ward_gets_nothing(stack: Settings, reader: Reader, await_condition: Await) -> None:
    other = Reader(f"{unique('doctor')}@wardwatch.example", unique("Ward"))
    ward_subscriptions("add", other.email, "--ward", other.ward)
    produce(stack, [reader.breach()])
    await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "no mail")
    produce(stack, [mine := other.breach()])
    [mail] = await_condition(lambda: other.mails(stack), MAIL_SECONDS, "no mail to the other ward")
    assert mine["patient_id"] in mail.subject
    ward_subscriptions("remove", other.email)
    forget_ward(stack, other.ward)


def test_a_patient_without_phone_or_address_alarms_and_the_mail_says_so(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    produce(stack, [reader.breach(phone=None, address="")])
    [mail] = await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "no mail")
    assert mail.text.count(NOT_ON_RECORD) == 2


def test_low_severity_is_recorded_and_not_mailed(stack: Settings, reader: Reader, await_condition: Await) -> None:
    low = reader.breach(severity="low")
    produce(stack, [low, reader.breach(patient_id=low["patient_id"], **LOW_PRESSURE)])
    mails = await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "no mail")
    assert [mail.subject.split()[1] for mail in mails] == ["Systolic"]
    rows = query(
        stack,
        "SELECT severity, told_at IS NOT NULL FROM alarms WHERE patient_id = %s ORDER BY severity",
        low["patient_id"],
    )
    assert rows == [("high", 1), ("low", 0)]


def test_a_medium_alarm_waits_half_a_minute_and_its_reminders_back_off(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    patient, began = unique("P"), now_ms() - 1_000_000
    for seconds in (0, 29, 31, 330, 332, 930, 933):
        own_engine.now = began + seconds * 1000
        produce(stack, [reader.breach(patient_id=patient, severity="medium", recorded_at=own_engine.now)])
        own_engine.drain(await_condition)
    own_engine.hand_over()
    mails = await_condition(lambda: len(found := reader.mails(stack)) > 2 and found, MAIL_SECONDS, "reminders missing")
    assert ["reminder: " in mail.subject for mail in mails] == [False, True, True]
    told = query(stack, "SELECT created_at FROM notifications WHERE ward = %s ORDER BY seq", reader.ward)
    assert [(at - began) // 1000 for (at,) in told] == [31, 332, 933]


def test_an_unanswered_high_alarm_is_escalated_and_its_end_reaches_the_same_people(
    stack: Settings, reader: Reader, senior: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    patient, began = unique("P"), now_ms() - 1_000_000
    for seconds, value in ((0, 45.0), (301, 44.0), (602, 43.0)):
        own_engine.now = began + seconds * 1000
        produce(stack, [reader.breach(patient_id=patient, value=value, recorded_at=own_engine.now)])
        own_engine.drain(await_condition)
    own_engine.now = began + 700_000
    insert_reading(stack, patient, own_engine.now, glucose=100)

    def is_over() -> bool:
        own_engine.engine.step(0.5)
        return query(stack, "SELECT phase FROM alarms WHERE patient_id = %s", patient) == [("ended",)]

    await_condition(is_over, MAIL_SECONDS, "a value in range does not end the alarm", 0.0)
    own_engine.now += 31_000
    own_engine.drain(await_condition)
    own_engine.hand_over()
    told = query(
        stack,
        "SELECT notice, severity, escalation, kind, attribute FROM notifications WHERE ward = %s ORDER BY seq",
        reader.ward,
    )
    assert told == [
        ("raised", "high", 0, "clinical", "glucose"),
        ("escalated", "high", 1, "clinical", "glucose"),
        ("escalated", "high", 2, "clinical", "glucose"),
        ("resolved", "high", 2, "clinical", "glucose"),
    ]
    mails = await_condition(lambda: len(found := reader.mails(stack)) > 3 and found, MAIL_SECONDS, "a mail is missing")
    assert mails[-1].subject.startswith("[RESOLVED]")
    heard = await_condition(
        lambda: len(found := senior.mails(stack)) > 2 and found, MAIL_SECONDS, "a senior doctor's mail is missing"
    )
    assert [(mail.subject.split()[0], *re.findall(r"[Ee]scalated to level (\d)", mail.text)) for mail in heard] == [
        ("[HIGH]", "1"),
        ("[HIGH]", "2"),
        ("[RESOLVED]", "2"),
    ]
    [(phase, reason, peak)] = query(
        stack, "SELECT phase, end_reason, peak_severity FROM alarms WHERE patient_id = %s", patient
    )
    assert (phase, reason, peak) == ("ended", "cleared", "high")


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_was_moved_by_an_hour_neither_loses_nor_repeats_a_notification(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await, hours: int
) -> None:
    """One reminder, five minutes after the move or at once when it jumps forward; devices' own clocks are not moved."""
    patient, began = unique("P"), now_ms() - 900_000
    moves = ((0, 0), (31, 0), (200, hours * 3600), (450, hours * 3600), (510, hours * 3600))
    for seconds, moved in moves:
        recorded_at = began + seconds * 1000
        own_engine.now = recorded_at + moved * 1000
        produce(stack, [reader.breach(patient_id=patient, severity="medium", recorded_at=recorded_at)])
        own_engine.drain(await_condition)
    told = query(stack, "SELECT notice FROM notifications WHERE ward = %s ORDER BY seq", reader.ward)
    assert told == [("raised",), ("reminder",)]
    own_engine.hand_over()
    await_condition(lambda: len(reader.mails(stack)) > 1, MAIL_SECONDS, "a mail is missing")


def test_a_message_that_cannot_be_read_goes_to_the_dead_letter_topic_and_the_rest_goes_on(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    mark = unique("broken").encode()
    topic = TopicPartition(dead_letter_topic(STREAM), 0)
    consumer = Consumer(kafka_config(stack, **{"group.id": unique("test"), "enable.auto.commit": False}))
    with closing(consumer):
        topic.offset = consumer.get_watermark_offsets(topic, timeout=10)[1]
        consumer.assign([topic])
        produce(stack, [b'{"patient_id": ' + mark, reader.breach()])
        letter = await_condition(lambda: letter_with(consumer, mark), MAIL_SECONDS, "no dead letter", 0.0)
    headers = dict(letter.headers())
    assert letter.value() == b'{"patient_id": ' + mark
    assert headers["topic"] == DOCTORS_QUEUE.encode()
    assert b"JSON" in headers["error"]
    assert {"partition", "offset"} <= headers.keys()
    await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "the breach behind the broken message is lost")


def letter_with(consumer: Consumer, mark: bytes) -> Any:
    message = consumer.poll(0.5)
    return message if message and not message.error() and mark in (message.value() or b"") else None


def ops_mails(settings: Settings, text: str) -> list[str]:
    """Subjects of the mails to ops that speak of `text`, oldest first."""
    to_ops = [mail for mail in received_mails(settings) if settings.alerts.ops_email in mail.recipients]
    return [mail.subject for mail in reversed(to_ops) if text in mail.text]


def test_ops_are_told_once_when_a_technical_alarm_is_raised_and_once_when_it_is_cleared(
    stack: Settings, await_condition: Await
) -> None:
    key = unique("test_cause")
    for cleared in (False, False, True, True):
        alarm = technical_alarm(alarm_key=key, kind="test_cause", cleared=cleared, raised_at=now_ms())
        publish(stack, TECHNICAL_ALARMS, key, alarm)
    await_condition(lambda: len(ops_mails(stack, key)) >= 2, MAIL_SECONDS, "ops were not told")
    assert [subject.split()[0] for subject in ops_mails(stack, key)] == ["[TECHNICAL]", "[CLEARED]"]
    assert query(stack, "SELECT COUNT(*), COUNT(ended_at) FROM alarms WHERE technical_key = %s", key) == [(1, 1)]


def test_of_a_technical_alarm_that_changes_twice_at_once_the_last_mail_tells_how_it_is(
    stack: Settings, own_engine: OwnEngine, await_condition: Await
) -> None:
    key = unique("test_cause")
    for cleared in (False, True, False):
        alarm = technical_alarm(alarm_key=key, kind="test_cause", cleared=cleared, raised_at=now_ms())
        publish(stack, TECHNICAL_ALARMS, key, alarm)
    own_engine.drain(await_condition)
    mails = query(stack, "SELECT subject FROM notifications WHERE body LIKE %s ORDER BY seq", f"%{key}%")
    assert [subject.split()[0] for (subject,) in mails] == ["[TECHNICAL]", "[CLEARED]", "[TECHNICAL]"]
    publish(stack, TECHNICAL_ALARMS, key, {**alarm, "cleared": True})
    own_engine.drain(await_condition)
    assert query(stack, "SELECT COUNT(*), COUNT(ended_at) FROM alarms WHERE technical_key = %s", key) == [(2, 2)]


def test_ops_are_told_of_messages_that_kafka_deleted_before_the_engine_had_read_them(
    stack: Settings, own_engine: OwnEngine, await_condition: Await
) -> None:
    own_engine.drain(await_condition)
    key, begun = unique("test_cause"), now_ms()
    publish(stack, TECHNICAL_ALARMS, key, technical_alarm(alarm_key=key, kind="test_cause", raised_at=begun))
    admin = AdminClient(kafka_config(stack))
    [deleted] = admin.delete_records([TopicPartition(TECHNICAL_ALARMS, 0, -1)]).values()
    first_left = deleted.result(30).low_watermark
    with closing(alerts_connection(stack)) as connection, closing(Feed(stack, TOPICS)) as feed:
        engine = Engine(stack, connection, feed, own_engine.ask_import, now_ms)
        engine.start()

        def told() -> list[tuple[str, str]]:
            engine.step(0.2)
            mails = "SELECT notice, body FROM notifications WHERE attribute = %s AND created_at >= %s ORDER BY seq"
            return [(notice, body) for notice, body in query(stack, mails, DELETED_UNREAD, begun)]

        await_condition(lambda: len(told()) > 1, 60, "nobody noticed what was deleted", 0)
        (raised, body), (cleared, _) = told()
        assert (raised, cleared) == ("raised", "cleared")
        assert f"of {TECHNICAL_ALARMS}, partition 0" in body
        assert f"to {first_left - 1})" in body
        publish(stack, TECHNICAL_ALARMS, key, technical_alarm(alarm_key=key, kind="test_cause", raised_at=now_ms()))
        publish(stack, TECHNICAL_ALARMS, key, technical_alarm(alarm_key=key, kind="test_cause", cleared=True))
        about = "SELECT COUNT(*), COUNT(ended_at) FROM alarms WHERE technical_key = %s"
        await_condition(lambda: told() and query(stack, about, key) == [(1, 1)], 60, "the engine did not go on", 0)


def test_a_ward_without_subscriber_is_a_technical_alarm_until_someone_subscribes(
    stack: Settings, await_condition: Await
) -> None:
    nobody = Reader(f"{unique('doctor')}@wardwatch.example", unique("Ward"))
    produce(stack, [nobody.breach()])
    [subject] = await_condition(lambda: ops_mails(stack, nobody.ward), MAIL_SECONDS, "ops were not told")
    assert subject.startswith("[TECHNICAL] ward without subscriber")
    ward_subscriptions("add", nobody.email, "--ward", nobody.ward)
    await_condition(lambda: len(ops_mails(stack, nobody.ward)) == 2, MAIL_SECONDS, "the technical alarm is not cleared")
    ward_subscriptions("remove", nobody.email)
    forget_ward(stack, nobody.ward)


def test_a_patient_without_contact_alarms_and_asks_for_one_import(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    patient = unique("P")
    nobody = {**dict.fromkeys(("name", "phone", "address", "ward", "age_years")), "contact_missing": True}
    produce(stack, [reader.breach(patient_id=patient, **nobody) for _ in range(3)])
    own_engine.drain(await_condition)
    assert own_engine.imports_asked_for == 1
    produce(stack, [reader.breach(patient_id=patient)])
    own_engine.drain(await_condition)
    own_engine.hand_over()
    mails = await_condition(
        lambda: [mail for mail in reader.mails(stack, patient) if patient in mail.subject], MAIL_SECONDS, "no mail"
    )
    assert NOT_IMPORTED in mails[0].text
    assert "judged by the limits of an adult" in mails[0].text
    await_condition(lambda: len(ops_mails(stack, patient)) >= 2, MAIL_SECONDS, "ops were not told")
    assert [subject.split()[0] for subject in ops_mails(stack, patient)] == ["[TECHNICAL]", "[CLEARED]"]


def test_an_engine_killed_at_any_moment_loses_and_doubles_nothing(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    patients = [unique("P") for _ in range(10)]
    sent = 0
    for _ in range(3):
        batch = [reader.breach(patient_id=patients[n % 10], severity="low") for n in range(2000)]
        produce(stack, batch)
        sent += len(batch)
        before = processes(stack)[STREAM].pid
        os.kill(before, signal.SIGKILL)
        await_condition(
            lambda old=before: processes(stack)[STREAM].running and processes(stack)[STREAM].pid != old,
            60,
            "the supervisor does not start the engine again",
        )
    produce(stack, [reader.breach(patient_id=patient) for patient in patients])
    await_condition(lambda: len(reader.mails(stack)) >= len(patients), MAIL_SECONDS, "mails are missing")
    rows = query(stack, "SELECT patient_id, breaches FROM alarms WHERE ward = %s", reader.ward)
    assert sorted(patient for patient, _ in rows) == sorted(patients)
    assert sum(breaches for _, breaches in rows) == sent + len(patients)
    told = Counter(mail.subject.split()[-1] for mail in reader.mails(stack))
    assert told == dict.fromkeys(patients, 1)


def waiting(settings: Settings, patient: str) -> list[tuple[Any, ...]]:
    return query(settings, "SELECT attempts, sent_at FROM notifications WHERE subject LIKE %s", f"%patient {patient}")


def test_while_sns_refuses_a_notification_waits_and_is_then_sent(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    nowhere = stack.model_copy(
        update={"alerts": stack.alerts.model_copy(update={"sns_endpoint_url": "http://127.0.0.1:9"})}
    )
    patient = unique("P")
    produce(stack, [reader.breach(patient_id=patient)])
    own_engine.drain(await_condition)
    stopped = Event()
    publisher = Publisher(nowhere)
    with closing(alerts_connection(stack)) as connection:
        waits = [publisher.round(connection, stopped) for _ in range(3)]
    assert waits == [0.5, 1.0, 2.0]
    [(_, sent_at)] = waiting(stack, patient)
    assert sent_at is None
    own_engine.hand_over()
    await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "the mail that waited does not arrive")


def test_an_sns_that_was_away_and_has_forgotten_everything_gets_its_topics_back_and_the_mail_arrives(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    patient = unique("P")
    stop(stack, "sns")
    try:
        produce(stack, [reader.breach(patient_id=patient)])
        [(_, sent_at)] = await_condition(lambda: waiting(stack, patient), MAIL_SECONDS, "nothing in the outbox")
        assert sent_at is None
    finally:
        start(stack, "sns")
        wait_ready(stack, "sns")
    await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "the mail that waited does not arrive")


def test_a_mail_that_the_embedded_sns_took_and_then_forgot_is_sent_again_and_arrives_once(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    patient = unique("P")
    # Airflow would start the mailer again, which would then have the mail before SNS forgets it.
    with AirflowApi(stack, timeout_seconds=60) as api, paused_streams(api, await_condition):
        stop(stack, "mailer")
        try:
            produce(stack, [reader.breach(patient_id=patient)])
            [(attempts, _)] = await_condition(
                lambda: [row for row in waiting(stack, patient) if row[1]],
                MAIL_SECONDS,
                "SNS has not taken the notification",
            )
            stop(stack, "sns")
            start(stack, "sns")
            wait_ready(stack, "sns")
            assert reader.mails(stack) == []
        finally:
            start(stack, "mailer")
    await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "the mail is lost")
    assert [again > attempts for again, _ in waiting(stack, patient)] == [True]
    produce(stack, [reader.breach()])
    await_condition(lambda: len(reader.mails(stack)) > 1, MAIL_SECONDS, "no mail afterwards")
    assert len([mail for mail in reader.mails(stack) if patient in mail.subject]) == 1


def test_after_a_crash_before_the_mail_was_noted_and_before_the_notification_was_it_arrives_once(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    """What either crash leaves is put there: a mail in the inbox and no record that it was published or mailed."""
    patient = unique("P")
    produce(stack, [reader.breach(patient_id=patient)])
    (mail,) = await_condition(lambda: reader.mails(stack), MAIL_SECONDS, "no mail")
    identity = mail.notification_id

    def is_noted() -> bool:
        noted = query(stack, "SELECT mailed_at FROM mailed WHERE notification_id = %s", identity)
        sent = query(stack, "SELECT sent_at FROM notifications WHERE notification_id = %s", identity)
        return len(noted) == 1 and sent[0][0] is not None

    await_condition(is_noted, MAIL_SECONDS, "the mail was not noted")
    with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM mailed WHERE notification_id = %s", (identity,))
        cursor.execute("UPDATE notifications SET sent_at = NULL WHERE notification_id = %s", (identity,))
    await_condition(is_noted, MAIL_SECONDS, "it was not noted again")
    produce(stack, [reader.breach()])
    await_condition(lambda: len(reader.mails(stack)) > 1, MAIL_SECONDS, "no mail afterwards")
    assert [one.notification_id for one in reader.mails(stack)].count(identity) == 1


def test_a_thousand_breaches_a_second_are_worked_off(
    stack: Settings, reader: Reader, own_engine: OwnEngine, await_condition: Await
) -> None:
    own_engine.drain(await_condition)
    patients = [unique("P") for _ in range(60)]
    rates: list[float] = []
    while len(rates) < 3 and max(rates, default=0.0) <= 1000:  # again, should the machine have been busy elsewhere
        produce(stack, [reader.breach(patient_id=patients[n % 60], severity="low") for n in range(10_000)])
        began, done = time.monotonic(), 0
        while done < 10_000 and time.monotonic() - began < 60:
            done += sum(one["ward"] == reader.ward for one in own_engine.engine.step(1).breaches)
        assert done == 10_000
        rates.append(done / (time.monotonic() - began))
    assert max(rates) > 1000
    taken = 10_000 * len(rates)
    assert query(stack, "SELECT SUM(breaches) FROM alarms WHERE ward = %s", reader.ward) == [(taken,)]
