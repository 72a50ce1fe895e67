"""Limits of one patient: made from the general ones for a normal range of the patient's own, into the draft."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from dashboard.frame import problems_told
from dashboard.limits.draft import Draft
from dashboard.limits.widgets import action
from hbase.patient_edits import plan_patient, plan_patient_removal

EXPLAINED = (
    "They take the place of the general limits of the chosen attribute for this patient alone. The general bands of an "
    "adult move along with the normal range; a side left blank stays as it is for everybody."
)


class PatientForm:
    """The form; `done(patient_id)` is called when the draft has changed."""

    def __init__(
        self, draft: Callable[[], Draft], attribute: Callable[[], str], author: str, done: Callable[[str], None]
    ) -> None:
        self._draft = draft
        self._attribute = attribute
        self._author = author
        self._done = done
        with ui.expansion("Limits of one patient").classes("w-full"):
            ui.label(EXPLAINED)
            with ui.element("div").classes("ward-limits-form"):
                self._patient, self._low, self._high, self._reason = (
                    ui.input(label).props("outlined dense")
                    for label in ("Patient id", "Normal from", "Normal to", "Reason (stands in the emails)")
                )
            action("Put into the draft", self._put)
            action("Judge by the general limits again", self._remove)

    def _put(self) -> None:
        patient = str(self._patient.value).strip()
        normal = f"{str(self._low.value).strip()}:{str(self._high.value).strip()}"
        draft = self._draft()
        with problems_told():
            made = plan_patient(draft.cells, patient, self._attribute(), normal, self._author, str(self._reason.value))
            draft.take(made)
            self._done(patient)

    def _remove(self) -> None:
        draft = self._draft()
        with problems_told():
            draft.take(plan_patient_removal(draft.cells, str(self._patient.value).strip(), self._attribute()))
            self._done("")
