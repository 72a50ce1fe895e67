"""Reading messages: what is a breach, what is a repeat, what goes to the dead-letter topic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from alerts.batch import Record, read_batch
from alerts.bedside import Seen
from alerts.feed import dead_letter_headers
from alerts.incoming import ADDED_LATER, MalformedMessageError, read_breach, read_technical
from clinical.topics import DOCTORS_QUEUE, TECHNICAL_ALARMS, VITAL_INFO
from infra.settings import Readings
from tests.unit.alerts.breaches import breach, technical_alarm

READINGS = Readings()


def record(document: object, offset: int = 0, topic: str = DOCTORS_QUEUE) -> Record:
    value = document if isinstance(document, bytes) else orjson.dumps(document)
    return Record(topic, 1, offset, 1_790_000_000_000, b"P-0012", value)


def test_a_breach_survives_the_way_through_json() -> None:
    message = breach(low_value=None, ward=None, device_id=None)
    assert read_breach(orjson.dumps(message)) == message


def test_whole_numbers_are_numbers() -> None:
    assert read_breach(orjson.dumps(breach(value=135)))["value"] == 135.0


def test_an_unknown_further_field_is_ignored() -> None:
    assert "colour" not in read_breach(orjson.dumps(breach(colour="red")))


def test_a_breach_of_an_older_version_is_read_without_what_was_added_since() -> None:
    older = {name: value for name, value in breach().items() if name not in ADDED_LATER}
    assert {read_breach(orjson.dumps(older))[name] for name in ("inputs_used", "inputs_expected")} == {None}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": "135"}, "value"),
        ({"value": None}, "value"),
        ({"value": 1e300}, "value"),
        ({"patient_id": ""}, "patient_id"),
        ({"patient_id": None}, "patient_id"),
        ({"patient_id": "x" * 191}, "patient_id"),
        ({"direction": "normal"}, "direction"),
        ({"severity": "fatal"}, "severity"),
        ({"recorded_at": -1}, "recorded_at"),
        ({"recorded_at": 10**17}, "recorded_at"),
        ({"recorded_at": "2026-01-01"}, "recorded_at"),
        ({"contact_missing": "no"}, "contact_missing"),
    ],
)
def test_a_breach_with_a_wrong_field_is_refused_by_its_name(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedMessageError, match=reason):
        read_breach(orjson.dumps(breach(**changes)))


@pytest.mark.parametrize("value", [None, b"", b"not json", b"[]", b"{}", b'"text"', b"\xff\xfe", b'{"value": NaN}'])
def test_what_is_no_breach_at_all_is_refused(value: bytes | None) -> None:
    with pytest.raises(MalformedMessageError):
        read_breach(value)


def test_a_lone_surrogate_which_mysql_could_not_hold_is_refused() -> None:
    raw = orjson.dumps(breach(name="NAME")).replace(b"NAME", b"\\ud800")
    with pytest.raises(MalformedMessageError):
        read_breach(raw)


def test_the_reason_holds_nothing_of_the_message() -> None:
    with pytest.raises(MalformedMessageError) as refused:
        read_breach(orjson.dumps(breach(value="Zoë Łukasz")))
    assert "Zoë" not in str(refused.value)


def test_a_technical_alarm_is_read_from_its_topic() -> None:
    batch = read_batch([record(technical_alarm(), topic=TECHNICAL_ALARMS)], set(), READINGS)
    assert batch.technical == [technical_alarm()]
    with pytest.raises(MalformedMessageError, match="alarm_key"):
        read_technical(orjson.dumps(technical_alarm(alarm_key="")))


def test_a_repeat_within_a_batch_and_across_batches_is_dropped() -> None:
    first, second = breach(), breach()
    batch = read_batch([record(first, 0), record(first, 1), record(second, 2)], set(), READINGS)
    assert batch.breaches == [first, second]
    assert read_batch([record(second, 3)], set(batch.seen), READINGS).breaches == []


def test_a_malformed_message_is_set_aside_and_the_rest_goes_on() -> None:
    good = breach()
    batch = read_batch([record(b"{", 7), record(good, 8)], set(), READINGS)
    assert batch.breaches == [good]
    [(bad, reason)] = batch.malformed
    assert bad.value == b"{"
    assert "JSON" in reason
    assert batch.offsets == {(DOCTORS_QUEUE, 1): 9}


def test_a_dead_letter_says_why_and_where_from() -> None:
    headers = dict(dead_letter_headers(record(b"{", 7), "not JSON"))
    assert headers == {
        "error": "not JSON",
        "topic": DOCTORS_QUEUE,
        "partition": "1",
        "offset": "7",
        "cut": "",
    }
    large = replace(record(b"{", 7), value=b"{" * 2_000_000, key=b"P1")
    assert dict(dead_letter_headers(large, "not JSON"))["cut"] == "2000002"


def test_values_and_breaches_come_out_in_their_order_and_a_reading_of_no_use_is_left_out() -> None:
    reading = {"reading_id": 7, "patient_id": "P-1", "recorded_at": 1, "inserted_at": 1, "heart_rate": 72}
    one = breach()
    records = [
        record(reading, 0, VITAL_INFO),
        record(b"{", 1, VITAL_INFO),
        record(one, 0),
        record(reading, 2, VITAL_INFO),
    ]
    batch = read_batch(records, set(), READINGS)
    assert [isinstance(each, Seen) for each in batch.inputs] == [True, False, True]
    assert batch.malformed == []
    assert batch.offsets == {(VITAL_INFO, 1): 3, (DOCTORS_QUEUE, 1): 1}
    assert batch.records == 4


def test_an_id_that_our_tables_cannot_keep_is_set_aside() -> None:
    batch = read_batch([record(breach(breach_id="é" * 64)), record(breach(patient_id="x" * 129))], set(), READINGS)
    assert len(batch.malformed) == 2
