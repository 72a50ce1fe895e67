"""The alarms page: what is wrong now, who looks after it, what is silenced; and the history of one alarm."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nicegui import ui

from alerts.ack_desk import MysqlDesk
from alerts.alarms_table import AlarmRow, Step, load_alarm, load_history
from alerts.wards import contacts_of
from dashboard.alarms.acts import end_silence
from dashboard.alarms.cards import Card, Rows, SilenceRow
from dashboard.alarms.dialogs import AckDialog, SilenceDialog, tell
from dashboard.alarms.html import facts_html, table_html
from dashboard.alarms.look import LOOK_EVERY_SECONDS, OPEN_MAX, AlarmsLook, Seen
from dashboard.alarms.view import (
    Eyes,
    Line,
    Place,
    SilenceLine,
    count_told,
    facts_of,
    line_of,
    lines,
    silence_lines,
    steps_of,
)
from dashboard.database import alerts_cursor
from dashboard.following import keep_fresh, tell_problems
from dashboard.frame import WARD_MAX, keep_in_address, problems_told, ward_page
from dashboard.live.state import OF_ALARMS, patient_of
from dashboard.roles import Permission
from dashboard.visit import NotFoundError, Visit, in_thread
from infra.errors import WardError

ALARM_ID = re.compile(r"[0-9a-f]{32}")
HISTORY_EVERY_SECONDS = 2.0
HEADLINES: dict[Place, tuple[str, str]] = {
    "active": ("Active", "✓ No alarm is active."),
    "acknowledged": ("Acknowledged", "Nothing is acknowledged."),
    "technical": ("Technical", "✓ Nothing technical is wrong."),
    "ended": ("Over within 12 hours", "Nothing was."),
}
NOT_KNOWN: dict[Place, str] = {
    "active": "Nothing is known of alarms at the moment.",
    "technical": "Nothing is known of technical alarms at the moment.",
}
"""In place of good news, while no reading comes, nobody judges or the alarms cannot be read."""

ALARMS = "/alarms"
EVERY_WARD = {"": "All wards"}


@ward_page(ALARMS, "Alarms", Permission.SEE_WARD)
async def alarms(visit: Visit, ward: str = "") -> None:
    """All alarms, the most urgent first; of one ward, if the address names it. Renewed each second."""
    await tell_problems(visit.house.live, *OF_ALARMS)
    page = AlarmsPage(visit, ward[:WARD_MAX])
    await keep_fresh(LOOK_EVERY_SECONDS, page.renew)


@ward_page("/alarms/{alarm_id}", "Alarm", Permission.SEE_WARD, in_menu=False)
async def alarm(visit: Visit, alarm_id: str) -> None:
    """One alarm with every step of it."""
    found = await in_thread(_load, visit, alarm_id)
    await in_thread(visit.record, "view alarm", patient_of(found[0]), f"alarm {alarm_id}")
    await tell_problems(visit.house.live, *OF_ALARMS)
    page = AlarmPage(visit, alarm_id)
    await keep_fresh(HISTORY_EVERY_SECONDS, page.renew)


class AlarmsPage:
    """One open list. What somebody may not do has no button here, and is refused besides. `ward`: chosen at first."""

    def __init__(self, visit: Visit, ward: str = "") -> None:
        self._visit = visit
        self._look = visit.house.one(AlarmsLook)
        self._eyes = eyes_of(visit)
        self._seen: Seen | None = None
        self._is_known = False
        with ui.element("div").classes("ward-alarms-bar"):
            self._ward = ui.select(_choices(ward, ()), value=ward, label="Ward", on_change=lambda: self._choose())
            self._ward.classes("ward-alarms-pick")
            if self._eyes.acts:
                ui.button("Silence …", on_click=lambda: self._open_silence(None)).props("outline")
            ui.label(f"Times are in {visit.house.zone.key}.").classes("ward-quiet-note")
        self._cut = ui.label(f"There are more than {OPEN_MAX} alarms: the most urgent are shown.").classes(
            "ward-problem"
        )
        self._headlines: dict[Place, ui.html] = {}
        self._rows: dict[Place, Rows[Line]] = {}
        for place, (_, empty) in HEADLINES.items():
            with ui.element("section").classes("w-full"):
                self._headlines[place] = _headline("")
                self._rows[place] = Rows(empty, self._card)
        with ui.element("section").classes("w-full"):
            _headline("<h2>Silences</h2>")
            self._silences: Rows[SilenceLine] = Rows("Nothing is silenced.", self._silence_row)
        if self._eyes.acts:
            self._ack = AckDialog(visit, visit.house.one(MysqlDesk), self._look.everything.forget)
            self._silence = SilenceDialog(visit, self._look.everything.forget)

    async def renew(self) -> None:
        """Look, and show what is news."""
        try:
            seen = await self._look.everything.get()
        except WardError:
            self._is_known = False
            self._say_when_empty()
            raise
        self._is_known = self._visit.house.knows_alarms()
        if seen != self._seen:
            self._seen = seen
            self._show()
        self._say_when_empty()

    def _choose(self) -> None:
        keep_in_address(ALARMS, ward=str(self._ward.value or ""))
        self._show()
        self._say_when_empty()

    def _say_when_empty(self) -> None:
        """Of a ward that there is not, as by an address with a slip in it, nothing is good news."""
        ward, wards = self._ward.value, self._seen.wards if self._seen else ()
        is_known = self._is_known and (not ward or ward in wards)
        for place, not_known in NOT_KNOWN.items():
            self._rows[place].when_empty(HEADLINES[place][1] if is_known else not_known)

    def _show(self) -> None:
        seen = self._seen
        if seen is None:
            return
        ward, zone = self._ward.value or None, self._visit.house.zone
        wards = _choices(ward or "", seen.wards)
        if wards != self._ward.options:
            self._ward.set_options(wards, value=self._ward.value)
        found = lines(seen, self._eyes, zone, ward)
        for place, some in found.items():
            is_cut = place == "ended" and seen.ended_are_cut
            self._headlines[place].set_content(f"<h2>{HEADLINES[place][0]} ({count_told(len(some), is_cut)})</h2>")
            self._rows[place].show({line.alarm_id: line for line in some})
        silences = silence_lines(seen, self._eyes, zone, ward)
        self._silences.show({str(line.silence_id): line for line in silences})
        self._cut.set_visibility(seen.alarms_are_cut)
        if self._eyes.acts:
            everything = (line for some in found.values() for line in some)
            self._ack.see(next((line for line in everything if line.alarm_id == self._ack.alarm_id), None))

    def _card(self, line: Line) -> Card:
        return Card(line, lambda line: self._ack.open(line), self._open_silence)

    def _silence_row(self, line: SilenceLine) -> SilenceRow:
        return SilenceRow(line, self._end)

    def _open_silence(self, line: Line | None) -> None:
        self._silence.open(self._seen.wards if self._seen else (), line)

    async def _end(self, line: SilenceLine) -> None:
        with problems_told():
            tell(await self._visit.act(Permission.ACT_ON_ALARMS, end_silence, self._visit, line.silence_id))
            self._look.everything.forget()


class AlarmPage:
    """One alarm, open: what there is to say of it, its history, and what can be done about it."""

    def __init__(self, visit: Visit, alarm_id: str) -> None:
        self._visit = visit
        self._alarm_id = alarm_id
        self._eyes = eyes_of(visit)
        self._line: Line | None = None
        self._shown: tuple[AlarmRow, list[Step], str] | None = None
        look = visit.house.one(AlarmsLook)
        self._title = ui.label().classes("ward-alarm-title")
        with ui.element("div").classes("ward-alarm-acts"):
            if self._eyes.acts:
                self._acknowledge = ui.button("Acknowledge", on_click=self._open_ack)
                self._silence = ui.button("Silence", on_click=self._open_silence).props("outline")
            ui.link("All alarms", ALARMS).classes("ward-system-link")
        self._facts = ui.html("", sanitize=False).classes("w-full")
        with ui.element("section").classes("w-full"):
            _headline("<h2>History</h2>")
            self._steps = ui.html("", sanitize=False).classes("w-full")
        if self._eyes.acts:
            self._ack_dialog = AckDialog(visit, visit.house.one(MysqlDesk), look.everything.forget)
            self._silence_dialog = SilenceDialog(visit, look.everything.forget)

    async def renew(self) -> None:
        """Look, and show what is news."""
        found = await in_thread(_load, self._visit, self._alarm_id)
        if found == self._shown:
            return
        self._shown = found
        row, steps, name = found
        zone = self._visit.house.zone
        seen = Seen(names={patient_of(row) or "": name})
        self._line = line_of(row, seen, (), self._eyes, zone)
        self._title.set_text(f"{self._line.mark} {self._line.title}")
        self._title.classes(replace=f"ward-alarm-title ward-is-{row.severity_shown}")
        self._facts.set_content(facts_html(facts_of(row, name, self._eyes, zone)))
        self._steps.set_content(table_html("History", *steps_of(steps, self._eyes, zone)))
        if self._eyes.acts:
            self._acknowledge.set_visibility(self._line.may_acknowledge)
            self._silence.set_visibility(self._line.may_silence)
            self._ack_dialog.see(self._line)

    async def _open_ack(self) -> None:
        if self._line is not None:
            await self._ack_dialog.open(self._line)

    def _open_silence(self) -> None:
        if self._line is not None:
            self._silence_dialog.open((self._line.ward,) if self._line.ward else (), self._line)


def _choices(chosen: str, wards: Iterable[str]) -> dict[str, str]:
    """What may be chosen, the chosen one in any case: a ward whose last patient has gone stays so."""
    return {**EVERY_WARD, **{ward: ward for ward in sorted({*wards, chosen} - {""})}}


def eyes_of(visit: Visit) -> Eyes:
    """What this page may be sent, and has buttons for."""
    return Eyes(visit.sees_identity, visit.may(Permission.ACT_ON_ALARMS))


def _load(visit: Visit, alarm_id: str) -> tuple[AlarmRow, list[Step], str]:
    """The alarm, its history and its patient's name, where that may be known. Raises NotFoundError for no alarm."""
    settings = visit.house.settings
    row = None
    if ALARM_ID.fullmatch(alarm_id):
        with alerts_cursor(settings) as cursor:
            row = load_alarm(cursor, alarm_id)
            steps = load_history(cursor, alarm_id)
    if row is None:
        raise NotFoundError("There is no such alarm, or it was forgotten long after it was over.")
    patient_id = patient_of(row)
    stays = contacts_of(settings, [patient_id]) if patient_id and visit.sees_identity else None
    stay = (stays or {}).get(patient_id or "")
    return row, steps, stay.name if stay else ""


def _headline(html: str) -> ui.html:
    return ui.html(html, sanitize=False).classes("ward-section-title")
