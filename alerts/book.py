"""The book of alarms: every pending or open one, and what each message, the clock and people make of it. No I/O.

It is a cache of what MySQL holds: what has changed is taken out by `close`, written in one transaction, and after any
error the book is thrown away and loaded anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from alerts.alarms_table import RISEN, condition_of, is_above
from alerts.bedside import Bedside, Value, rounded
from alerts.decide import (
    Alarm,
    Changes,
    Key,
    advanced,
    counted,
)
from alerts.manner import Manner
from alerts.message import local_time, ward_of
from alerts.orders import Order
from alerts.silences import Silence, silenced_until
from alerts.writing import write_mail
from clinical import lifecycle_events as life
from clinical.lifecycle import due_at, step
from clinical.lifecycle_events import Acknowledge, Discharge, Kind, Measured, SetBack, Tick, breached
from clinical.lifecycle_state import Outcome, State, kept_id
from clinical.messages import Breach
from clinical.notices import Item, Notice, Plan, Standing, not_ahead, plan, rank, told

DIRECTIONS = ("low", "high")
RISES = (Kind.RAISED, Kind.SEVERITY_ROSE, Kind.ARRESTED)
URGENT_KEPT_MS = 120_000
LOOK_AGAIN_MS = 1000
CLAIMED = "(by the link in a mail, the name as claimed)"
OVER_KEPT_MS = 1_800_000
"""At least so long, by the clock, the last alarm of its kind is remembered when it is over."""

GONE_MS = 1_800_000
"""Of a patient who has left, an alarm without a value for so long is about a probe that was taken off."""


class Moved(NamedTuple):
    """A patient's ward by the source of contacts, and those that were left for it."""

    ward: str
    left: frozenset[str]


class AlarmBook:
    """Times are epoch ms; `now` is the clock, which must not be told out of order by more than it was set back.

    `changed_seconds`: attribute -> how often it is expected where that is not as in the catalogue.
    """

    def __init__(self, manner: Manner, bedside: Bedside, changed_seconds: Mapping[str, float]) -> None:
        self._manner = manner
        self._bedside = bedside
        self._changed_seconds = changed_seconds
        self._open: dict[Key, Alarm] = {}
        self._of_patient: dict[str, dict[str, Alarm]] = {}
        self._ticks: dict[Key, int] = {}
        self._plans: dict[str, int] = {}
        self._urgent: dict[str, int] = {}
        self._silences: Sequence[Silence] = ()
        self._touched: set[str] = set()
        self._changes = Changes()
        self._clock = 0
        self._moved: dict[str, Moved] = {}
        self._over: dict[Key, tuple[Alarm, int]] = {}
        self._forget_at = 0

    def load(self, alarms: Iterable[Alarm], now: int) -> None:
        """Take in what MySQL holds: alarms that are pending or open, and those that are over and not told yet."""
        self._clock = now
        for alarm in alarms:
            self._put(replace(alarm, notice=not_ahead(alarm.notice, now)))
            if alarm.state is not None and alarm.state.clock > now:
                self._ticks[alarm.key] = now
            self._touched.add(alarm.patient_id)

    def silence(self, silences: Sequence[Silence]) -> None:
        """These are in force from now on."""
        if list(silences) != list(self._silences):
            self._silences = tuple(silences)
            self._touched.update(self._of_patient)

    def is_watched(self, patient_id: str) -> bool:
        """Whether values of this patient matter to an alarm."""
        return patient_id in self._of_patient

    def patients(self) -> set[str]:
        """Patients with an alarm that is pending or open."""
        return {alarm.patient_id for alarm in self._open.values()}

    def open_alarm(self, alarm_id: str) -> Alarm | None:
        """The pending or open alarm of that id."""
        return next((alarm for alarm in self._open.values() if alarm.alarm_id == alarm_id), None)

    def breach(self, breach: Breach, now: int) -> None:
        """Judge one breach. It must be one that `breached` takes, and no repeat.

        One that comes after the values which ended its alarm is counted to that alarm; it begins one of its own only if
        that lasts, or was worse than what the other was.
        """
        self._look_at(now)
        breach = self._placed(breach)
        key = (breach["patient_id"], breach["attribute"], breach["direction"])
        at = min(breach["recorded_at"], now)
        alarm = self._open.get(key)
        source_id = kept_id(breach["source_id"])
        event = breached(breach, self._changed_seconds)
        if alarm is None and (over := self._part_of(key, breach, event, at, now)) is not None:
            over = counted(over, breach, at)
            self._changes.alarms[over.alarm_id] = over
            self._put(over)
            return
        outcome = step(alarm.state if alarm else None, event, now)
        began = alarm is None
        if alarm is None:
            alarm = _begun(breach, at)
        else:
            ward, alarm = alarm.ward, counted(alarm, breach, at)
            if alarm.ward != ward:
                self._touched.add(alarm.patient_id)
            if any(change.kind in RISES and change.source_id == source_id for change in outcome.transitions):
                alarm = replace(alarm, breach=breach)  # what is told now, also when it came late
        alarm = self._advance(alarm, outcome, now, breach["breach_id"])
        if began:
            self._catch_up(alarm, breach, now)

    def _part_of(self, key: Key, breach: Breach, event: life.Breached, at: int, now: int) -> Alarm | None:
        """The last alarm of its kind, which is over, if the breach is of its time and says nothing new by itself."""
        last, _ = self._over.get(key, (None, 0))
        if last is None or last.ended_at is None or not last.started_at <= at <= last.ended_at:
            return None
        outcome = step(None, event, now)
        seen = [*outcome.transitions]
        for value in self._read_ahead(breach):
            if outcome.state is None:
                break
            outcome = step(outcome.state, _measured(value), now)
            seen += outcome.transitions
        is_worse = any(one.kind is Kind.ARRESTED or rank(one.severity) > rank(last.peak) for one in seen)
        return last if outcome.state is None and not is_worse else None

    def value(self, patient_id: str, value: Value, now: int) -> None:
        """Tell a value to the patient's alarms of that attribute; it costs little when there is none."""
        if not self.is_watched(patient_id):
            return
        self._look_at(now)
        for direction in DIRECTIONS:
            alarm = self._open.get((patient_id, value.attribute, direction))
            if alarm is not None:
                self._step(alarm, _measured(value), now)

    def set_back(self, patient_id: str, value: Value, now: int) -> None:
        """The clock of the device that measured this value was set back: told before the value."""
        self._look_at(now)
        at = min(value.recorded_at, now)
        for direction in DIRECTIONS:
            alarm = self._open.get((patient_id, value.attribute, direction))
            if alarm is not None:
                alarm = replace(
                    alarm,
                    started_at=min(alarm.started_at, at),
                    raised_at=None if alarm.raised_at is None else min(alarm.raised_at, at),
                    last_breach_at=min(alarm.last_breach_at, at),
                )
                self._step(alarm, SetBack(at), now)

    def tick(self, now: int) -> None:
        """Tell the clock to the alarms that wait for it. Only when all that was published has been read."""
        self._look_at(now)
        for key in [key for key, at in self._ticks.items() if at <= now]:
            self._step(self._open[key], Tick(), now)

    def discharge(self, patient_id: str, left_at: int, now: int) -> None:
        """The patient has left: alarms that began before are over, and so are those of which nothing more comes.

        One that began since, and of which values come, is of somebody who is there.
        """
        self._look_at(now)
        for alarm in list(self._of_patient.get(patient_id, {}).values()):
            if alarm.state is None:
                continue
            is_quiet = now - max(left_at, alarm.state.readings[-1].at) > GONE_MS
            if alarm.started_at <= left_at or is_quiet:
                self._step(alarm, Discharge(), now)

    def moved(self, patient_id: str, ward: str) -> None:
        """The patient is in that ward now, by the source of contacts: also of alarms that have no breach any more.

        Breaches carry the last import, and go on naming the ward before until the next: see `_placed`.
        """
        for alarm in list(self._of_patient.get(patient_id, {}).values()):
            if alarm.state is None or alarm.ward == ward:
                continue
            before = self._moved.get(patient_id, Moved(ward, frozenset())).left
            self._moved[patient_id] = Moved(ward, (before | {alarm.ward}) - {ward})
            alarm = replace(alarm, ward=ward)
            self._changes.alarms[alarm.alarm_id] = alarm
            self._put(alarm)
            self._touched.add(patient_id)

    def _placed(self, breach: Breach) -> Breach:
        """The breach in the ward where the patient is: one that names a ward that the patient has left says nothing."""
        moved = self._moved.get(breach["patient_id"])
        if moved is None or not breach["ward"]:
            return breach
        if ward_of(breach) in moved.left:
            return {**breach, "ward": moved.ward}
        del self._moved[breach["patient_id"]]  # the import has come to it, or knows better
        return breach

    def acknowledge(self, order: Order, now: int) -> str:
        """Carry out what somebody asked for; what became of it, as a sentence."""
        self._look_at(now)
        alarm = self.open_alarm(order.alarm_id)
        if alarm is None or alarm.state is None:
            return "There is no such open alarm: it is over, or never was."
        if order.severity is not None and is_above(condition_of(alarm.state), order.severity):
            return RISEN
        reason = " ".join(filter(None, (order.reason, CLAIMED if order.is_claimed else "")))
        outcome = step(alarm.state, Acknowledge(order.author, reason, order.until), now)
        self._advance(alarm, outcome, now)
        if not any(change.kind is Kind.ACKNOWLEDGED for change in outcome.transitions):
            return "The alarm is pending: there is nothing to acknowledge yet."
        after = outcome.state
        if after is None or after.acknowledged_until is None:
            return "The time of the acknowledgement is over already."
        until = local_time(after.acknowledged_until - after.ahead, self._manner.style.zone)
        return f"Acknowledged until {until}, or until it becomes more severe."

    def close(self, now: int, only_news: bool = False) -> Changes:
        """Write the mails that are due; everything that has changed since the last time. `only_news`: what says that an
        alarm lasts waits."""
        self._look_at(now)
        due = {patient for patient, at in self._plans.items() if at <= now}
        for patient in sorted(self._touched | due):
            self._tell(patient, now, only_news)
        self._touched.clear()
        if len(self._urgent) > len(self._of_patient):
            self._urgent = {one: at for one, at in self._urgent.items() if now - at < URGENT_KEPT_MS}
        if now >= self._forget_at:
            self._over = {key: (last, at) for key, (last, at) in self._over.items() if now - at < OVER_KEPT_MS}
            self._forget_at = now + URGENT_KEPT_MS
        changes, self._changes = self._changes, Changes()
        return changes

    def _look_at(self, now: int) -> None:
        """After the clock was set back, everything that waits for it is asked again."""
        if now < self._clock:
            self._ticks = {key: min(at, now) for key, at in self._ticks.items()}
            self._touched.update(self._of_patient)
            self._urgent = {patient: min(at, now) for patient, at in self._urgent.items()}
            self._forget_at = now
            for alarms in self._of_patient.values():
                for alarm_id, alarm in alarms.items():
                    alarms[alarm_id] = replace(alarm, notice=not_ahead(alarm.notice, now))
                    if alarm.state is not None:
                        self._open[alarm.key] = alarms[alarm_id]
        self._clock = now

    def _catch_up(self, alarm: Alarm, breach: Breach, now: int) -> None:
        """Give a new alarm the values since its breach, which were read before it."""
        for value in self._read_ahead(breach):
            current = self._open.get(alarm.key)
            if current is None:
                return
            self._step(current, _measured(value), now)

    def _read_ahead(self, breach: Breach) -> Iterator[Value]:
        """The values since a breach, without its own."""
        for value in self._bedside.since(breach["patient_id"], breach["attribute"], breach["recorded_at"]):
            if value.source_id != breach["source_id"]:
                yield value

    def _step(self, alarm: Alarm, event: life.Event, now: int) -> None:
        self._advance(alarm, step(alarm.state, event, now), now)

    def _advance(self, alarm: Alarm, outcome: Outcome, now: int, breach_id: str | None = None) -> Alarm:
        silenced = self._silenced_until(alarm) is not None
        alarm, events = advanced(alarm, outcome, now, self._manner.rule, silenced, breach_id)
        self._changes.events += events
        self._changes.alarms[alarm.alarm_id] = alarm
        self._put(alarm)
        if events:
            self._touched.add(alarm.patient_id)
        return alarm

    def _put(self, alarm: Alarm) -> None:
        """Keep an alarm as long as it is open or something is owed of it."""
        if alarm.state is not None:
            self._open[alarm.key] = alarm
            self._wait(alarm.key, alarm.state)
        else:
            if (known := self._open.get(alarm.key)) and known.alarm_id == alarm.alarm_id:
                del self._open[alarm.key]
                self._ticks.pop(alarm.key, None)
            last, _ = self._over.get(alarm.key, (alarm, 0))
            if last.alarm_id == alarm.alarm_id or (last.ended_at or 0) <= (alarm.ended_at or 0):
                self._over[alarm.key] = (alarm, self._clock)
        of_patient = self._of_patient.setdefault(alarm.patient_id, {})
        if alarm.state is not None or not alarm.notice.settled:
            of_patient[alarm.alarm_id] = alarm
            return
        of_patient.pop(alarm.alarm_id, None)
        if not of_patient:
            del self._of_patient[alarm.patient_id]
            self._moved.pop(alarm.patient_id, None)

    def _wait(self, key: Key, state: State) -> None:
        due = due_at(state)
        if due is None:
            self._ticks.pop(key, None)
        else:
            self._ticks[key] = due

    def _tell(self, patient_id: str, now: int, only_news: bool) -> None:
        """Write the patient's mails that are due, and note when to look again."""
        decided = self._plan(patient_id, now, only_news)
        if decided.mails:
            self._write(patient_id, decided.mails, now)
            decided = self._plan(patient_id, now, only_news)
        at = now if decided.mails else decided.next_at
        if only_news:  # what waits for that is in no plan
            at = min(now + LOOK_AGAIN_MS, at or now + LOOK_AGAIN_MS)
        if at is None:
            self._plans.pop(patient_id, None)
        else:
            self._plans[patient_id] = at

    def _plan(self, patient_id: str, now: int, only_news: bool) -> Plan:
        alarms = self._of_patient.get(patient_id, {})
        standing = {alarm_id: self._standing(alarm) for alarm_id, alarm in alarms.items()}
        return plan(standing, self._urgent.get(patient_id), now, self._manner.rule, only_news)

    def _write(self, patient_id: str, mails: Iterable[Sequence[Item]], now: int) -> None:
        alarms = self._of_patient[patient_id]
        of_alarm: dict[str, list[Item]] = {}
        for mail in mails:
            self._write_mail([alarms[item.key] for item in mail], mail, now)
            for item in mail:
                of_alarm.setdefault(item.key, []).append(item)
        for alarm_id, items in of_alarm.items():
            alarm = alarms[alarm_id]
            alarm = replace(alarm, notice=told(alarm.notice, items, now))
            if alarm.notice.urgent_at == now:
                self._urgent[patient_id] = now
            self._changes.alarms[alarm_id] = alarm
            self._put(alarm)

    def _standing(self, alarm: Alarm) -> Standing:
        phase = alarm.state.phase if alarm.state else None
        arrested = alarm.state is not None and alarm.state.arrested
        return Standing(alarm.notice, phase, alarm.severity, alarm.ward, self._silenced_until(alarm), arrested)

    def _silenced_until(self, alarm: Alarm) -> int | None:
        if not self._silences:
            return None
        return silenced_until(self._silences, alarm.patient_id, alarm.ward, alarm.attribute)

    def _write_mail(self, alarms: Sequence[Alarm], items: Sequence[Item], now: int) -> None:
        notification, events = write_mail(alarms, items, self._bedside, self._manner, uuid.uuid4().hex, now)
        self._changes.notifications.append(notification)
        self._changes.events += events


def _begun(breach: Breach, at: int) -> Alarm:
    return Alarm(
        alarm_id=uuid.uuid4().hex,
        breach=breach,
        ward=ward_of(breach),
        state=None,
        notice=Notice(),
        started_at=at,
        last_breach_at=at,
        breaches=1,
        last_value=breach["value"],
    )


def _measured(value: Value) -> Measured:
    return Measured(rounded(value.attribute, value.value), value.recorded_at, value.source_id, value.partial)
