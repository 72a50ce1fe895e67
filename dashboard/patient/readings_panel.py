"""The last 20 readings of a patient, and the same as CSV."""

from __future__ import annotations

import time

from nicegui import ui

from dashboard.frame import problems_told
from dashboard.patient import table as t
from dashboard.patient.export import file_name, table_csv
from dashboard.patient.html import readings_html
from dashboard.patient.panel import Panel
from dashboard.patient.table import Table
from dashboard.roles import Permission
from dashboard.visit import in_thread

COUNT = 20


class ReadingsPanel(Panel):
    """Newest first; the vital is chosen."""

    _shown: Table | None = None

    def _title(self) -> str:
        return f"Last {COUNT} readings (times in {self._visit.house.zone.key})"

    def _lay_out(self) -> None:
        with ui.row().classes("ward-patient-bar items-center"):
            self._chosen = ui.select(t.choices(), label="Readings of", value=t.ALL, on_change=self.again)
            self._chosen.classes("ward-patient-choice")
            ui.button("Save readings as CSV", icon="download", on_click=self._export).props("outline")
        self._list = ui.html("", sanitize=False).classes("ward-patient-wide")
        ui.label(t.EXPLAINED).classes("ward-patient-note")

    async def _look(self) -> None:
        chosen = str(self._chosen.value)
        found = await in_thread(self._read, chosen)
        if chosen == self._chosen.value and found != self._shown:
            self._shown = found
            self._list.set_content(readings_html(found) if found.rows else "<p>There is no reading yet.</p>")

    def _read(self, chosen: str) -> Table:
        sources, zone = self._room.sources, self._visit.house.zone
        if t.is_derived(chosen):
            return t.of_derived(chosen, sources.newest_derived(self._patient_id, chosen, COUNT), zone)
        readings = sources.newest(self._patient_id, COUNT, None if chosen == t.ALL else chosen)
        return t.of_readings(chosen, readings, self._visit.house.settings.readings.least_signal_quality, zone)

    async def _export(self) -> None:
        shown, chosen = self._shown, str(self._chosen.value)
        with problems_told():
            if shown is None:
                ui.notify("There is nothing to save yet.")
                return
            detail = f"last readings of {chosen}: {len(shown.rows)} rows"
            await self._visit.act(Permission.SEE_WARD, self._visit.record, "export", self._patient_id, detail)
            header = (f"Time ({self._visit.house.zone.key})", *shown.header[1:])
            name = file_name(f"readings-{chosen}", time.time_ns() // 1_000_000)
            ui.download.content(table_csv(self._patient_id, header, shown.rows), name, "text/csv")
