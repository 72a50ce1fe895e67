"""Readings by number, as the producer publishes them, of which it is known which one breaches what.

Messages are made from a few hundred that the producer's own encoder has made: whoever sends ten thousand a second must
leave the processor to what is measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from clinical.vitals import REPORTED
from producers.encoding import Message, RowEncoder
from producers.mapping import ColumnPlan, TimeColumn

PATIENTS = 1000
BREACHES_EVERY = 100
"""One reading of so many has a value outside its normal band."""

ABNORMAL: tuple[tuple[str, float], ...] = (
    ("heart_rate", 140),
    ("spo2", 88),
    ("respiratory_rate", 30),
    ("temperature", 39.8),
)
"""What breaching readings breach, in turn, by the default threshold table at any adult age."""

CYCLE = BREACHES_EVERY * len(ABNORMAL)
NUMBER_STANDS, TIME_STANDS, PATIENT_STANDS, DEVICE_STANDS = 777_000_777_000, 1_234_567_890_123, "@patient", "@device"
"""In the message of which a format is made."""


def patient_of(number: int) -> str:
    """Whose reading it is; breaching ones are spread over all patients."""
    return f"bench-{(number + number // PATIENTS) % PATIENTS:04d}"


def breached_by(number: int) -> str | None:
    """The attribute that lies outside its normal band, None: every one lies inside."""
    return ABNORMAL[number // BREACHES_EVERY % len(ABNORMAL)][0] if number % BREACHES_EVERY == 0 else None


def breaches_of(numbers: Iterable[int]) -> set[tuple[str, str]]:
    """Source id and attribute of each breach that these readings make."""
    return {(str(number), attribute) for number in numbers if (attribute := breached_by(number)) is not None}


def values_of(number: int) -> dict[str, Any]:
    """The attributes of a reading, REPORTED in their order; the same for numbers that differ by CYCLE."""
    number %= CYCLE
    values = {
        "heart_rate": 60 + number % 29,
        "systolic_bp": 115 + number % 11,
        "diastolic_bp": 72 + number % 7,
        "spo2": 96 + number % 4,
        "temperature": 36.5 + number % 9 / 10,
        "respiratory_rate": 13 + number % 6,
        "glucose": 85.5 + number % 13,
        "on_oxygen": number % 5 == 0,
        "consciousness": "A",
        "signal_quality": 90 + number % 10,
        "battery_percent": 50 + number % 50,
    }
    if number % BREACHES_EVERY == 0:
        values.update([ABNORMAL[number // BREACHES_EVERY % len(ABNORMAL)]])
    return {name: values[name] for name in REPORTED}


def device_of(number: int) -> str:
    """What measured it."""
    return f"bed-{number % PATIENTS}"


def row_of(number: int, at_ms: int) -> tuple[Any, ...]:
    """The row of the source table, recorded and inserted then (epoch ms)."""
    return (number, patient_of(number), device_of(number), at_ms, at_ms, *values_of(number).values())


def encoder() -> RowEncoder:
    """The producer's own, for such rows."""
    at = TimeColumn("", ZoneInfo("UTC"))
    return RowEncoder(ColumnPlan("", "", "", at, at, tuple((name, name, True) for name in REPORTED)))


class Messages:
    """The messages of readings."""

    def __init__(self) -> None:
        stands = (NUMBER_STANDS, PATIENT_STANDS, DEVICE_STANDS, TIME_STANDS, TIME_STANDS)
        rows = [(*stands, *values_of(number).values()) for number in range(CYCLE)]
        self._formats = [_format(value) for _, value in encoder().encode(rows, TIME_STANDS)]

    def of(self, number: int, at_ms: int) -> Message:
        """Of the reading `row_of(number, at_ms)`."""
        patient = patient_of(number).encode()
        return patient, self._formats[number % CYCLE] % (number, patient, device_of(number).encode(), at_ms, at_ms)


def _format(message: bytes) -> bytes:
    """The message with places for number, patient, device and twice the time, which it has in this order."""
    for stands, place in (
        (str(NUMBER_STANDS), b"%d"),
        (PATIENT_STANDS, b"%b"),
        (DEVICE_STANDS, b"%b"),
        (str(TIME_STANDS), b"%d"),
    ):
        message = message.replace(stands.encode(), place)
    return message
