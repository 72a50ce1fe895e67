"""What a row of recent readings in HBase is: its key and its cells. Pure.

The key is the patient, a byte, and the time counted backwards in as many digits as any other, so that a scan from the
patient's beginning gives the newest first. The byte occurs in no UTF-8 text: what begins a patient's keys begins no
other's, whatever characters their ids hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from clinical.messages import DERIVED_FIELDS
from clinical.vitals import DERIVED, MEASURED

READINGS_FAMILY, DERIVED_FAMILY, MINUTES_FAMILY = "r", "d", "m"
SEPARATOR = b"\xff"
DIGITS = 13
LATEST_MS = 10**DIGITS - 1
"""The last time that a key can hold: in the year 2286."""


@dataclass(frozen=True)
class Reading:
    """A reading as it was accepted. `recorded_at`: epoch ms. `values`: what it measured, by attribute, in the unit of
    the catalogue, and what the device says of itself (`signal_quality`, `battery_percent`).

    Values that electrodes or probes gave at a poor signal quality are among them: `clinical.device.is_believed`.
    """

    patient_id: str
    reading_id: int
    recorded_at: int
    values: Mapping[str, float] = field(default_factory=dict)
    device_id: str | None = None
    on_oxygen: bool | None = None
    consciousness: str | None = None


@dataclass(frozen=True)
class DerivedValue:
    """A computed attribute. `computed_for`: epoch ms."""

    patient_id: str
    attribute: str
    computed_for: int
    value: float
    inputs_used: int
    inputs_expected: int

    @property
    def is_partial(self) -> bool:
        """Some of its inputs were missing: a partial NEWS2 may be too low."""
        return self.inputs_used < self.inputs_expected


def prefix(patient_id: str) -> bytes:
    """What every key of the patient begins with, and no key of another."""
    return patient_id.encode(errors="surrogatepass") + SEPARATOR


def row_key(patient_id: str, at: int) -> bytes:
    """The key of a patient's row at a time (epoch ms). Raises ValueError for a time that no key can hold."""
    if not 0 <= at <= LATEST_MS:
        raise ValueError(f"{at} ms is no time between 1970 and 2286.")
    return prefix(patient_id) + b"%0*d" % (DIGITS, LATEST_MS - at)


def key_parts(key: bytes) -> tuple[str, int]:
    """Patient and time (epoch ms) of a key."""
    return key[: -DIGITS - 1].decode(errors="surrogatepass"), LATEST_MS - int(key[-DIGITS:])


def scan_range(patient_id: str, start: int, end: int) -> tuple[bytes, bytes]:
    """First key, and the one after the last, of a patient's rows from `start` to before `end` (epoch ms); newest first.

    What lies outside of the times that a key can hold is left out.
    """
    last, before = min(max(end, 0), LATEST_MS + 1) - 1, min(max(start, 0), LATEST_MS + 1) - 1
    top = prefix(patient_id)
    # Where there is no key before the start, the patient's keys are read to their end: nines are the highest digits.
    stop = top + b"%0*d" % (DIGITS, LATEST_MS - before) if before >= 0 else top + b":"
    return (top + b"%0*d" % (DIGITS, LATEST_MS - last) if last >= 0 else stop), stop


def reading_cell(reading: Reading) -> tuple[bytes, bytes]:
    """Column and content of a reading's cell; what is absent is left out. The same reading gives the same bytes."""
    told = {
        "device_id": reading.device_id,
        "on_oxygen": reading.on_oxygen,
        "consciousness": reading.consciousness,
    }
    content = {
        "recorded_at": reading.recorded_at,
        **{name: reading.values[name] for name in MEASURED if name in reading.values},
        **{name: value for name, value in told.items() if value is not None},
    }
    return b"%s:%d" % (READINGS_FAMILY.encode(), reading.reading_id), orjson.dumps(content)


def reading_of_cell(patient_id: str, column: bytes, content: bytes) -> Reading:
    """The reading of a cell."""
    told = orjson.loads(content)
    return Reading(
        patient_id,
        int(column.partition(b":")[2]),
        told["recorded_at"],
        {name: told[name] for name in MEASURED if name in told},
        told.get("device_id"),
        told.get("on_oxygen"),
        told.get("consciousness"),
    )


def derived_cell(derived: DerivedValue) -> tuple[bytes, bytes]:
    """Column and content of a computed value's cell: one for an attribute and time, so that the newest word stands."""
    content = {"value": derived.value, "used": derived.inputs_used, "expected": derived.inputs_expected}
    return f"{DERIVED_FAMILY}:{derived.attribute}".encode(), orjson.dumps(content)


def derived_of_cell(patient_id: str, at: int, column: bytes, content: bytes) -> DerivedValue:
    """The computed value of a cell in the row of that patient and time."""
    told = orjson.loads(content)
    attribute = column.partition(b":")[2].decode()
    return DerivedValue(patient_id, attribute, at, told["value"], told["used"], told["expected"])


def derived_of_message(raw: str | bytes) -> DerivedValue | None:
    """The computed value that a message of `derived-vitals` tells; None for what is none."""
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict) or message.get("attribute") not in tuple(DERIVED):
        return None
    told: dict[str, Any] = {name: message.get(name) for name in DERIVED_FIELDS}
    whole = (told["computed_for"], told["inputs_used"], told["inputs_expected"])
    if not all(type(number) is int for number in whole) or type(told["value"]) not in (int, float):
        return None
    patient_id = told["patient_id"]
    if not isinstance(patient_id, str) or not patient_id or not 0 <= told["computed_for"] <= LATEST_MS:
        return None
    return DerivedValue(patient_id, told["attribute"], told["computed_for"], float(told["value"]), *whole[1:])
