"""The chart of one vital: its span, the bands behind it, its alarms, and the same as CSV."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from nicegui import ui

from alerts.alarms_table import AlarmRow
from clinical.ages import age_years
from clinical.vitals import JUDGED
from dashboard.following import PATIENCE_SECONDS, Freshness
from dashboard.frame import keep_in_address, problems_told
from dashboard.patient import chart
from dashboard.patient.admissions import Patient
from dashboard.patient.bands import Band, bands_of
from dashboard.patient.curve import Curve, Span
from dashboard.patient.export import curve_csv, file_name
from dashboard.patient.fresh import curve_with_live
from dashboard.patient.hourly import ANSWER_SECONDS
from dashboard.patient.html import alarms_html, bands_html, patient_path
from dashboard.patient.panel import Panel
from dashboard.patient.room import Room
from dashboard.roles import Permission
from dashboard.visit import Visit, in_thread
from infra.errors import WardError

FIRST_VITAL, FIRST_SPAN = "spo2", Span.HOUR.name
AGAIN_SECONDS = {Span.HOUR: 2.0, Span.SIX_HOURS: 30.0, Span.TWO_DAYS: 60.0, Span.MONTH: 300.0}
AFTER_FAILURE_SECONDS = 10.0
WAIT_SECONDS = 5.0
WHOLE_SECONDS = 60.0
"""An hour is read as a whole so often, for readings that came late; in between only its end is."""


@dataclass(frozen=True)
class Shown:
    """What a chart is made of. `alarms_are_cut`: there were more alarms, older ones."""

    curve: Curve
    bands: list[Band]
    age_is_known: bool
    alarms: list[AlarmRow]
    alarms_are_cut: bool = False


def oldest_seconds(span: Span) -> float:
    """How old a chart may be before it is said: it is read anew so often, and that takes some time."""
    return AGAIN_SECONDS[span] + (ANSWER_SECONDS if span is Span.MONTH else PATIENCE_SECONDS)


class ChartPanel(Panel):
    """`patient` gives the contact data as they are now: the age chooses the bands. `vital` and `span`: chosen at first,
    if there are such ones."""

    def __init__(
        self,
        visit: Visit,
        room: Room,
        patient_id: str,
        patient: Callable[[], Patient | None],
        vital: str = "",
        span: str = "",
    ) -> None:
        super().__init__(visit, room, patient_id)
        self._first = vital if vital in JUDGED else FIRST_VITAL, span if span in Span.__members__ else FIRST_SPAN
        self._patient = patient
        self._shown: Shown | None = None
        self._chart: ui.echart | None = None
        self._landed: Curve | None = None
        self._due = self._whole_due = 0.0
        self._reading: asyncio.Task[Shown] | None = None
        self._freshness = Freshness()

    def _title(self) -> str:
        return "Chart"

    def _lay_out(self) -> None:
        with ui.row().classes("ward-patient-bar items-center"):
            vitals = {attribute: vital.label for attribute, vital in JUDGED.items()}
            vital, chosen_span = self._first
            self._vital = ui.select(vitals, label="Vital", value=vital, on_change=self._choose_other)
            self._vital.classes("ward-patient-choice")
            spans = {span.name: span.label for span in Span}
            self._span = ui.select(spans, label="Over the last", value=chosen_span, on_change=self._choose_other)
            self._span.classes("ward-patient-choice")
            ui.button("Save chart as CSV", icon="download", on_click=self._export).props("outline")
        self._loading = ui.row().classes("items-center").props('role="status"')
        with self._loading:
            ui.spinner().props('aria-hidden="true"')
            self._loading_text = ui.label("Loading…")
        self._place = ui.element("div").classes("ward-patient-wide")
        self._summary = ui.label().classes("ward-patient-note")
        with ui.element("div").classes("ward-patient-columns"):
            with ui.element("div"):
                ui.label("Limits in force").classes("ward-patient-subheading")
                self._bands = ui.html("", sanitize=False)
            with ui.element("div"):
                ui.label("Alarms of this vital in that time").classes("ward-patient-subheading")
                self._alarms = ui.html("", sanitize=False).classes("ward-patient-wide")

    async def _choose_other(self) -> None:
        keep_in_address(patient_path(self._patient_id), vital=str(self._vital.value), span=str(self._span.value))
        await self._choose()

    async def _choose(self) -> None:
        self._shown = self._reading = self._chart = None
        self._freshness = Freshness()
        self._due = 0.0
        self._place.clear()
        for told in (self._bands, self._alarms):
            told.set_content("")
        self._summary.set_text("")
        await self.again()

    async def _look(self) -> None:
        await self._read_on()
        self._show_alarms()
        self._freshness.require(time.monotonic(), oldest_seconds(Span[str(self._span.value)]))

    async def _read_on(self) -> None:
        """Hive may take longer than anybody wants to wait here: what it gives is shown by a later look."""
        attribute, span = str(self._vital.value), Span[str(self._span.value)]
        if self._reading is None:
            if time.monotonic() < self._due:
                return
            self._reading = asyncio.create_task(in_thread(self._read, attribute, span))
        reading = self._reading
        self._loading_text.set_text("Loading a month from Hive…" if span is Span.MONTH else "Loading…")
        self._loading.set_visibility(self._shown is None)
        await asyncio.wait({reading}, timeout=WAIT_SECONDS)
        if reading is not self._reading or not reading.done():
            return
        self._reading = None
        self._due = time.monotonic() + AFTER_FAILURE_SECONDS
        self._loading.set_visibility(False)
        try:
            found = reading.result()
        except WardError as error:
            self._freshness.failed(error)
            return
        self._freshness.read(time.monotonic())
        self._due = time.monotonic() + AGAIN_SECONDS[span]
        if self._shown is None or self._differs(found):
            self._show(found)

    def _differs(self, found: Shown) -> bool:
        """The end of an hour's chart moves on with its readings only, so that nothing is sent while there are none."""
        before = self._shown
        assert before is not None
        return (
            (before.curve.points, before.curve.apart, before.bands, before.age_is_known, before.alarms)
            != (found.curve.points, found.curve.apart, found.bands, found.age_is_known, found.alarms)
        ) or found.curve.end - before.curve.end >= 30_000

    def _read(self, attribute: str, span: Span) -> Shown:
        before = self._landed
        if (
            before is None
            or (before.attribute, before.span) != (attribute, span)
            or time.monotonic() >= self._whole_due
        ):
            before = self._landed = None  # a failure leaves nothing that a part could be joined to
            self._whole_due = time.monotonic() + WHOLE_SECONDS
        self._landed = landed = self._room.sources.curve(self._patient_id, attribute, span, before)
        curve = curve_with_live(landed, self._visit.house.live, self._patient_id)
        patient = self._patient()
        born = patient.date_of_birth if patient else None
        age = None if born is None else age_years(datetime.now(UTC).date(), born)
        bands = bands_of(self._room.limits.rows(), attribute, self._patient_id, age)
        return Shown(curve, bands, age is not None, *self._room.sources.alarms_of(curve, self._patient_id))

    def _show(self, found: Shown) -> None:
        house = self._visit.house
        drawn = chart.options(found.curve, found.bands, found.alarms, house.settings, house.zone)
        summary = chart.summary(found.curve, house.zone)
        if self._chart is None:
            with self._place:
                self._chart = ui.echart(drawn).classes("ward-patient-chart").props('role="img"')
        else:
            self._chart.options.update(drawn)
            self._chart.update()
        self._chart.props["aria-label"] = summary
        self._summary.set_text(summary)
        self._bands.set_content(bands_html(found.bands, found.age_is_known))
        self._shown = found

    def _show_alarms(self) -> None:
        """At each look: whether none is good news depends on what is judged now."""
        if self._shown is None:
            return
        house = self._visit.house
        alarms = self._shown.alarms
        told = alarms_html("Alarms in that time", alarms, house.zone, self._visit.sees_identity, house.knows_alarms())
        cut = f"<p>There were more than {len(alarms)}: the newest are shown.</p>" if self._shown.alarms_are_cut else ""
        self._alarms.set_content(f"{cut}{told}")

    async def _export(self) -> None:
        shown = self._shown
        with problems_told():
            if shown is None:
                raise WardError("There is no chart yet: wait until it is there.")
            curve = shown.curve
            detail = f"chart of {curve.attribute}, {curve.span.label}: {len(curve.points) + len(curve.apart)} rows"
            await self._visit.act(Permission.SEE_WARD, self._visit.record, "export", self._patient_id, detail)
            name = file_name(f"{curve.attribute}-{curve.span.label}", curve.end)
            ui.download.content(curve_csv(self._patient_id, curve), name, "text/csv")
