"""A bed as the board shows it: how bad it is, and what is said of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from alerts.alarms_table import AlarmRow
from alerts.message import UNKNOWN_WARD
from clinical.presence import Signal
from dashboard.live.patient import PatientNow, Standing
from dashboard.live.state import UNJUDGED, Contact, Wards, lost_signal

NEWS2_HIGH, NEWS2_MEDIUM = 7, 5
"""Of the whole score, RCP 2017, chart 2."""

ALARMS_SECONDS = 10.0
"""Alarms that were read longer ago say nothing of now, nor do those of a time so far ahead: the clock was set back."""


class Rank(IntEnum):
    """Worst first."""

    HIGH = 0
    HIGH_ACKNOWLEDGED = 1
    MEDIUM = 2
    NO_SIGNAL = 3
    MEDIUM_ACKNOWLEDGED = 4
    NEWS2_HIGH = 5
    LOW = 6
    NEWS2_MEDIUM = 7
    TECHNICAL = 8
    UNWATCHED = 9
    """Admitted, and nothing has come for longer than is kept, though nobody waits for it: no monitor, or not yet."""
    SINGLE = 10
    """Single readings and no monitor."""
    UNKNOWN = 11
    """It cannot be told whether there is an alarm."""
    FINE = 12


WITHOUT_SIGNAL = "no signal"
LOOKS = {
    Rank.HIGH: "high",
    Rank.HIGH_ACKNOWLEDGED: "high",
    Rank.MEDIUM: "medium",
    Rank.NO_SIGNAL: "nosignal",
    Rank.MEDIUM_ACKNOWLEDGED: "medium",
    Rank.LOW: "low",
    Rank.UNWATCHED: "nosignal",
    Rank.FINE: "fine",
}
"""How a tile's frame looks, by rank; the others have a plain one."""


@dataclass(frozen=True)
class Bed:
    """One tile. `no_signal_since`: the last value before the signal was lost, epoch ms; 0: it is longer ago than is
    kept; None: there is a signal, or single readings. `alarms_known`: whether they could be read."""

    patient_id: str
    contact: Contact | None
    rank: Rank
    alarms: tuple[AlarmRow, ...]
    standing: Standing
    no_signal_since: int | None
    alarms_known: bool

    @property
    def ward(self) -> str:
        """As it is shown; of somebody without a contact, as who was discharged by mistake, that of the alarm."""
        if self.contact is not None:
            return self.contact.ward or UNKNOWN_WARD
        return next((alarm.ward for alarm in self.alarms if alarm.kind != "technical"), None) or UNKNOWN_WARD

    @property
    def place(self) -> tuple[int, str, str]:
        """Where its tile stands; it moves only when its rank changes."""
        return self.rank, self.ward, self.patient_id

    @property
    def worst(self) -> str:
        """The severity of its worst clinical alarm, acknowledged or not."""
        return next((alarm.severity_shown for alarm in self.alarms if alarm.kind != "technical"), "")


NOTHING = Standing(False, False, None, {})


def bed_of(patient_id: str, wards: Wards, now: int) -> Bed:
    """The bed of a patient at that time (epoch ms)."""
    patient = wards.patients.get(patient_id)
    alarms = wards.alarms.get(patient_id, ())
    standing = patient.standing(now) if patient else NOTHING
    told = {signal: alarm.started_at for alarm in alarms if (signal := lost_signal(alarm)) is not None}
    if standing.monitored or standing.silent:
        current = set(patient.series) if patient else set()
        known = {one.attribute: at for one, at in told.items() if one.attribute and one.attribute not in current}
        standing = Standing(standing.silent, standing.monitored, standing.since, {**known, **standing.lost})
    since = _no_signal_since(patient_id, standing, told)
    read_at = wards.alarms_read_at
    is_judged = wards.problems.keys().isdisjoint(UNJUDGED)
    known_now = is_judged and read_at is not None and abs(now / 1000 - read_at) <= ALARMS_SECONDS
    rank = _rank(patient, alarms, standing, since, known_now)
    contact = wards.contacts.get(patient_id) if wards.contacts else None
    return Bed(patient_id, contact, rank, alarms, standing, since, known_now)


def _no_signal_since(patient_id: str, standing: Standing, told: dict[Signal, int]) -> int | None:
    if standing.monitored:
        return None
    if standing.silent:
        return standing.since or 0
    if (since := told.get(Signal(patient_id))) is not None:
        return since
    return 0 if standing.since is None else None


def _rank(
    patient: PatientNow | None, alarms: tuple[AlarmRow, ...], standing: Standing, since: int | None, known: bool
) -> Rank:
    score = patient.score if patient else None
    is_waited_for = standing.silent or bool(since)
    is_technical = bool(standing.lost) or any(alarm.kind == "technical" for alarm in alarms)
    states = {(alarm.severity_shown, alarm.state) for alarm in alarms if alarm.kind != "technical"}
    cases = (
        (Rank.HIGH, ("high", "active") in states),
        (Rank.HIGH_ACKNOWLEDGED, ("high", "acknowledged") in states),
        (Rank.MEDIUM, ("medium", "active") in states),
        (Rank.NO_SIGNAL, since is not None and is_waited_for),
        (Rank.MEDIUM_ACKNOWLEDGED, ("medium", "acknowledged") in states),
        (Rank.NEWS2_HIGH, score is not None and score.value >= NEWS2_HIGH),
        (Rank.LOW, bool(states)),
        (Rank.NEWS2_MEDIUM, score is not None and score.value >= NEWS2_MEDIUM),
        (Rank.UNWATCHED, since is not None),
        (Rank.TECHNICAL, is_technical),
        (Rank.SINGLE, not standing.monitored),
        (Rank.UNKNOWN, not known),
    )
    return next((rank for rank, holds in cases if holds), Rank.FINE)
