"""The alarm path on history: what alarms and mails a threshold table and a rule would have given. Pure, and fast.

Bands are found over whole arrays; `clinical.lifecycle.step` runs only from the first breach of an attribute and
direction until that alarm has ended, and `clinical.notices` tells of it: the engine's own functions, with the clock
`TRANSPORT_MS` after each measurement. Nobody is discharged and nothing is silenced; nobody acknowledges, or somebody
does a fixed time after each mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush, merge
from itertools import groupby

import numpy as np
import numpy.typing as npt

from alerts.banding import NO_BREACH, AgeBands, BandTable
from clinical.lifecycle import ACKNOWLEDGED_SECONDS, due_at, step
from clinical.lifecycle_events import SEVERITIES, Breached, Kind, Measured, Tick, Transition
from clinical.lifecycle_state import Outcome, Phase, State
from clinical.messages import Direction, Severity
from clinical.notices import Item, News, Notice, Rule, Standing, after, plan, told
from clinical.vitals import expected_seconds

TRANSPORT_MS = 200
"""From a measurement to the engine's judgement of it; the clock plays no other part."""

PHASES = {
    Kind.RAISED: Phase.ACTIVE,
    Kind.ACKNOWLEDGED: Phase.ACKNOWLEDGED,
    Kind.ACKNOWLEDGEMENT_ENDED: Phase.ACTIVE,
}
DIRECTIONS: tuple[Direction, Direction] = ("low", "high")
ENDS = {Kind.CLEARED: "cleared", Kind.DROPPED: "dropped", Kind.ENDED_BY_DISCHARGE: "discharged"}


@dataclass(frozen=True)
class Patient:
    """Whose readings they are. `age_years` None: unknown, judged as an adult."""

    patient_id: str
    ward: str
    age_years: float | None


@dataclass(frozen=True)
class Series:
    """One attribute of one patient: times (epoch ms, never going back) and values; without NaN.

    `partial`: which values are scores that lacked inputs; None: none.
    """

    attribute: str
    recorded_at: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    partial: npt.NDArray[np.bool_] | None = None


@dataclass
class Alarm:
    """One alarm from its first value out of range to its end.

    `raised_at` None: it never was more than pending. `ended_at`: None while it lasts. `peak`: its highest severity.
    Times: event time, epoch ms.
    """

    patient_id: str
    attribute: str
    direction: Direction
    began_at: int
    history: list[Transition] = field(default_factory=list)
    raised_at: int | None = None
    peak: Severity | None = None
    ended_at: int | None = None
    end_reason: str | None = None

    def note(self, changes: Iterable[Transition]) -> None:
        """Add to its history."""
        for change in changes:
            self.history.append(change)
            if change.kind in (Kind.RAISED, Kind.SEVERITY_ROSE):
                self.raised_at = change.event_at if self.raised_at is None else self.raised_at
                self.peak = max(filter(None, (self.peak, change.severity)), key=SEVERITIES.index)
            elif change.kind in ENDS:
                self.ended_at, self.end_reason = change.event_at, ENDS[change.kind]


@dataclass(frozen=True)
class Mail:
    """One mail; `alarms` are those that it tells of, `news` what it tells of each."""

    at: int
    patient_id: str
    ward: str
    severity: Severity
    escalation: int
    alarms: tuple[Alarm, ...]
    news: tuple[News, ...]


@dataclass
class Rehearsal:
    """What would have happened. Alarms that were never raised are among them; mails are by time."""

    alarms: list[Alarm] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    values: int = 0
    breaches: int = 0

    def add(self, other: Rehearsal) -> None:
        """Take in what happened to another patient."""
        self.alarms += other.alarms
        self.mails += other.mails
        self.values += other.values
        self.breaches += other.breaches


def rehearse(
    patient: Patient,
    series: Iterable[Series],
    table: BandTable,
    rule: Rule,
    until: int,
    answered_after_seconds: int | None = None,
    changed_seconds: Mapping[str, float] | None = None,
) -> Rehearsal:
    """The alarms and mails of one patient up to the clock `until` (epoch ms); what is open then stays open.

    `answered_after_seconds`: so long after the first mail that tells of it somebody acknowledges an alarm, if it lasts,
    and again when the acknowledgement has ended; None: nobody ever does. `changed_seconds`: attribute -> how often it
    is expected where that is not as in the catalogue.
    """
    result = Rehearsal()
    for one in series:
        bands = table.at_age(one.attribute, patient.age_years, patient.patient_id)
        result.values += len(one.values)
        steps, places = bands.find(one.values)
        result.breaches += int(np.count_nonzero(places != NO_BREACH))
        every = expected_seconds(one.attribute, changed_seconds or {})
        for direction in DIRECTIONS:
            result.alarms += _alarms(patient, one, _Judged(bands, steps, places, direction, every), until)
    result.mails = _mails(_Desk(patient, result.alarms, rule, answered_after_seconds), result.alarms, until)
    return result


class _Judged:
    """A series as one direction sees it: which readings breach in it, and the event that each reading is."""

    def __init__(
        self,
        bands: AgeBands,
        steps: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64],
        direction: Direction,
        interval_seconds: float,
    ) -> None:
        self._bands = bands
        self._steps = steps
        self._places = places
        self.direction = direction
        self._interval_seconds = interval_seconds
        own = np.append(bands.directions == direction, [False])
        self.breaching = np.flatnonzero(own[places])
        self._is_breach = own

    def event(self, series: Series, place: int) -> Breached | Measured:
        """The reading at that place."""
        at, band_place = int(series.recorded_at[place]), int(self._places[place])
        value = self._bands.rounded(int(self._steps[place]))
        if not self._is_breach[band_place]:
            partial = series.partial is not None and bool(series.partial[place])
            return Measured(value, at, str(place), partial)
        band = self._bands.bands[band_place]
        limit = band.normal_low if self.direction == "low" else band.normal_high
        return Breached(
            attribute=series.attribute,
            direction=self.direction,
            value=value,
            severity=band.row.severity or "low",
            delay_seconds=band.row.delay_seconds,
            limit=float(limit or 0),
            clear_margin=float(band.row.clear_margin),
            interval_seconds=self._interval_seconds,
            recorded_at=at,
            source_id=str(place),
        )


def _alarms(patient: Patient, series: Series, judged: _Judged, until: int) -> Iterator[Alarm]:
    """Each alarm in turn; between one and the next breach nothing is looked at."""
    place, count = 0, len(series.values)
    while (found := int(np.searchsorted(judged.breaching, place))) < len(judged.breaching):
        place = int(judged.breaching[found])
        alarm = Alarm(patient.patient_id, series.attribute, judged.direction, int(series.recorded_at[place]))
        state: State | None = None
        while place < count:
            event = judged.event(series, place)
            now = event.recorded_at + TRANSPORT_MS
            state = _tick(alarm, state, now)
            state = _note(alarm, step(state, event, now))
            place += 1
            if state is None:
                break
        _tick(alarm, state, until)
        yield alarm


def _tick(alarm: Alarm, state: State | None, until: int) -> State | None:
    """The state after every tick that was due before `until`."""
    while state is not None and (due := due_at(state)) is not None and due < until:
        outcome = step(state, Tick(), due)
        state = _note(alarm, outcome)
        if not outcome.transitions:
            break
    return state


def _note(alarm: Alarm, outcome: Outcome) -> State | None:
    alarm.note(outcome.transitions)
    return outcome.state


def _mails(desk: _Desk, alarms: Sequence[Alarm], until: int) -> list[Mail]:
    """What people are told of the patient's alarms, by the clock."""
    histories = ([(change.clock_at, key, change) for change in one.history] for key, one in enumerate(alarms))
    changes = merge(*histories, key=lambda entry: entry[:2])
    for now, together in groupby(changes, key=lambda entry: entry[0]):
        desk.wait(now)
        for _, key, change in together:
            desk.hear(key, change)
        desk.tell(now)
    desk.wait(until)
    return desk.mails


class _Desk:
    """Writes one patient's mails: what is standing, and when to look again."""

    def __init__(
        self, patient: Patient, alarms: Sequence[Alarm], rule: Rule, answered_after_seconds: int | None
    ) -> None:
        self.mails: list[Mail] = []
        self._answered_after = answered_after_seconds
        self._answers: list[tuple[int, int, Kind]] = []
        self._patient = patient
        self._alarms = alarms
        self._rule = rule
        self._standing: dict[int, Standing] = {}
        self._urgent_at: int | None = None
        self._next_at: int | None = None

    def hear(self, key: int, change: Transition) -> None:
        known = self._standing.get(key) or Standing(Notice(), Phase.PENDING, None, self._patient.ward)
        phase = None if change.kind in ENDS else PHASES.get(change.kind, known.phase)
        notice = after(known.notice, change, change.clock_at, self._rule)
        self._keep(key, replace(known, notice=notice, phase=phase, severity=change.severity))
        if change.kind in (Kind.SEVERITY_ROSE, Kind.ARRESTED) and phase is Phase.ACKNOWLEDGED:
            self.hear(key, replace(change, kind=Kind.ACKNOWLEDGEMENT_ENDED))

    def wait(self, until: int) -> None:
        """Write what becomes due before that time, and let people answer."""
        while (now := min(self._due(), default=until)) < until:
            while self._answers and self._answers[0][0] <= now:
                self._answer(*heappop(self._answers))
            self.tell(now)

    def _due(self) -> Iterator[int]:
        if self._next_at is not None:
            yield self._next_at
        if self._answers:
            yield self._answers[0][0]

    def _answer(self, at: int, key: int, kind: Kind) -> None:
        """Somebody acknowledges an alarm that lasts, or the time of that is over."""
        known = self._standing.get(key)
        expected = Phase.ACTIVE if kind is Kind.ACKNOWLEDGED else Phase.ACKNOWLEDGED
        if known is None or known.phase is not expected:
            return
        self.hear(key, Transition(kind, at, at, known.severity, "answered"))
        if kind is Kind.ACKNOWLEDGED:
            heappush(self._answers, (at + ACKNOWLEDGED_SECONDS * 1000, key, Kind.ACKNOWLEDGEMENT_ENDED))

    def tell(self, now: int) -> None:
        """Write the mails that are due."""
        decided = plan(self._standing, self._urgent_at, now, self._rule)
        while decided.mails:
            for mail in decided.mails:
                self.mails.append(self._mail(mail, now))
            self._told([item for mail in decided.mails for item in mail], now)
            decided = plan(self._standing, self._urgent_at, now, self._rule)
        self._next_at = decided.next_at

    def _told(self, items: Iterable[Item], now: int) -> None:
        of_alarm: dict[int, list[Item]] = {}
        for item in items:
            of_alarm.setdefault(item.key, []).append(item)
        for key, its in of_alarm.items():
            standing = replace(self._standing[key], notice=told(self._standing[key].notice, its, now))
            if standing.notice.urgent_at == now:
                self._urgent_at = now
            self._keep(key, standing)
            if standing.phase is Phase.ACTIVE and self._answered_after is not None:
                heappush(self._answers, (now + self._answered_after * 1000, key, Kind.ACKNOWLEDGED))

    def _keep(self, key: int, standing: Standing) -> None:
        """Nothing is kept of an alarm that is over and of which nothing is owed."""
        self._standing[key] = standing
        if standing.phase is None and standing.notice.settled:
            del self._standing[key]

    def _mail(self, items: Sequence[Item], now: int) -> Mail:
        first = items[0]
        return Mail(
            at=now,
            patient_id=self._patient.patient_id,
            ward=first.ward,
            severity=first.severity,
            escalation=first.escalation,
            alarms=tuple(self._alarms[item.key] for item in items),
            news=tuple(item.news for item in items),
        )
