"""A row of the source as a message of `vital-info`.

A value that cannot be understood is passed on as its own text, so that landing rejects it with a reason and nothing is
dropped silently. NULL and blank text are null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from producers.mapping import BLOOD_PRESSURE, ColumnPlan

Message = tuple[bytes | None, bytes]
"""Kafka key (null when there is no patient) and value."""

MAX_TEXT = 500
"""Longer text is cut: no value of a reading is that long, and one message must never be too large to send."""

_HEAD = ("reading_id", "patient_id", "device_id", "recorded_at", "inserted_at", "recorded_at_is_receipt")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_BLOOD_PRESSURE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*", re.ASCII)
_TRUTH = {"1": True, "true": True, "yes": True, "y": True, "0": False, "false": False, "no": False, "n": False}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- a wall clock, whose zone is given later
_UTC = ZoneInfo("UTC")


def text(value: Any) -> str | None:
    """`value` as text without surrounding space; None when NULL or blank."""
    if value is None:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    written = (value if isinstance(value, str) else str(value)).strip()
    return (written if len(written) <= MAX_TEXT else written[:MAX_TEXT]) or None


def number(value: Any) -> int | float | str | None:
    """A number where `value` is one or is the text of one; else its text (`NaN`, `72,5`), None when blank."""
    if value is None or isinstance(value, int | float):
        return value
    written = text(value)
    if written is None or not _NUMBER.fullmatch(written):
        return written
    if written.lstrip("+-").isdigit() and len(written) < 16:
        return int(written)
    parsed = float(written)
    return parsed if math.isfinite(parsed) else written


def truth(value: Any) -> bool | str | None:
    """0/1, BIT(1), true/false or yes/no as a boolean; else its text."""
    if value is None or value is True or value is False:
        return value
    if type(value) is int and value in (0, 1):
        return value == 1
    if isinstance(value, bytes) and len(value) == 1 and value in b"\x00\x01":
        return value == b"\x01"
    written = text(value)
    return None if written is None else _TRUTH.get(written.lower(), written)


def blood_pressure(value: Any) -> tuple[int | float | str | None, int | float | str | None]:
    """Systolic and diastolic of a text such as `120/80`; text of another form is left whole as the systolic value."""
    written = text(value)
    match = _BLOOD_PRESSURE.fullmatch(written) if written is not None else None
    return (number(match[1]), number(match[2])) if match else (written, None)


def epoch_ms(wall_clock_ms: int | None, zone: ZoneInfo, near: int | None = None) -> int | None:
    """Epoch milliseconds of a wall clock in `zone`, given as the milliseconds that it reads after 1970-01-01 00:00.

    Of an hour that occurs twice (end of summer time) the occurrence is taken that lies nearer to `near` (epoch ms);
    without that the first.
    """
    if wall_clock_ms is None or zone is _UTC:
        return wall_clock_ms
    at = (_EPOCH + timedelta(milliseconds=wall_clock_ms)).replace(tzinfo=zone)
    first = round(at.timestamp() * 1000)
    if near is None:
        return first
    second = round(at.replace(fold=1).timestamp() * 1000)
    return second if first < second and abs(second - near) < abs(first - near) else first


class RowEncoder:
    """Turns rows into messages.

    A row is `(key, patient, device, recorded_at, inserted_at, *attributes)` in the order of the plan, times as
    wall-clock milliseconds; what the source does not have is None. A time of recording that is missing is replaced by
    the time of insertion, or without that by the time of receipt, and marked (`recorded_at_is_receipt`). A row that is
    sent again after an aborted transaction may then carry a later time of receipt than the aborted one did.
    """

    def __init__(self, plan: ColumnPlan) -> None:
        self._recorded_zone = plan.recorded_at.zone if plan.recorded_at else _UTC
        self._inserted_zone = plan.inserted_at.zone if plan.inserted_at else _UTC
        attributes = [attribute for _, attribute, _ in plan.attributes]
        self._fields = (*_HEAD, *attributes)
        self._conversions: list[tuple[str, Callable[[Any], Any]]] = [
            (attribute, _conversion(attribute))
            for _, attribute, numeric in plan.attributes
            if attribute != BLOOD_PRESSURE and (not numeric or attribute in ("on_oxygen", "consciousness"))
        ]
        self._splits_pressure = BLOOD_PRESSURE in attributes

    def encode(self, rows: Iterable[Sequence[Any]], now_ms: int) -> list[Message]:
        """One message a row, in order; `now_ms` is the time of receipt."""
        return [self._message(row, now_ms) for row in rows]

    def _message(self, row: Sequence[Any], now_ms: int) -> Message:
        identity, patient, device, recorded_at, inserted_at, *values = row
        inserted_at = epoch_ms(inserted_at, self._inserted_zone)
        received_at = now_ms if inserted_at is None else inserted_at
        # A time of insertion in the same zone does not know either which of two equal hours it is.
        recorded_at = epoch_ms(recorded_at, self._recorded_zone, received_at if self._inserted_zone is _UTC else None)
        patient, is_receipt = text(patient), recorded_at is None
        head = (identity, patient, text(device), received_at if is_receipt else recorded_at, received_at, is_receipt)
        message: dict[str, Any] = dict(zip(self._fields, (*head, *values), strict=True))
        for attribute, convert in self._conversions:
            message[attribute] = convert(message[attribute])
        if self._splits_pressure:
            message["systolic_bp"], message["diastolic_bp"] = blood_pressure(message.pop(BLOOD_PRESSURE))
        return (patient.encode() if patient is not None else None), orjson.dumps(message)


def _conversion(attribute: str) -> Callable[[Any], Any]:
    return {"on_oxygen": truth, "consciousness": text}.get(attribute, number)
