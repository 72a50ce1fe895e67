"""What the alarm lifecycle remembers of one alarm, and its stored form.

The rules are in `clinical.lifecycle`. Times are epoch milliseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clinical.lifecycle_events import SEVERITIES, Grade, Transition
from clinical.messages import Direction, Severity

VERSION = 1
"""Of the stored form; raised when a reader of the old one would misjudge the new."""

ADDED = frozenset({"arrested", "arrest_over_since"})
"""Fields that a state of this version may lack, since it was stored before there were any."""

ID_KEPT = 64
"""Longest source id that is kept as it is; of a longer one the SHA-256, so that a state stays bounded."""

CONTINUOUS_SECONDS = 60
"""A vital that is expected at least this often is continuous; any other is seldom."""

STANDS_INTERVALS = 3
STANDS_SECONDS = 10
"""A lone reading is believed once it has stood for so many expected intervals, and at least so long."""

Delays = tuple[int | None, int | None, int | None]
"""Seconds of the low, medium and high band; None: no breach has told it."""


class Phase(StrEnum):
    """Where an alarm stands. One that has ended has no state."""

    PENDING = "pending"
    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the attribute as this direction sees it; `at` is event time, never later than its arrival."""

    at: int
    source_id: str
    grade: Grade
    value: float


@dataclass(frozen=True, slots=True)
class State:
    """A pending or open alarm of one patient, attribute and direction.

    Kept from the breach that began it: `limit`, `clear_at` (the limit moved into the band by the margin),
    `interval_seconds`, `began_at`. `severity` is None while pending.

    Runs, in event time: `out_since` of the breach that lasts, None when the readings are back in range; `inside_since`
    of the readings inside by the margin; `milder_since` of the bands below `severity`, the deepest being `milder`.

    `arrested`: a value of 0 was told of; `arrest_over_since`: the first reading after it that is another value.

    `readings`: the newest ones, oldest first; `forgotten_at` the time of the newest that was dropped from there.
    `graded`: the newest whose band is known. `stray`: the last high breach that came too late for `readings`.

    The clock: `clock` as it was last told; `ahead` is what it has lost by going back, so that `clock + ahead` never
    goes back. `arrived_at` (of the newest reading) and `acknowledged_until` are in that time.
    """

    attribute: str
    direction: Direction
    limit: float
    clear_at: float
    interval_seconds: float
    began_at: int
    phase: Phase
    severity: Severity | None
    delays: Delays
    out_since: int | None
    inside_since: int | None
    milder_since: int | None
    milder: Severity | None
    readings: tuple[Reading, ...]
    forgotten_at: int | None
    graded: Reading
    stray: str | None
    clock: int
    ahead: int
    arrived_at: int
    acknowledged_until: int | None
    arrested: bool = False
    arrest_over_since: int | None = None

    @property
    def steady(self) -> int:
        """The clock that never goes back, epoch ms and what was lost."""
        return self.clock + self.ahead

    @property
    def event_now(self) -> int:
        """Event time: that of the newest reading, which stands since its arrival."""
        return self.readings[-1].at + self.steady - self.arrived_at

    @property
    def rank(self) -> int:
        """Index of the severity into SEVERITIES; -1 while pending."""
        return -1 if self.severity is None else SEVERITIES.index(self.severity)

    @property
    def continuous(self) -> bool:
        """Expected often enough for one reading to wait for the next."""
        return self.interval_seconds <= CONTINUOUS_SECONDS

    @property
    def stands_ms(self) -> int:
        """How long a lone reading must have stood to be believed."""
        return round(max(STANDS_INTERVALS * self.interval_seconds, STANDS_SECONDS) * 1000)

    def place_of(self, source_id: str) -> int | None:
        """Where that reading is in `readings`, None if it is not there."""
        for place in range(len(self.readings) - 1, -1, -1):
            if self.readings[place].source_id == source_id:
                return place
        return None

    def grade_of(self, value: float) -> Grade:
        """A plain value, judged by the limits that the alarm was raised under."""
        sign = 1 if self.direction == "low" else -1
        if sign * value < sign * self.limit:
            return Grade.OUTSIDE
        return Grade.INSIDE if sign * value >= sign * self.clear_at else Grade.MARGIN


@dataclass(frozen=True)
class Outcome:
    """The state after an event (None: there is no alarm) and what happened, in order."""

    state: State | None
    transitions: tuple[Transition, ...] = ()


def kept_id(source_id: str) -> str:
    """The id as a state keeps it."""
    if len(source_id) <= ID_KEPT:
        return source_id
    return hashlib.sha256(source_id.encode(errors="surrogatepass")).hexdigest()


def to_dict(state: State) -> dict[str, Any]:
    """A JSON-able form, compact enough for a database row: at most about 3 kB."""
    stored: dict[str, Any] = {name: getattr(state, name) for name in State.__slots__}
    stored["phase"] = state.phase.value
    stored["delays"] = list(state.delays)
    stored["readings"] = [_cells(reading) for reading in state.readings]
    stored["graded"] = _cells(state.graded)
    return {"version": VERSION, **stored}


def from_dict(stored: dict[str, Any]) -> State:
    """The state that `to_dict` stored. Raises ValueError for another version, and for a form that it did not write."""
    version = stored.get("version")
    if version != VERSION:
        raise ValueError(f"An alarm state of version {version!r} is stored; this program reads version {VERSION}.")
    try:
        fields = {name: stored[name] for name in State.__slots__ if name in stored or name not in ADDED}
        fields["phase"] = Phase(fields["phase"])
        low, medium, high = fields["delays"]
        fields["delays"] = (low, medium, high)
        fields["readings"] = tuple(_reading(cells) for cells in fields["readings"])
        fields["graded"] = _reading(fields["graded"])
        if "arrested" not in stored:
            fields |= _arrest(fields["readings"], fields["graded"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"A stored alarm state of version {VERSION} cannot be read: {error!r}.") from error
    return State(**fields)


def _arrest(readings: Sequence[Reading], graded: Reading) -> dict[str, Any]:
    """What a state would have noted of values of 0, had there been the fields."""
    at = max((one.at for one in (*readings, graded) if one.grade is Grade.ARREST), default=None)
    over_since = next((one.at for one in readings if at is not None and one.at > at and one.value != 0), None)
    return {"arrested": at is not None, "arrest_over_since": over_since}


def _cells(reading: Reading) -> list[Any]:
    return [reading.at, reading.source_id, reading.grade.value, reading.value]


def _reading(cells: list[Any]) -> Reading:
    at, source_id, grade, value = cells
    return Reading(at, source_id, Grade(grade), value)
