"""An alarm, a silence and a history as one page may show them. Pure.

What somebody may not see is not in what is made here, so that it cannot be sent to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from zoneinfo import ZoneInfo

from alerts.alarm_facts import acknowledged, facts
from alerts.alarms_table import AlarmRow, Step, not_acknowledgeable
from alerts.decide import WHO
from alerts.entries import as_moment
from alerts.message import UNKNOWN_WARD
from alerts.orders import Order
from alerts.silences import Silence, silenced_until
from alerts.silences_cli import describe
from dashboard.alarms.look import ENDED_MAX, Seen
from dashboard.live.state import patient_of

Place = Literal["active", "acknowledged", "technical", "ended"]
PLACES: tuple[Place, ...] = ("active", "acknowledged", "technical", "ended")
MARKS = {"high": "▲ HIGH", "medium": "◆ MEDIUM", "low": "● LOW", "technical": "■ TECHNICAL"}
PROGRAM, SOMEBODY = "the program", "somebody"


@dataclass(frozen=True)
class Eyes:
    """What somebody may see and do. `identity`: patients' names, and what people wrote or signed."""

    identity: bool
    acts: bool


@dataclass(frozen=True)
class Line:
    """An alarm in the list. Everything but ids is text to show; `notes` are sentences."""

    alarm_id: str
    place: Place
    severity: str
    condition: str
    mark: str
    title: str
    patient_id: str | None
    attribute: str | None
    name: str
    ward: str
    state: str
    notes: tuple[str, ...]
    may_acknowledge: bool
    may_silence: bool

    @property
    def whose(self) -> str:
        """The patient, by name where it may be known."""
        if self.patient_id is None:
            return ""
        return f"{self.name} ({self.patient_id})" if self.name else self.patient_id


@dataclass(frozen=True)
class SilenceLine:
    """A silence in the list."""

    silence_id: int
    what: str
    times: str
    by: str
    may_end: bool


def lines(seen: Seen, eyes: Eyes, zone: ZoneInfo, ward: str | None) -> dict[Place, list[Line]]:
    """The alarms of a ward (None: of all) by their place, in the order in which they are shown.

    Technical alarms without a ward concern all.
    """
    found: dict[Place, list[Line]] = {place: [] for place in PLACES}
    in_force = [one for one in seen.silences if one.silence_id in seen.in_force]
    for alarm in (*seen.alarms, *seen.ended):
        place = ward_now(alarm, seen)
        if ward is None or place == ward or (alarm.kind == "technical" and place is None):
            line = line_of(alarm, seen, in_force, eyes, zone)
            found[line.place].append(line)
    return found


def ward_now(alarm: AlarmRow, seen: Seen) -> str | None:
    """An open technical alarm keeps the ward that was told of it; who looks for it looks where its patient lies now."""
    if alarm.kind != "technical" or alarm.state == "ended":
        return alarm.ward
    return (seen.beds or {}).get(patient_of(alarm) or "", alarm.ward)


def line_of(alarm: AlarmRow, seen: Seen, in_force: Iterable[Silence], eyes: Eyes, zone: ZoneInfo) -> Line:
    """One alarm; `in_force`: the silences that hold now."""
    place = _place(alarm)
    is_clinical = alarm.kind == "clinical"
    patient_id, names = patient_of(alarm), seen.names or {}
    return Line(
        alarm_id=alarm.alarm_id,
        place=place,
        severity=alarm.severity_shown,
        condition=alarm.condition,
        mark=MARKS.get(alarm.severity_shown, alarm.severity_shown),
        title=alarm.what.replace("_", " ") if alarm.kind == "technical" else alarm.what,
        patient_id=patient_id,
        attribute=alarm.attribute,
        name=names.get(patient_id or "", "") if eyes.identity else "",
        ward=ward_now(alarm, seen) or (UNKNOWN_WARD if is_clinical else ""),
        state=_state(alarm, eyes, zone),
        notes=tuple(_notes(alarm, seen.orders, in_force, eyes, zone)),
        may_acknowledge=eyes.acts and not_acknowledgeable(alarm) is None,
        may_silence=eyes.acts and is_clinical and place != "ended",
    )


def count_told(count: int, is_cut: bool) -> str:
    """How many of those that are over are shown; cut, of all wards only the newest were looked at."""
    if not is_cut:
        return f"{count}"
    return f"the newest {count}" if count == ENDED_MAX else f"{count} of the newest {ENDED_MAX} of all wards"


def silence_lines(seen: Seen, eyes: Eyes, zone: ZoneInfo, ward: str | None) -> list[SilenceLine]:
    """The silences that may concern a ward (None: all)."""
    return [
        SilenceLine(
            one.silence_id,
            f"{one.kind.capitalize()}: no mails about {describe((one.patient_id, one.ward, one.attribute))}",
            f"{'until' if one.silence_id in seen.in_force else f'from {as_moment(one.starts_at, zone)} to'} "
            f"{as_moment(one.ends_at, zone)}",
            f"by {one.author}: {one.reason}" if eyes.identity else "",
            eyes.acts,
        )
        for one in seen.silences
        if ward is None or one.ward in (None, ward)
    ]


def facts_of(alarm: AlarmRow, name: str | None, eyes: Eyes, zone: ZoneInfo) -> list[tuple[str, str]]:
    """All there is to say of an alarm, its patient's name first."""
    shown = facts(alarm if eyes.identity else replace(alarm, acknowledged_by=None), zone)
    return [("Patient", name), *shown] if eyes.identity and name else shown


def steps_of(steps: Iterable[Step], eyes: Eyes, zone: ZoneInfo) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The history as a table: its headline, and a row for each step."""
    if eyes.identity:
        headline: Sequence[str] = (f"When ({zone.key})", "What", "Who", "Why", "Mail")
        return headline, [
            (_when(step, zone), _what(step), step.who, step.why, _mail(step, zone, step.mail or "")) for step in steps
        ]
    headline = (f"When ({zone.key})", "What", "Who", "Mail")
    return headline, [
        (_when(step, zone), _what(step), PROGRAM if step.who == WHO else SOMEBODY, _mail(step, zone, "a mail"))
        for step in steps
    ]


def _when(step: Step, zone: ZoneInfo) -> str:
    return as_moment(step.at, zone)


def _what(step: Step) -> str:
    return step.what.replace("_", " ")


def _mail(step: Step, zone: ZoneInfo, called: str) -> str:
    if step.mail is None:
        return ""
    return f"{called} ({'sent ' + as_moment(step.mailed_at, zone) if step.mailed_at else 'waits'})"


def _place(alarm: AlarmRow) -> Place:
    if alarm.state == "ended":
        return "ended"
    if alarm.kind == "technical":
        return "technical"
    return "acknowledged" if alarm.state == "acknowledged" else "active"


def _state(alarm: AlarmRow, eyes: Eyes, zone: ZoneInfo) -> str:
    since = f"since {as_moment(alarm.started_at, zone)}"
    if alarm.state == "ended":
        how = f", {alarm.end_reason}" if alarm.end_reason else ""
        return f"Over: {since} to {as_moment(alarm.ended_at or alarm.last_breach_at, zone)}{how}"
    if alarm.state == "acknowledged":
        if eyes.identity:
            return f"Acknowledged by {acknowledged(alarm, zone)}; {since}"
        until = f" until {as_moment(alarm.acknowledged_until, zone)}" if alarm.acknowledged_until else ""
        return f"Acknowledged{until}; {since}"
    return f"Active {since}"


def _notes(
    alarm: AlarmRow, orders: Iterable[Order], in_force: Iterable[Silence], eyes: Eyes, zone: ZoneInfo
) -> Iterable[str]:
    if alarm.kind == "technical" and alarm.detail:
        yield alarm.detail
    if alarm.state == "active" and alarm.escalation:
        yield f"Escalated to level {alarm.escalation}."
    for order in orders:
        if order.alarm_id == alarm.alarm_id:
            whose = f"{order.author}'s acknowledgement" if eyes.identity else "An acknowledgement"
            yield f"{whose} waits for the alert engine."
    if alarm.kind == "clinical" and alarm.state != "ended":
        until = silenced_until(in_force, alarm.patient_id or "", alarm.ward or "", alarm.attribute or "")
        if until is not None:
            yield f"Silenced: no mails about it until {as_moment(until, zone)}."
