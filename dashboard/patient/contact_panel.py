"""Who a patient is, for those who may see it; and changing, discharging and admitting again."""

from __future__ import annotations

from datetime import UTC, datetime

from nicegui import ui

from alerts.entries import as_moment
from clinical.ages import age_years
from dashboard.frame import problems_told
from dashboard.patient import form
from dashboard.patient.admissions import Patient
from dashboard.patient.dialog import PatientForm
from dashboard.patient.html import facts_html
from dashboard.patient.panel import Panel
from dashboard.patient.room import Room
from dashboard.roles import Permission
from dashboard.visit import Visit, in_thread

NO_CONTACT = "No contact data of this patient can be shown: there are none, or they cannot be read now."


class ContactPanel(Panel):
    """`patient`: as it is now, with what identifies somebody: it is not for sending to those who may not see it."""

    def __init__(self, visit: Visit, room: Room, patient_id: str, patient: Patient | None) -> None:
        super().__init__(visit, room, patient_id)
        self.patient = patient
        self._move: ui.button | None = None

    def _title(self) -> str:
        return f"Patient {self._patient_id}"

    def _lay_out(self) -> None:
        self._facts = ui.html("", sanitize=False)
        with ui.row() as self._buttons:
            # Not made and hidden: whoever pressed a hidden button all the same would be sent the form.
            if self._visit.may(Permission.EDIT_PATIENTS):
                ui.button("Change", icon="edit", on_click=self._change).props("outline")
                self._move = ui.button("Discharge", on_click=self._ask_to_move).props("outline")
        self._show()

    def _show(self) -> None:
        patient = self.patient
        self._buttons.set_visibility(patient is not None)
        if patient is None:
            self._facts.set_content(f"<p>{NO_CONTACT}</p>")
            return
        self._facts.set_content(facts_html(self._told(patient)))
        if self._move is not None:
            self._move.set_text("Discharge" if patient.discharged_at is None else "Admit again")
            self._move.set_visibility("discharged_at" in patient.values)

    def _told(self, patient: Patient) -> list[tuple[str, str]]:
        told = list[tuple[str, str]]()
        for field in form.FIELDS.values():
            if field.name in patient.values and (self._visit.sees_identity or not field.is_identity):
                text = patient.values[field.name]
                told.append((field.label, field.choices.get(text, text) if field.choices else text))
        zone = self._visit.house.zone
        if self._visit.sees_identity and patient.date_of_birth is not None:
            age = age_years(datetime.now(UTC).date(), patient.date_of_birth)
            told.append(("Age", f"{int(age)} years" if age >= 3 else f"{int(age * 12)} months"))
        if patient.discharged_at is not None:
            told.append(
                ("Discharged", f"{as_moment(round(patient.discharged_at.timestamp() * 1000), zone)} {zone.key}")
            )
        return told

    async def _look(self) -> None:
        self._tell(await in_thread(self._room.admissions.find, self._patient_id))

    def _tell(self, patient: Patient | None) -> None:
        if patient != self.patient:
            self.patient = patient
            self._show()

    async def _change(self) -> None:
        """Change the patient as shown when it was asked."""
        before = self.patient
        with problems_told():
            fields = await in_thread(self._room.admissions.fields)
            wards = await in_thread(self._room.admissions.wards)
            PatientForm(self._visit, self._room.admissions, fields, wards, before, self._written).open()

    def _written(self, patient: Patient) -> None:
        self._tell(patient)
        ui.notify("Saved. It is imported now, and is in mails a moment later.", type="positive")

    async def _ask_to_move(self) -> None:
        """Ask first; what is then written is about the patient as shown when it was asked."""
        before = self.patient
        assert before is not None
        leaves = before.discharged_at is None
        question = "Discharge this patient now?" if leaves else "Admit this patient again?"
        with ui.dialog().props(f'aria-label="{question}"') as dialog, ui.card():
            ui.label(question)
            with ui.row():
                ui.button("Yes", on_click=lambda: dialog.submit(True))
                ui.button("No", on_click=lambda: dialog.submit(False)).props("outline")
        is_wanted = await dialog
        dialog.clear()
        if not is_wanted:
            return
        admissions = self._room.admissions
        move = admissions.discharge if leaves else admissions.admit_again
        with problems_told():
            self._written(await self._visit.act(Permission.EDIT_PATIENTS, move, before, self._visit.record))
