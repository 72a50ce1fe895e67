"""Patients: finding one, and creating one."""

from __future__ import annotations

from nicegui import ui

from alerts.entries import as_moment
from dashboard.following import keep_fresh
from dashboard.frame import problems_told, ward_page
from dashboard.patient.admissions import Found, Patient
from dashboard.patient.dialog import PatientForm
from dashboard.patient.html import patient_path, table_html
from dashboard.patient.room import Room
from dashboard.roles import Permission
from dashboard.visit import Visit, in_thread

REFRESH_SECONDS = 2.0


@ward_page("/patients", "Patients", Permission.SEE_WARD)
async def patients(visit: Visit) -> None:
    """A list with a search, and for those who may a form for a new patient."""
    await _List(visit, visit.house.one(Room)).build()


class _List:
    def __init__(self, visit: Visit, room: Room) -> None:
        self._visit = visit
        self._room = room
        self._shown: Found | None = None

    async def build(self) -> None:
        what = "an id, a name or a ward" if self._visit.sees_identity else "an id or a ward"
        with ui.row().classes("ward-patient-bar items-center"):
            self._text = ui.input(f"Find {what}", on_change=self._again).props('debounce="300" clearable')
            self._text.classes("ward-patient-find")
            self._discharged = ui.checkbox("discharged ones too", on_change=self._again)
            if self._visit.may(Permission.EDIT_PATIENTS):
                ui.button("New patient", icon="person_add", on_click=self._create)
        self._place = ui.element("div").classes("ward-patient-list")
        await keep_fresh(REFRESH_SECONDS, self._look)

    async def _again(self) -> None:
        with problems_told():
            await self._look()

    async def _look(self) -> None:
        """Show what the search finds now; told anew only when it is something else."""
        asked = (str(self._text.value or ""), bool(self._discharged.value))
        found = await in_thread(self._room.admissions.search, asked[0], self._visit.sees_identity, asked[1])
        if found == self._shown or asked != (str(self._text.value or ""), bool(self._discharged.value)):
            return
        self._shown = found
        self._place.clear()
        with self._place:
            if not found.patients:
                ui.label("There is no such patient.")
                return
            ui.html(self._table(found.patients), sanitize=False).classes("ward-patient-wide")
            if found.is_cut:
                ui.label(f"These are the first {len(found.patients)}: type more to find the others.")

    def _table(self, found: list[Patient]) -> str:
        columns = [("patient_id", "Patient"), ("name", "Name"), ("admitted_ward", "Ward")]
        shown = [(name, label) for name, label in columns if name in found[0].values]
        zone = self._visit.house.zone
        rows = [
            [
                *(patient.values[name] for name, _ in shown),
                ""
                if patient.discharged_at is None
                else as_moment(round(patient.discharged_at.timestamp() * 1000), zone),
            ]
            for patient in found
        ]
        header = [*(label for _, label in shown), f"Discharged ({zone.key})"]
        return table_html("Patients", header, rows, [patient_path(patient.patient_id) for patient in found])

    async def _create(self) -> None:
        admissions = self._room.admissions
        with problems_told():
            fields = await in_thread(admissions.fields)
            wards = await in_thread(admissions.wards)
            PatientForm(self._visit, admissions, fields, wards, None, _go_to).open()


def _go_to(patient: Patient) -> None:
    ui.navigate.to(patient_path(patient.patient_id))
