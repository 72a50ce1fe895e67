"""What the alarm lifecycle is told and what it says: its events and transitions.

The rules are in `clinical.lifecycle`. Times are epoch milliseconds, durations of bands are seconds as in the threshold
table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from clinical.messages import Breach, Direction, Severity
from clinical.vitals import JUDGED, expected_seconds

SEVERITIES: tuple[Severity, Severity, Severity] = ("low", "medium", "high")

ARRESTS = frozenset({"heart_rate", "respiratory_rate"})
"""A 0 of these is an asystole or an apnoea."""


class Grade(IntEnum):
    """What one reading says of one direction; the deeper, the larger.

    `INSIDE`: inside the normal band by the margin, seen from this direction. `MARGIN`: between that and the limit.
    `OUTSIDE`: beyond the limit, its band not told yet. Then the bands; `ARREST` is a high one of value 0.
    """

    INSIDE = 0
    MARGIN = 1
    OUTSIDE = 2
    LOW = 3
    MEDIUM = 4
    HIGH = 5
    ARREST = 6

    @property
    def rank(self) -> int:
        """Index into SEVERITIES; below 0: no band is known."""
        return min(self, Grade.HIGH) - Grade.LOW


@dataclass(frozen=True)
class Breached:
    """A value outside its normal band, as the threshold table judged it.

    `limit`: the limit of the normal band on the side of `direction`. `interval_seconds`: how often a reading of this
    attribute is expected. Raises ValueError for what no checked table can say.
    """

    attribute: str
    direction: Direction
    value: float
    severity: Severity
    delay_seconds: int
    limit: float
    clear_margin: float
    interval_seconds: float
    recorded_at: int
    source_id: str

    def __post_init__(self) -> None:
        _check_finite("value", self.value)
        _check_finite("limit", self.limit)
        _check_finite("clear_margin", self.clear_margin)
        for field in ("delay_seconds", "clear_margin"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field} of a breach is {getattr(self, field)}; it must be 0 or more.")
        if self.interval_seconds <= 0:
            raise ValueError(f"interval_seconds of a breach is {self.interval_seconds}; it must be more than 0.")
        if self.direction not in ("low", "high"):
            raise ValueError(f"direction of a breach is {self.direction!r}; it must be low or high.")
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity of a breach is {self.severity!r}; it must be one of {', '.join(SEVERITIES)}.")

    @property
    def grade(self) -> Grade:
        grade = Grade(Grade.LOW + SEVERITIES.index(self.severity))
        return Grade.ARREST if grade is Grade.HIGH and self.value == 0 and self.attribute in ARRESTS else grade


@dataclass(frozen=True)
class Measured:
    """A value of the alarm's attribute, rounded to its resolution, of whatever size.

    `partial`: a score that lacked inputs and is a lower bound (NEWS2). Raises ValueError for NaN and infinity.
    """

    value: float
    recorded_at: int
    source_id: str
    partial: bool = False

    def __post_init__(self) -> None:
        _check_finite("value", self.value)


@dataclass(frozen=True)
class Tick:
    """The clock, and nothing else."""


@dataclass(frozen=True)
class Acknowledge:
    """Somebody has seen the alarm. `until`: epoch ms by the clock; None: the default."""

    author: str
    reason: str
    until: int | None = None


@dataclass(frozen=True)
class Discharge:
    """The patient has left."""


@dataclass(frozen=True)
class SetBack:
    """The clock of a device was set back: it says `at` now (epoch ms), and had said more before."""

    at: int


Event = Breached | Measured | Tick | Acknowledge | Discharge | SetBack


class Kind(StrEnum):
    """What happened to an alarm. After the last three it has no state."""

    PENDING = "pending"
    RAISED = "raised"
    SEVERITY_ROSE = "severity_rose"
    SEVERITY_FELL = "severity_fell"
    ARRESTED = "arrested"
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGEMENT_ENDED = "acknowledgement_ended"
    CLEARED = "cleared"
    DROPPED = "dropped"
    ENDED_BY_DISCHARGE = "ended_by_discharge"


@dataclass(frozen=True)
class Transition:
    """One line of an alarm's history.

    `event_at`: when it became true, in event time (for what people and the clock do: the clock). `clock_at`: when it
    was decided. `value` and `source_id` are of the reading that decided, None when none did; `severity` is the alarm's
    afterwards (at an end: its last), None while pending. `why` names no person; `author` and `reason` are as given.
    """

    kind: Kind
    event_at: int
    clock_at: int
    severity: Severity | None
    why: str
    value: float | None = None
    source_id: str | None = None
    author: str | None = None
    reason: str | None = None
    until: int | None = None


def breached(breach: Breach, changed_seconds: Mapping[str, float]) -> Breached:
    """The part of a `doctors-queue` message that the lifecycle needs. Raises ValueError for what it cannot judge.

    `changed_seconds`: attribute -> how often it is expected where that is not as in the catalogue.
    """
    attribute, direction = breach["attribute"], breach["direction"]
    limit = breach["normal_low"] if direction == "low" else breach["normal_high"]
    if attribute not in JUDGED:
        raise ValueError(f"A breach is of attribute {attribute!r}; known are {', '.join(JUDGED)}.")
    if limit is None:
        raise ValueError(f"A breach of {attribute} in direction {direction!r} has no normal limit on that side.")
    return Breached(
        attribute=attribute,
        direction=direction,
        value=breach["value"],
        severity=breach["severity"],
        delay_seconds=breach["delay_seconds"],
        limit=limit,
        clear_margin=breach["clear_margin"],
        interval_seconds=expected_seconds(attribute, changed_seconds),
        recorded_at=breach["recorded_at"],
        source_id=breach["source_id"],
    )


def _check_finite(field: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{field} is {value}; it must be a finite number.")
