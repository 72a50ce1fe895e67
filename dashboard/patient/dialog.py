"""The form in which a patient is created or changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from dashboard.frame import problems_told
from dashboard.patient import form
from dashboard.patient.admissions import Admissions, InvalidError, Patient
from dashboard.roles import Permission
from dashboard.sending import Sending
from dashboard.visit import Visit

HINTS = {"date_of_birth": ", as 1961-02-28", "phone": ", as +47 22 33 44 55"}


class PatientForm:
    """A dialog. `before`: the patient as it was opened for, None for a new one; `done` is told what was written.

    A second click on Save does nothing a second time.
    """

    def __init__(
        self,
        visit: Visit,
        admissions: Admissions,
        fields: list[form.Field],
        wards: list[str],
        before: Patient | None,
        done: Callable[[Patient], None],
    ) -> None:
        self._visit = visit
        self._admissions = admissions
        self._before = before
        self._done = done
        self._sending = Sending(is_open=True)
        self._elements: dict[str, ValidationElement[str | None]] = {}
        title = "New patient" if before is None else "Change patient"
        with (
            ui.dialog().props(f'persistent aria-label="{title}"') as self._dialog,
            ui.card().classes("ward-patient-form"),
        ):
            ui.html(f"<h2>{title}</h2>", sanitize=False).classes("ward-patient-whole")
            for field in fields:
                if before is None or field.name != "patient_id":
                    self._elements[field.name] = self._element(field, wards)
            self._wrong = ui.label().classes("ward-wrong ward-patient-whole").props('role="alert"')
            with ui.row().classes("ward-patient-whole"):
                self._send = ui.button("Save", on_click=self._save)
                ui.button("Cancel", on_click=self._dialog.close).props("outline")

        # Only when it has vanished from the screen: what its buttons began may still speak through it.
        self._dialog.on("hide", self._dialog.delete)

    def open(self) -> None:
        """Show it."""
        self._dialog.open()

    def _element(self, field: form.Field, wards: list[str]) -> ValidationElement[str | None]:
        value = self._before.values.get(field.name, "") if self._before else ""
        label = field.label + (" (needed)" if field.is_required else HINTS.get(field.name, ""))
        if field.choices is not None:
            # What another program wrote there may be none of ours, and stays unless it is changed.
            choices = {**field.choices, **({} if value in field.choices else {value: value})}
            return ui.select(choices, label=label, value=value)
        if field.is_long:
            return ui.textarea(label, value=value).props("autogrow")
        if field.name == "admitted_ward":
            return ui.input(label, value=value, autocomplete=wards)
        return ui.input(label, value=value).props('autocomplete="off"')

    async def _save(self) -> None:
        if not self._sending.begin():
            return
        self._send.disable()
        written: Patient | None = None
        try:
            with problems_told():
                written = await self._write()
        finally:
            self._sending.end(written is not None)
            self._send.enable()
        if written is not None:
            self._dialog.close()
            self._done(written)

    async def _write(self) -> Patient | None:
        """What was written; None when it was typed wrong, which is told in the form. Raises WardError."""
        typed = {name: element.value for name, element in self._elements.items()}
        today = datetime.now(self._visit.house.zone).date()
        for element in self._elements.values():
            element.error = None
        self._wrong.set_text("")
        act, admissions, record = self._visit.act, self._admissions, self._visit.record
        try:
            if self._before is None:
                return await act(Permission.EDIT_PATIENTS, admissions.create, typed, today, record)
            return await act(Permission.EDIT_PATIENTS, admissions.change, self._before, typed, today, record)
        except InvalidError as error:
            for name, sentence in error.problems.items():
                self._elements[name].error = sentence
            self._wrong.set_text("Not saved: see what is wrong in the fields.")
            return None
