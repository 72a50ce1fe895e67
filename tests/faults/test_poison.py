"""A thousand malformed messages among good ones: the good ones land once, the bad ones are set aside with a reason."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from confluent_kafka import Message, Producer
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from clinical.messages import ID_MAX
from clinical.topics import VITAL_INFO, dead_letter_topic
from clinical.vitals import VITALS
from hive.client import query
from infra.clients import kafka_config
from infra.kafka_io import committed_messages
from infra.settings import Settings

pytestmark = pytest.mark.every_seed

Await = Callable[..., Any]
LETTERS = dead_letter_topic("land-vitals")
BAD = 1000
GOOD = 1000
DAYS_AGO = 16
"""No audit that is still to run is about readings of that time."""

SECONDS = 600
Reading = dict[str, Any]
JUNK = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=30), st.lists(st.integers(-9, 9), max_size=3)
)


def a_reading(patient: str, number: int) -> Reading:
    then = time.time_ns() // 1_000_000 - DAYS_AGO * 86_400_000
    whole = {"reading_id": -time.time_ns(), "patient_id": patient, "recorded_at": then, "inserted_at": then}
    return {**whole, "recorded_at_is_receipt": False, "heart_rate": 60 + number % 30, "spo2": 98, "temperature": 36.8}


@st.composite
def not_json(draw: st.DrawFn, reading: Reading) -> bytes:
    """A message cut off somewhere, or bytes that are no text at all."""
    whole = orjson.dumps(reading)
    cut = whole[: draw(st.integers(1, len(whole) - 1))]
    return draw(
        st.sampled_from([cut, b"\x00" + cut, b"\xff\xfe" + cut, b"[" + whole + b"]", b'"' + cut.hex().encode() + b'"'])
    )


@st.composite
def other_fields(draw: st.DrawFn, _reading: Reading) -> bytes:
    """An object that has none of a reading's fields."""
    return orjson.dumps(draw(st.dictionaries(st.text(st.characters(categories=["Lu"]), min_size=1), JUNK, max_size=4)))


@st.composite
def without_identity(draw: st.DrawFn, reading: Reading) -> bytes:
    """A reading whose id, patient or time is missing or something else."""
    letters, field = st.characters(categories=["L"]), draw(st.sampled_from(["reading_id", "patient_id", "recorded_at"]))
    wrong: object = draw(
        st.one_of(st.none(), st.sampled_from(["", "  "]), st.text(letters, min_size=ID_MAX + 1, max_size=ID_MAX + 9))
        if field == "patient_id"  # any other text, and whatever JSON writes there, names a patient
        else st.one_of(st.none(), st.text(letters, max_size=20), st.just([1]), st.just({}))
    )
    return orjson.dumps({**reading, field: wrong})


@st.composite
def misplaced(draw: st.DrawFn, reading: Reading) -> bytes:
    """A reading from the future, or from long before its insertion."""
    days = draw(st.one_of(st.integers(1, 10_000), st.integers(-10_000, -31)))
    return orjson.dumps({**reading, "recorded_at": reading["recorded_at"] + days * 86_400_000})


@st.composite
def implausible(draw: st.DrawFn, reading: Reading) -> bytes:
    """A reading one attribute of which is no number, or far out of its range; the rest of it is stored."""
    name = draw(st.sampled_from(["respiratory_rate", "glucose", "systolic_bp"]))
    beyond = float(VITALS[name].high) * draw(st.floats(1.01, 1e6))
    text = st.text(st.characters(categories=["L"]), min_size=1, max_size=30).filter(lambda word: word.strip() != "")
    return orjson.dumps({**reading, name: draw(st.one_of(text, st.just(beyond), st.just(-1.0), st.just([7])))})


Spoil = Callable[[Reading], st.SearchStrategy[bytes]]
REASONS: dict[Spoil, re.Pattern[str]] = {
    not_json: re.compile(r"The message is not a JSON object\."),
    other_fields: re.compile(r"The JSON object has none of a reading's fields\."),
    without_identity: re.compile(
        r"The reading has no reading_id that is an integer\.|The reading has no patient_id\."
        r"|The patient_id has more than 128 characters\.|recorded_at .* is no time in epoch milliseconds\.",
        re.DOTALL,
    ),
    misplaced: re.compile(r"recorded_at .* UTC is more than (300 s after|30 days before) the insertion at .* UTC\."),
    implausible: re.compile(
        r"(respiratory_rate|glucose|systolic_bp) .* is (outside the plausible range .*|not a number)\.", re.DOTALL
    ),
}
"""What each kind is refused for, and nothing else."""


def malformed(patient: str, how_many: int, of_seed: int) -> list[tuple[bytes, Spoil]]:
    """Malformed messages, each with how it was spoilt."""
    found: list[tuple[bytes, Spoil]] = []

    @seed(of_seed)
    @settings(
        max_examples=how_many,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data(), st.sampled_from([*REASONS]))
    def collect(data: st.DataObject, spoil: Spoil) -> None:
        found.append((data.draw(spoil(a_reading(patient, len(found)))), spoil))

    while len(found) < how_many:
        collect()
    return found[:how_many]


def reason_in(letter: Message) -> str:
    reason = dict(letter.headers() or [])["error"]
    assert isinstance(reason, bytes)
    return reason.decode()


def test_every_good_message_lands_once_and_every_bad_one_is_set_aside_with_a_reason(
    stack: Settings, seed: int, await_condition: Await
) -> None:
    patient, since = f"poison-{uuid.uuid4().hex[:10]}", time.time_ns() // 1_000_000
    bad = malformed(patient, BAD, seed)
    good = [a_reading(patient, number) for number in range(GOOD)]
    messages = [message for message, _ in bad] + [orjson.dumps(reading) for reading in good]
    random.Random(seed).shuffle(messages)
    producer = Producer(kafka_config(stack))
    for message in messages:
        producer.produce(VITAL_INFO, key=patient.encode(), value=message)
        producer.poll(0)
    assert producer.flush(60) == 0

    def set_aside() -> list[tuple[bytes, str]]:
        letters = committed_messages(stack, [LETTERS], since_ms=since)
        own = [letter for letter in letters if letter.key() == patient.encode()]
        return [(letter.value() or b"", reason_in(letter)) for letter in own]

    await_condition(lambda: len(set_aside()) >= BAD, SECONDS, "not every bad message was set aside", 3)
    letters = set_aside()
    assert Counter(value for value, _ in letters) == Counter(message for message, _ in bad)
    refused_for = {message: REASONS[spoil] for message, spoil in bad}
    assert [reason for message, reason in letters if not refused_for[message].fullmatch(reason)] == []
    stored = [orjson.loads(message)["reading_id"] for message, spoil in bad if spoil is implausible]
    expected = Counter([*(reading["reading_id"] for reading in good), *stored])

    def landed() -> Counter[int]:
        rows = query(stack, f"SELECT reading_id FROM health.vital_readings WHERE patient_id = '{patient}'")
        return Counter(reading_id for (reading_id,) in rows)

    await_condition(lambda: landed() == expected, SECONDS, "not every good reading landed once", 5)
