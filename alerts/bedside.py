"""What the engine knows of each patient's values: the newest few of each attribute, as the topics told them. No I/O.

An alarm that begins is given the values since its breach, which were read before it; a mail shows the last ones. All of
it is in memory and read again from Kafka at a start, so nothing is decided by it alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from clinical.device import NO_CLOCK_BEFORE_MS, is_believed
from clinical.device_clock import Behind, behind
from clinical.messages import ID_MAX
from clinical.vitals import BATTERY, CONSCIOUSNESS, DERIVED, DEVICE, JUDGED, SIGNAL_QUALITY, VITALS, round_half_up
from infra.settings import Readings

KEPT = 16
"""Values of one attribute of one patient: what an alarm knows one by one, and more than a mail shows."""

OLDER_KEPT, OLDER_APART_MS = 60, 4000
"""Values before those, so many and so far apart: four minutes of a monitor. A breach that comes late, because detection
was away, is given them: without them a single spike would seem to have lasted until the oldest value that is kept.
Two of them lie within the time after which a lone reading is believed."""

DAY_MS = 86_400_000
NUMBERS = (float, int)
"""Exactly these of JSON's types: `bool` is an int to `isinstance`."""

ON_OXYGEN, ALERTNESS = "on_oxygen", "consciousness"
TRUTH = {"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0}
"""As landing reads `on_oxygen`."""

PLAUSIBLE = {name: (float(vital.low), float(vital.high)) for name, vital in {**JUDGED, **DEVICE}.items()}


class Value(NamedTuple):
    """A judged value, as detection would judge it; `recorded_at` is the time by which it is judged, epoch ms."""

    attribute: str
    value: float
    recorded_at: int
    source_id: str
    inputs_used: int | None = None
    inputs_expected: int | None = None

    @property
    def partial(self) -> bool:
        """A score that lacked inputs."""
        return (
            self.inputs_used is not None
            and self.inputs_expected is not None
            and (self.inputs_used < self.inputs_expected)
        )


@dataclass(frozen=True)
class Seen:
    """One message: whose it is, when it was inserted (epoch ms), and the values that can be judged.

    `is_reading`: it comes from a device, and was not derived. `signal_quality` and `battery` in per cent; None: the
    device does not tell. `unbelieved`: attributes with a value that is not believed for that quality. `observed`: what
    people enter besides: ON_OXYGEN 1 or 0, ALERTNESS the state's place in CONSCIOUSNESS.
    """

    patient_id: str
    inserted_at: int
    values: tuple[Value, ...]
    is_reading: bool = True
    device_id: str = ""
    signal_quality: float | None = None
    battery: float | None = None
    unbelieved: tuple[str, ...] = ()
    observed: tuple[Value, ...] = ()


def read_reading(message: bytes | None, timestamp: int, readings: Readings) -> Seen | None:
    """What can be judged of a `vital-info` message, as `spark_jobs.transforms.readings` judges it; None: nothing.

    Values that are not believed (`clinical.device`) are left out.

    `timestamp`: Kafka's, which counts where the message has no time of insertion. Never raises: what cannot be read is
    landing's to report.
    """
    fields = _object(message)
    if fields is None or not _is_patient(fields.get("patient_id")) or not isinstance(fields.get("reading_id"), int):
        return None
    inserted_at = _whole(fields.get("inserted_at"), timestamp)
    recorded_at = _whole(fields.get("recorded_at"), None)
    ahead = readings.max_future_seconds * 1000
    if recorded_at is None or recorded_at < NO_CLOCK_BEFORE_MS or recorded_at - inserted_at > ahead:
        recorded_at = inserted_at
    if inserted_at - recorded_at > readings.max_age_days * DAY_MS:
        return None
    source_id = str(fields["reading_id"])
    values = [
        Value(name, number, recorded_at, source_id)
        for name in VITALS
        if (written := fields.get(name)) is not None and (number := _number(name, written)) is not None
    ]
    quality = _reported(fields, SIGNAL_QUALITY)
    unbelieved: tuple[str, ...] = ()
    least = readings.least_signal_quality
    if quality is not None and quality < least:
        unbelieved = tuple(one.attribute for one in values if not is_believed(one.attribute, quality, least))
        values = [one for one in values if one.attribute not in unbelieved]
    return Seen(
        str(fields["patient_id"]),
        inserted_at,
        tuple(values),
        device_id=str(fields.get("device_id") or ""),
        signal_quality=quality,
        battery=_reported(fields, BATTERY),
        unbelieved=unbelieved,
        observed=tuple(Value(name, value, recorded_at, source_id) for name, value in _observed(fields)),
    )


def read_derived(message: bytes | None, timestamp: int) -> Seen | None:
    """The value of a `derived-vitals` message; None when it cannot be judged. Never raises."""
    fields = _object(message)
    if fields is None or not _is_patient(fields.get("patient_id")) or fields.get("derived_id") is None:
        return None
    attribute = str(fields.get("attribute"))
    computed_for = _whole(fields.get("computed_for"), None)
    if attribute not in DERIVED or computed_for is None:
        return None
    number = _number(attribute, fields.get("value"))
    if number is None:
        return None
    used, expected = (_whole(fields.get(name), None) for name in ("inputs_used", "inputs_expected"))
    value = Value(attribute, number, computed_for, str(fields["derived_id"]), used, expected)
    return Seen(str(fields["patient_id"]), timestamp, (value,), is_reading=False)


class Bedside:
    """The newest values of every patient, by attribute."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], deque[Value]] = {}
        self._older: dict[tuple[str, str], deque[Value]] = {}
        self._behind: dict[tuple[str, str], Behind] = {}
        self._inserted: dict[tuple[str, str], int] = {}

    def see(self, patient_id: str, values: Iterable[Value], inserted_at: int) -> list[Value]:
        """Keep values in the order of their coming; `inserted_at`: of all of them, epoch ms.

        When a device's clock was set back, what it had measured by the clock before is forgotten where it lies later
        than now: it would seem to have followed what is measured now. Returns the values that show it. What was
        inserted before the newest shows nothing: it was late, or is sent again.
        """
        show = []
        for value in values:
            key = (patient_id, value.attribute)
            kept = self._values.get(key)
            if kept is None:
                kept = self._values[key] = deque(maxlen=KEPT)
            else:
                is_behind = key in self._behind or value.recorded_at < kept[-1].recorded_at
                is_news = is_behind and inserted_at >= self._inserted[key]
                if is_news and self._was_set_back(key, kept[-1].recorded_at, value.recorded_at, inserted_at):
                    self._forget_later(key, value.recorded_at)
                    kept = self._values[key]
                    show.append(value)
                if len(kept) == KEPT:
                    self._grow_old(key, kept[0])
            kept.append(value)
            self._inserted[key] = max(inserted_at, self._inserted.get(key, inserted_at))
        return show

    def clock_was_set_back(self) -> None:
        """The machine's clock was: what was inserted before may have later times than what is inserted now."""
        self._inserted = dict.fromkeys(self._inserted, 0)

    def forget(self, before: int, but: Container[str]) -> None:
        """Forget what was last measured before that time (epoch ms), but not of those patients."""
        old = [key for key, kept in self._values.items() if kept[-1].recorded_at < before and key[0] not in but]
        for key in old:
            del self._values[key]
            self._older.pop(key, None)
            self._behind.pop(key, None)
            self._inserted.pop(key, None)

    def since(self, patient_id: str, attribute: str, recorded_at: int) -> list[Value]:
        """The kept values of that time or later, oldest first; those of before the newest KEPT are not all kept."""
        key = (patient_id, attribute)
        kept = (*self._older.get(key, ()), *self._values.get(key, ()))
        return sorted((value for value in kept if value.recorded_at >= recorded_at), key=_recorded_at)

    def last(self, patient_id: str, attribute: str, most: int) -> list[Value]:
        """The newest values, newest first."""
        kept = self._values.get((patient_id, attribute), ())
        return sorted(kept, key=_recorded_at, reverse=True)[:most]

    def current(self, patient_id: str) -> list[Value]:
        """The newest value of each attribute that the patient has, in the order of the catalogue."""
        newest = (self.last(patient_id, attribute, 1) for attribute in JUDGED)
        return [value for (value,) in filter(None, newest)]

    def _was_set_back(self, key: tuple[str, str], before: int, at: int, inserted_at: int) -> bool:
        """Whether a value measured at `at`, after which one of `before` came, shows that the clock was set back."""
        known = behind(self._behind.pop(key, None), before, at, inserted_at)
        if known is None or known.was_set_back:
            return known is not None
        self._behind[key] = known
        return False

    def _forget_later(self, key: tuple[str, str], at: int) -> None:
        for kept in (self._values, self._older):
            if key in kept:
                kept[key] = deque((one for one in kept[key] if one.recorded_at <= at), kept[key].maxlen)

    def _grow_old(self, key: tuple[str, str], value: Value) -> None:
        older = self._older.setdefault(key, deque(maxlen=OLDER_KEPT))
        if not older or value.recorded_at - older[-1].recorded_at >= OLDER_APART_MS:
            older.append(value)


def rounded(attribute: str, value: float) -> float:
    """A value as it is compared with limits."""
    return float(round_half_up(Decimal(str(value)), JUDGED[attribute].scale))


def _recorded_at(value: Value) -> int:
    return value.recorded_at


def _is_patient(written: Any) -> bool:
    """Whether a breach could name this patient: of one that is longer than our tables hold nothing is judged."""
    return written is not None and 0 < len(str(written)) <= ID_MAX


def _object(message: bytes | None) -> Mapping[str, Any] | None:
    try:
        fields = orjson.loads(message or b"")
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _whole(written: Any, otherwise: Any) -> Any:
    return written if isinstance(written, int) and not isinstance(written, bool) else otherwise


def _reported(fields: Mapping[str, Any], attribute: str) -> float | None:
    written = fields.get(attribute)
    return None if written is None else _number(attribute, written)


def _observed(fields: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    if (oxygen := TRUTH.get(str(fields.get(ON_OXYGEN)).lower())) is not None:
        yield ON_OXYGEN, oxygen
    if (state := fields.get(ALERTNESS)) in CONSCIOUSNESS:
        yield ALERTNESS, float(CONSCIOUSNESS.index(state))


def _number(attribute: str, written: Any) -> float | None:
    """A plausible number; text that is one counts, as it does for landing and detection."""
    if type(written) not in NUMBERS:
        if not isinstance(written, str) or "_" in written:
            return None
        try:
            written = float(written)
        except ValueError:
            return None
    low, high = PLAUSIBLE[attribute]
    return float(written) if low <= written <= high else None
