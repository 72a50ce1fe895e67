"""Dead letters on the real servers: seen, sent again once, and never so that a reading is doubled."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from clinical.topics import DEAD_LETTER_HEADERS, LETTER_VALUE_BYTES, PARTLY_READ, VITAL_INFO, dead_letter_topic
from infra.clients import devices_connection, hive_connection, kafka_config
from infra.settings import Settings
from producers.dead_letters import DeadLetter, dead_letters
from producers.dlq_cli import app
from producers.resend import resend

pytestmark = pytest.mark.looks_on

Await = Callable[..., Any]
DAYS_AGO = 15
LETTERS = dead_letter_topic("land-vitals")


@pytest.fixture
def patient() -> str:
    return f"dlq-{uuid.uuid4().hex[:10]}"


def a_reading(patient: str, **changes: Any) -> dict[str, Any]:
    """A good reading of days ago, under an id that MySQL never gives out: no audit that is still to run meets it."""
    then = time.time_ns() // 1_000_000 - DAYS_AGO * 86_400_000
    whole = {"reading_id": -time.time_ns(), "patient_id": patient, "recorded_at": then, "inserted_at": then}
    return {**whole, "recorded_at_is_receipt": False, "heart_rate": 72, **changes}


def publish(settings: Settings, patient: str, *messages: bytes) -> None:
    producer = Producer(kafka_config(settings))
    for message in messages:
        producer.produce(VITAL_INFO, key=patient.encode(), value=message)
    assert producer.flush(30) == 0


def set_aside_again(settings: Settings, letter: DeadLetter) -> None:
    """The letter once more, as landing writes it when it crashed before its commit."""
    values = (letter.error, *letter.source.split("/"))
    headers = [(name, value.encode()) for name, value in zip(DEAD_LETTER_HEADERS, values, strict=True)]
    producer = Producer(kafka_config(settings))
    producer.produce(LETTERS, key=letter.key, value=letter.value, headers=[*headers, (PARTLY_READ, b"")])
    assert producer.flush(30) == 0


def letters_of(settings: Settings, patient: str) -> list[DeadLetter]:
    return [letter for letter in dead_letters(settings, [LETTERS]) if letter.key == patient.encode()]


def landed(settings: Settings, patient: str) -> list[tuple[Any, ...]]:
    """Id and heart rate of the patient's readings in Hive."""
    today = datetime.now(UTC).date()
    with hive_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT reading_id, heart_rate FROM health.vital_readings"
            f" WHERE event_date >= DATE_SUB('{today}', {DAYS_AGO + 1}) AND patient_id = '{patient}'"
        )
        return sorted(cursor.fetchall())


def dlq(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def line_of(letter: DeadLetter, *options: str) -> str:
    """What `dlq list` says of that letter, among however many of other tests; empty: nothing."""
    listed = dlq("list", "--topic", LETTERS, "--limit", str(10**6), *options)
    return next((line for line in listed.splitlines() if line.startswith(letter.name)), "")


def test_a_message_that_could_not_be_read_is_listed_shown_corrected_and_sent_again_once(
    stack: Settings, patient: str, await_condition: Await, tmp_path: Path
) -> None:
    whole = a_reading(patient)
    broken = orjson.dumps(whole)[:-1]
    publish(stack, patient, broken)
    (letter,) = await_condition(lambda: letters_of(stack, patient), 300, "no dead letter", 1)
    assert "waits" in line_of(letter)
    shown = dlq("show", letter.name)
    assert broken.decode() in shown
    assert letter.source in shown
    corrected = tmp_path / "corrected.json"
    corrected.write_bytes(orjson.dumps(whole))
    assert "1 sent again" in dlq("replay", letter.name, "--file", str(corrected))
    expected = [(whole["reading_id"], 72)]
    await_condition(lambda: landed(stack, patient) == expected, 300, "the corrected reading did not land", 2)
    assert "0 sent again" in dlq("replay", letter.name)
    assert line_of(letter) == ""
    assert "sent again" in line_of(letter, "--all")
    set_aside_again(stack, letter)
    repeat = letters_of(stack, patient)[-1]
    assert repeat.name != letter.name
    assert line_of(repeat) == ""
    assert "0 sent again" in dlq("replay", repeat.name)
    publish(stack, patient, orjson.dumps(a_reading(patient, heart_rate=73)))
    await_condition(lambda: len(landed(stack, patient)) > 1, 300, "the next reading did not land", 2)
    assert len(landed(stack, patient)) == 2


def test_a_message_too_large_for_a_letter_is_cut_and_holds_nothing_up(
    stack: Settings, patient: str, await_condition: Await
) -> None:
    large = b"{" + b" " * 3_000_000
    producer = Producer(kafka_config(stack, **{"compression.type": "gzip", "message.max.bytes": 8_000_000}))
    producer.produce(VITAL_INFO, key=patient.encode(), value=large)
    assert producer.flush(30) == 0
    good = a_reading(patient)
    publish(stack, patient, orjson.dumps(good))
    (letter,) = await_condition(lambda: letters_of(stack, patient), 300, "no dead letter", 1)
    assert letter.value == large[:LETTER_VALUE_BYTES]
    assert letter.cut == str(len(patient) + len(large))
    await_condition(
        lambda: landed(stack, patient) == [(good["reading_id"], 72)], 300, "the reading behind it did not land", 2
    )
    refused = CliRunner().invoke(app, ["replay", letter.name])
    assert "holds only the beginning" in str(refused.exception)


def test_a_reading_that_was_stored_but_for_an_attribute_is_not_sent_again(
    stack: Settings, patient: str, await_condition: Await
) -> None:
    publish(stack, patient, orjson.dumps(a_reading(patient, temperature="warm")))
    (letter,) = await_condition(lambda: letters_of(stack, patient), 300, "no dead letter", 1)
    assert letter.partly_read == "temperature"
    refused = CliRunner().invoke(app, ["replay", letter.name])
    assert "but for temperature" in str(refused.exception)
    assert "partly stored" in line_of(letter)


def test_a_row_is_sent_again_once_however_often_it_is_asked_for(
    stack: Settings, patient: str, await_condition: Await
) -> None:
    """Its id lies below all that the producer asks for, as a restored backup would add."""
    reading = -time.time_ns()
    with devices_connection(stack) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO health.patients_vital_info (id, patient_id, recorded_at, heart_rate)"
            " VALUES (%s, %s, UTC_TIMESTAMP(3), 75)",
            (reading, patient),
        )
    try:
        assert len(resend(stack, [reading]).now) == 1
        assert resend(stack, [reading]) == ([], [f"{stack.source.table}:{reading}"])
        await_condition(lambda: landed(stack, patient) == [(reading, 75)], 300, "the row did not land", 2)
    finally:
        with devices_connection(stack) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM health.patients_vital_info WHERE id = %s", (reading,))
