"""The open alarms of a patient."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from alerts.alarms_table import AlarmRow
from dashboard.patient.html import alarms_html
from dashboard.patient.panel import Panel
from dashboard.visit import in_thread
from infra.errors import WardError


class AlarmsPanel(Panel):
    """The most urgent first. That there are none is said only while it is known."""

    _alarms: Sequence[AlarmRow] = ()

    def _title(self) -> str:
        return f"Open alarms (times in {self._visit.house.zone.key})"

    def _lay_out(self) -> None:
        self._list = ui.html("", sanitize=False).classes("ward-patient-wide")

    async def _look(self) -> None:
        try:
            self._alarms = await in_thread(self._room.sources.open_alarms, self._patient_id)
        except WardError:
            self._show(is_known=False)
            raise
        self._show(is_known=self._visit.house.knows_alarms())

    def _show(self, is_known: bool) -> None:
        zone, sees_identity = self._visit.house.zone, self._visit.sees_identity
        self._list.set_content(alarms_html("Open alarms", self._alarms, zone, sees_identity, is_known))
