"""Follows one reading through every system that it passed: source row, Kafka, Parquet, threshold, alarm, email."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from confluent_kafka import Consumer, TopicPartition
from pymysql.cursors import DictCursor
from rich.console import Console
from rich.table import Table

from alerts.inbox import received_mails
from clinical.messages import Breach, breach_id
from clinical.topics import DOCTORS_QUEUE, VITAL_INFO
from clinical.vitals import VITALS
from infra.clients import (
    alerts_connection,
    hbase_connection,
    hive_connection,
    kafka_config,
    reader_connection,
)
from infra.errors import UnavailableError, WardError
from infra.identifiers import before_arguments, quoted, quoted_table
from infra.settings import Settings, load_settings

Row = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """What one system holds of the reading: where exactly, and what."""

    system: str
    where: str
    what: str


def trace_reading(settings: Settings, reading_id: int) -> Iterator[Step]:
    """Yield a step for each system, in the order in which the reading passed them.

    Contact data is shown as the email shows it. A system that does not hold the reading (yet) says so.
    Raises WardError when the source table has no such row.
    """
    source = _source_row(settings, reading_id)
    table = settings.source.table
    yield Step("MySQL", f"{table} {settings.source.key_column}={reading_id}", _shown(source))
    landed = _landed(settings, reading_id)
    if landed is None:
        yield Step("Hive on HDFS", "health.vital_readings", "not landed yet, or rejected")
    else:
        partition, offset, file = landed
        message = _message_at(settings, VITAL_INFO, partition, offset)
        yield Step("Kafka", f"{VITAL_INFO} partition {partition} offset {offset}", message.decode())
        yield Step("Hive on HDFS", "health.vital_readings", file)
    found = _breaches(settings, reading_id)
    if not found:
        yield Step("detection", DOCTORS_QUEUE, "no breach: every value was inside its limits, or is not judged")
    for breach in found:
        yield from _judged(settings, breach)


def _judged(settings: Settings, breach: Breach) -> Iterator[Step]:
    took = breach["detected_at"] - breach["inserted_at"]
    yield Step(
        "detection",
        f"{DOCTORS_QUEUE} breach {breach['breach_id'][:12]}",
        f"{breach['attribute']} {breach['value']:g} {breach['unit']} is {breach['direction']}, severity "
        f"{breach['severity']}; {took} ms after its insertion",
    )
    yield Step("HBase", f"threshold_reference {breach['threshold_row']}", _threshold_row(settings, breach))
    yield from _alarm(settings, breach)


def _source_row(settings: Settings, reading_id: int) -> Row:
    rows = f"SELECT * FROM {quoted_table(settings.source.table)} WHERE {quoted(settings.source.key_column)}"
    with reader_connection(settings, cursorclass=DictCursor) as connection, connection.cursor() as cursor:
        cursor.execute(f"{before_arguments(rows)} = %s", (reading_id,))
        row: Row | None = cursor.fetchone()
    if row is None:
        raise WardError(f"{settings.source.table} has no row {settings.source.key_column}={reading_id}.")
    return row


def _shown(row: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)


def _landed(settings: Settings, reading_id: int) -> tuple[int, int, str] | None:
    query = (
        "SELECT kafka_partition, kafka_offset, INPUT__FILE__NAME FROM health.vital_readings "
        f"WHERE reading_id = {int(reading_id)}"
    )
    with hive_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        row: tuple[int, int, str] | None = cursor.fetchone()
    return row


def _message_at(settings: Settings, topic: str, partition: int, offset: int) -> bytes:
    for value in _messages(settings, [TopicPartition(topic, partition, offset)], lambda _value: True):
        return value
    return b"no longer kept"


def _breaches(settings: Settings, reading_id: int) -> list[Breach]:
    wanted = {breach_id(VITAL_INFO, str(reading_id), attribute) for attribute in VITALS}
    consumer = _consumer(settings)
    try:
        partitions = consumer.list_topics(DOCTORS_QUEUE, timeout=10).topics[DOCTORS_QUEUE].partitions
    finally:
        consumer.close()
    starts = [TopicPartition(DOCTORS_QUEUE, number, 0) for number in partitions]
    marks = [identity.encode() for identity in wanted]
    found: dict[str, Breach] = {}
    for value in _messages(settings, starts, lambda value: any(mark in value for mark in marks)):
        breach: Breach = orjson.loads(value)
        found.setdefault(breach["breach_id"], breach)
    return list(found.values())


def _consumer(settings: Settings) -> Consumer:
    return Consumer(
        kafka_config(
            settings,
            **{
                "group.id": f"ward-trace-{uuid.uuid4()}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": False,
                "isolation.level": "read_committed",
            },
        )
    )


def _messages(settings: Settings, starts: list[TopicPartition], wanted: Callable[[bytes], bool]) -> Iterator[bytes]:
    """Values from each start to the end that its partition has now, in order of each partition."""
    consumer = _consumer(settings)
    try:
        remaining: dict[int, int] = {}
        for start in starts:
            low, high = consumer.get_watermark_offsets(start, timeout=10)
            start.offset = max(low, start.offset)
            if start.offset < high:
                remaining[start.partition] = high
        consumer.assign([start for start in starts if start.partition in remaining])
        while remaining:
            message = consumer.poll(10)
            if message is None:
                # The end of a partition may be a transaction's marker, which is never delivered.
                positions = consumer.position([TopicPartition(starts[0].topic, number) for number in remaining])
                remaining = {
                    p.partition: remaining[p.partition] for p in positions if p.offset < remaining[p.partition]
                }
                if remaining:
                    raise UnavailableError("Kafka", settings.bootstrap_servers, "no message for 10 seconds")
                return
            if message.error():
                raise UnavailableError("Kafka", settings.bootstrap_servers, message.error())
            value = message.value() or b""
            if wanted(value):
                yield value
            number = message.partition()
            if number in remaining and (message.offset() or 0) + 1 >= remaining[number]:
                del remaining[number]
    finally:
        consumer.close()


def _threshold_row(settings: Settings, breach: Breach) -> str:
    band = _band(breach["low_value"], breach["high_value"])
    judged = f"judged by version {breach['threshold_version']}: {band}, {breach['alert_message']}"
    try:
        with hbase_connection(settings) as connection:
            row = connection.table(settings.thresholds.table).row(breach["threshold_row"].encode())
    except UnavailableError as error:
        return f"{judged}; the row now: {error}"
    now = f"{row.get(b't:low_value', b'').decode()}..{row.get(b't:high_value', b'').decode()}" if row else "deleted"
    return f"{judged}; the row now: {now}"


def _band(low: float | None, high: float | None) -> str:
    return f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"


def _alarm(settings: Settings, breach: Breach) -> Iterator[Step]:
    alarms = """SELECT * FROM alarms WHERE patient_id = %s AND attribute = %s AND direction = %s
                AND started_at <= %s AND last_breach_at >= %s ORDER BY started_at DESC LIMIT 1"""
    at = min(breach["recorded_at"], breach["detected_at"])
    key = (breach["patient_id"], breach["attribute"], breach["direction"], at, at)
    with alerts_connection(settings, cursorclass=DictCursor) as connection, connection.cursor() as cursor:
        cursor.execute(alarms, key)
        alarm: Row | None = cursor.fetchone()
        if alarm is None:
            yield Step("alerts", "alarms", "no alarm yet")
            return
        yield Step(
            "alerts",
            f"alarms {alarm['alarm_id'][:12]}",
            f"{alarm['phase']}, {alarm['breaches']} breaches since {_utc(alarm['started_at'])}",
        )
        cursor.execute(
            "SELECT * FROM notifications WHERE notification_id IN (SELECT notification_id FROM alarm_events"
            " WHERE alarm_id = %s) ORDER BY seq",
            (alarm["alarm_id"],),
        )
        notifications: list[Row] = list(cursor.fetchall())
    for notification in notifications:
        sent = f"sent at {_utc(notification['sent_at'])}" if notification["sent_at"] else "not sent yet"
        yield Step("SNS", f"notification {notification['notification_id'][:12]}", f"{notification['subject']}; {sent}")
        if settings.embedded_email:
            yield from _mails(settings, notification["merged_into"] or notification["notification_id"])


def _mails(settings: Settings, notification_id: str) -> Iterator[Step]:
    for mail in received_mails(settings):
        if mail.notification_id == notification_id:
            yield Step("inbox", f"mail {mail.mail_id}", f"to {', '.join(mail.recipients)}: {mail.subject}")


def _utc(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def trace(reading_id: Annotated[int, typer.Argument(help="Key of the row in the source table.")]) -> None:
    """Follow one reading through every system that it passed."""
    table = Table(show_lines=True, expand=False)
    for heading in ("system", "where", "what"):
        table.add_column(heading, overflow="fold")
    for step in trace_reading(load_settings(), reading_id):
        table.add_row(step.system, step.where, step.what)
    Console().print(table)
