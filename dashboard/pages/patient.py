"""One patient: the last readings, charts, open alarms and contact data; changing and discharging."""

from __future__ import annotations

from nicegui import ui

from dashboard.following import tell_problems
from dashboard.frame import complain, ward_page
from dashboard.live.register import RECENT
from dashboard.live.state import OF_ALARMS
from dashboard.patient.admissions import Patient
from dashboard.patient.alarms_panel import AlarmsPanel
from dashboard.patient.chart_panel import ChartPanel
from dashboard.patient.contact_panel import ContactPanel
from dashboard.patient.readings_panel import ReadingsPanel
from dashboard.patient.room import Room
from dashboard.roles import Permission
from dashboard.visit import NotFoundError, Visit, in_thread
from infra.errors import UnavailableError, WardError

LONGEST_ID = 190


@ward_page("/patients/{patient_id:path}", "Patient", Permission.SEE_WARD, in_menu=False)
async def patient(visit: Visit, patient_id: str, vital: str = "", span: str = "") -> None:
    """All of one patient, with the chart that the address names, if it does. That it was opened is in the audit before
    anything of it is looked up."""
    if not 0 < len(patient_id) <= LONGEST_ID:
        raise NotFoundError("There is no such patient.")
    room = visit.house.one(Room)
    await in_thread(visit.record, "view patient", patient_id)
    found, problem = await in_thread(_look_up, room, patient_id)
    if problem is not None:
        complain(problem)
    await tell_problems(visit.house.live, *OF_ALARMS, RECENT)
    contact = ContactPanel(visit, room, patient_id, found)
    with ui.element("div").classes("ward-patient-columns"):
        await contact.build()
        await AlarmsPanel(visit, room, patient_id).build()
    await ChartPanel(visit, room, patient_id, lambda: contact.patient, vital, span).build()
    await ReadingsPanel(visit, room, patient_id).build()


def _look_up(room: Room, patient_id: str) -> tuple[Patient | None, WardError | None]:
    """The contact data, or why there are none. Raises NotFoundError when nothing anywhere is of that patient."""
    try:
        found = room.admissions.find(patient_id)
        if found is None and not room.sources.is_known(patient_id):
            raise NotFoundError(f"There is no patient {patient_id}: neither contact data nor a recent reading.")
    except UnavailableError as error:
        return None, error
    return found, None
