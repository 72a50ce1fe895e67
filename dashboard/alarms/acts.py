"""What somebody does on the alarms page, each recorded before it is done. All of it blocks."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pymysql.cursors import Cursor

from alerts.ack_desk import Desk, Placed, Wish
from alerts.ack_html import MINUTES
from alerts.alarms_table import RISEN, has_risen, not_acknowledgeable
from alerts.database import in_transaction, now_ms
from alerts.entries import as_moment, author_of, reason_of
from alerts.silences import Silence, add_silence, lift, load_silences
from alerts.silences_cli import Scope, check_scope, check_times, describe
from dashboard.database import alerts_database
from dashboard.visit import Visit
from infra.errors import ConfigurationError, WardError

NOT_YET = (
    "Recorded, not in force yet: the alert engine has not answered. It takes effect as soon as it does; until then "
    "reminders may still come."
)


@dataclass(frozen=True)
class AckForm:
    """What was typed to acknowledge an alarm. `severity`: as it was shown; `after`: the newest order of all then."""

    alarm_id: str
    severity: str
    after: int
    reason: str
    minutes: int


@dataclass(frozen=True)
class SilenceForm:
    """What was typed to silence. Empty: not given. `sent_at`: when it was first sent (epoch ms), so that the same form
    sent again is the same silence."""

    patient_id: str
    ward: str
    attribute: str
    duration: str
    until: str
    reason: str
    sent_at: int


@dataclass(frozen=True)
class Outcome:
    """What became of an act, as a sentence; whether it is in force."""

    sentence: str
    is_done: bool


def acknowledge(visit: Visit, desk: Desk, form: AckForm) -> Outcome:
    """Leave the order and wait a little for the engine. The same form again is the same order.

    Raises ConfigurationError for what was typed wrong, WardError when the alarm is not to be acknowledged now, and
    UnavailableError.
    """
    if form.minutes not in MINUTES:
        raise ConfigurationError("Choose for how long there are to be no reminders.")
    author, reason = author_of(visit.account.name), reason_of(form.reason, needed=False)
    alarm = desk.look(form.alarm_id)
    if alarm is None:
        raise WardError("This alarm is not known: it was forgotten long after it was over.")
    if problem := not_acknowledgeable(alarm):
        raise WardError(problem)
    if has_risen(alarm, form.severity):
        raise WardError(RISEN)
    detail = f"alarm {alarm.alarm_id} for {form.minutes} minutes: {reason}"
    visit.record("acknowledge alarm", alarm.patient_id, detail)
    wish = Wish(alarm.alarm_id, author, reason, form.minutes * 60_000, form.after, form.severity, is_claimed=False)
    placed: Placed = desk.place(wish)
    outcome = desk.outcome(placed.order_id)
    if outcome is None:
        return Outcome(NOT_YET, is_done=False)
    after = desk.look(alarm.alarm_id)
    return Outcome(outcome, is_done=after is not None and after.state == "acknowledged")


def silence(visit: Visit, form: SilenceForm) -> Outcome:
    """Write a silence, once for each form. Raises ConfigurationError for what was typed wrong, UnavailableError."""
    settings, zone = visit.house.settings, visit.house.zone
    author, reason = author_of(visit.account.name), reason_of(form.reason)
    scope = scope_of(form)
    begins, ends = check_times(
        None if form.until.strip() else form.duration, form.until.strip() or None, None, zone, form.sent_at
    )
    visit.record("silence alarms", scope[0], f"{_told(scope, ends, zone)}: {reason}")

    def work(cursor: Cursor) -> int:
        wanted = ("silence", *scope, begins, ends, author, reason)
        known = (one.silence_id for one in load_silences(cursor, begins) if _as_asked(one) == wanted)
        found = next(known, None)
        return found or add_silence(cursor, "silence", *scope, begins, ends, author, reason, now_ms())

    with alerts_database(settings) as connection:
        made = in_transaction(connection, work)
    return Outcome(f"Silence {made}: no mails about {_told(scope, ends, zone)}.", is_done=True)


def end_silence(visit: Visit, silence_id: int) -> Outcome:
    """End a silence now. Raises WardError when it is over already, UnavailableError."""
    author, now = author_of(visit.account.name), now_ms()
    with alerts_database(visit.house.settings) as connection:
        with connection.cursor() as cursor:
            found = {one.silence_id: one for one in load_silences(cursor, now) if one.lifted_at is None}
        one = found.get(silence_id)
        if one is not None:
            visit.record(
                "end silence", one.patient_id, f"silence {silence_id}: {_told(_scope(one), one.ends_at, None)}"
            )
        if one is None or not in_transaction(connection, lambda cursor: lift(cursor, silence_id, author, now)):
            raise WardError(f"Silence {silence_id} is over already.")
    return Outcome(f"Silence {silence_id} is over.", is_done=True)


def scope_of(form: SilenceForm) -> Scope:
    """What the form silences. Raises ConfigurationError, for one that would silence everything too."""
    patient, ward, attribute = (part.strip() or None for part in (form.patient_id, form.ward, form.attribute))
    if patient is None and ward is None and attribute is None:
        raise ConfigurationError("Say what is silenced: a patient, a ward, an attribute, or several of them.")
    return check_scope(patient, ward, attribute, everything=False)


def _scope(one: Silence) -> Scope:
    return one.patient_id, one.ward, one.attribute


def _as_asked(one: Silence) -> tuple[object, ...]:
    return (one.kind, *_scope(one), one.starts_at, one.ends_at, one.author, one.reason)


def _told(scope: Scope, ends: int, zone: ZoneInfo | None) -> str:
    zone = zone or ZoneInfo("UTC")
    return f"{describe(scope)} until {as_moment(ends, zone)} {zone.key}"
