"""The forms that acknowledge an alarm and that silence. A second click on their buttons does nothing a second time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nicegui import ui

from alerts.ack_desk import Desk
from alerts.ack_html import DEFAULT_MINUTES, MINUTES, for_how_long
from alerts.database import now_ms
from alerts.entries import REASON_MAX
from alerts.silences_cli import NAME_MAX
from clinical.vitals import JUDGED
from dashboard.alarms.acts import AckForm, Outcome, SilenceForm, acknowledge, silence
from dashboard.alarms.view import Line
from dashboard.frame import problems_told, told_of
from dashboard.roles import Permission
from dashboard.sending import Sending
from dashboard.visit import Visit, in_thread

DURATIONS = {
    "30m": "30 minutes",
    "1h": "1 hour",
    "2h": "2 hours",
    "4h": "4 hours",
    "8h": "8 hours",
    "1d": "1 day",
    "7d": "7 days",
}
DEFAULT_DURATION = "1h"


@dataclass
class _Asking:
    """One opening of the form about an alarm. `after`: the newest order of all then."""

    line: Line
    after: int
    sending: Sending = field(default_factory=lambda: Sending(is_open=True))


@dataclass
class _Silencing:
    """One opening of the form that silences. `form`: as it was sent last."""

    form: SilenceForm | None = None
    sending: Sending = field(default_factory=lambda: Sending(is_open=True))


class AckDialog:
    """Acknowledges one alarm at a time, also while the answer about another is awaited. `changed` is called when one
    was."""

    def __init__(self, visit: Visit, desk: Desk, changed: Callable[[], object]) -> None:
        self._visit = visit
        self._desk = desk
        self._changed = changed
        self._asking: _Asking | None = None
        self._openings = 0
        with ui.dialog().props('aria-label="Acknowledge an alarm"') as self._dialog, ui.card().classes("ward-form"):
            ui.html("<h2>Acknowledge</h2>", sanitize=False).classes("ward-section-title")
            self._about = ui.label().classes("ward-form-about")
            self._news = ui.label().classes("ward-form-news").props('role="status"')
            self._reason = ui.input("Reason, or what is being done (may be empty)").props(f"maxlength={REASON_MAX}")
            choices = {minutes: for_how_long(minutes) for minutes in MINUTES}
            self._minutes = ui.select(choices, value=DEFAULT_MINUTES, label="No reminders for")
            ui.label(f"Recorded as {visit.account.name}. It ends early if the alarm becomes more severe.").classes(
                "ward-quiet-note"
            )
            with ui.row():
                self._send = ui.button("Acknowledge this alarm", on_click=self._act)
                ui.button("Cancel", on_click=self._dialog.close).props("outline")

    async def open(self, line: Line) -> None:
        """Ask about this alarm, unless it is asked about another before there is an answer."""
        self._openings += 1
        opening = self._openings
        with problems_told(_named(line)):
            after = await in_thread(self._desk.newest_order)
            if opening != self._openings:
                return
            self._asking = _Asking(line, after)
            self._reason.set_value("")
            self._minutes.set_value(DEFAULT_MINUTES)
            self._news.set_text("")
            self._about.set_text(_about(line))
            self._send.enable()
            self._dialog.open()

    def see(self, line: Line | None) -> None:
        """What the alarm is like now that is asked about; None: it is not in the list any more."""
        if self._asking is None or not self._dialog.value:
            return
        state = line.state if line else "it is no longer among those that are shown"
        self._news.set_text("" if line and line.state == self._asking.line.state else f"Meanwhile: {state}.")

    @property
    def alarm_id(self) -> str:
        """Which alarm is or was asked about last."""
        return self._asking.line.alarm_id if self._asking else ""

    async def _act(self) -> None:
        asking = self._asking
        if asking is None or not asking.sending.begin():
            return
        about = _named(asking.line)
        self._send.disable()
        outcome: Outcome | None = None
        try:
            with problems_told(about):
                form = AckForm(
                    asking.line.alarm_id,
                    asking.line.condition,
                    asking.after,
                    self._reason.value or "",
                    int(self._minutes.value or 0),
                )
                outcome = await self._visit.act(Permission.ACT_ON_ALARMS, acknowledge, self._visit, self._desk, form)
        finally:
            asking.sending.end(outcome is not None)
            if asking is self._asking:
                self._send.enable()
        if outcome is not None:
            if asking is self._asking:
                self._dialog.close()
            tell(outcome, about)
            self._changed()


class SilenceDialog:
    """Silences. `changed` is called when something was."""

    def __init__(self, visit: Visit, changed: Callable[[], object]) -> None:
        self._visit = visit
        self._changed = changed
        self._silencing: _Silencing | None = None
        attributes = {"": "every attribute", **{vital.attribute: vital.label for vital in JUDGED.values()}}
        with ui.dialog().props('aria-label="Silence"') as self._dialog, ui.card().classes("ward-form"):
            ui.html("<h2>Silence</h2>", sanitize=False).classes("ward-section-title")
            ui.label("No mails about what matches all of this. Alarms are recorded and shown here meanwhile.")
            self._patient = ui.input("Patient id (empty: every patient)").props(f"maxlength={NAME_MAX}")
            self._ward = ui.select({"": "every ward"}, value="", label="Ward")
            self._attribute = ui.select(attributes, value="", label="Attribute")
            self._duration = ui.select(DURATIONS, value=DEFAULT_DURATION, label="For")
            self._until = ui.input(f"Or until (2026-01-31 14:00, {visit.house.zone.key})").props("maxlength=25")
            self._reason = ui.input("Reason (needed)").props(f"maxlength={REASON_MAX}")
            ui.label(f"Recorded as {visit.account.name}.").classes("ward-quiet-note")
            with ui.row():
                self._send = ui.button("Silence", on_click=self._act)
                ui.button("Cancel", on_click=self._dialog.close).props("outline")

    def open(self, wards: tuple[str, ...], line: Line | None = None) -> None:
        """Ask what to silence; about an alarm, its patient and attribute to begin with."""
        self._silencing = _Silencing()
        self._ward.set_options({"": "every ward", **{ward: ward for ward in wards}}, value="")
        self._patient.set_value((line.patient_id or "") if line else "")
        self._attribute.set_value(line.attribute if line and line.attribute in JUDGED else "")
        self._duration.set_value(DEFAULT_DURATION)
        self._until.set_value("")
        self._reason.set_value("")
        self._send.enable()
        self._dialog.open()

    async def _act(self) -> None:
        silencing = self._silencing
        if silencing is None or not silencing.sending.begin():
            return
        self._send.disable()
        typed = SilenceForm(
            self._patient.value or "",
            self._ward.value or "",
            self._attribute.value or "",
            self._duration.value or "",
            self._until.value or "",
            self._reason.value or "",
            now_ms(),
        )
        if silencing.form is None or replace(typed, sent_at=silencing.form.sent_at) != silencing.form:
            silencing.form = typed
        outcome: Outcome | None = None
        try:
            with problems_told():
                outcome = await self._visit.act(Permission.ACT_ON_ALARMS, silence, self._visit, silencing.form)
        finally:
            silencing.sending.end(outcome is not None)
            if silencing is self._silencing:
                self._send.enable()
        if outcome is not None:
            if silencing is self._silencing:
                self._dialog.close()
            tell(outcome)
            self._changed()


def tell(outcome: Outcome, about: str = "") -> None:
    """Say what became of an act; `about`: what was acted on, unless the outcome says so."""
    sentence = told_of(about, outcome.sentence)
    ui.notify(sentence, type="positive" if outcome.is_done else "warning", multi_line=True, timeout=8000)


def _named(line: Line) -> str:
    return ", ".join(part for part in (line.title, line.whose) if part)


def _about(line: Line) -> str:
    return ", ".join(part for part in (f"{line.mark} {line.title}", line.whose, line.ward) if part)
