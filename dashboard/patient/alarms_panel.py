"""The open alarms of a patient."""

from __future__ import annotations

from nicegui import ui

from dashboard.patient.html import alarms_html
from dashboard.patient.panel import Panel
from dashboard.visit import in_thread


class AlarmsPanel(Panel):
    """The most urgent first."""

    def _title(self) -> str:
        return f"Open alarms (times in {self._visit.house.zone.key})"

    def _lay_out(self) -> None:
        self._list = ui.html("", sanitize=False).classes("ward-patient-wide")

    async def _look(self) -> None:
        alarms = await in_thread(self._room.sources.open_alarms, self._patient_id)
        self._list.set_content(alarms_html("Open alarms", alarms, self._visit.house.zone, self._visit.sees_identity))
