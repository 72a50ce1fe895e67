"""One open thresholds page: what is chosen, the draft, and what is done to it."""

from __future__ import annotations

from collections.abc import Mapping

from nicegui import ui

from clinical.messages import Direction
from dashboard.frame import problems_told
from dashboard.limits import in_force
from dashboard.limits.chosen import (
    ALL_AGES,
    age_choices,
    attributes_of,
    first_age,
    lane_key,
    lanes_shown,
    patients_of,
    rows_shown,
)
from dashboard.limits.draft import Draft, StaleDraftError, differing
from dashboard.limits.draft_panel import DraftPanel
from dashboard.limits.editor import show_editor
from dashboard.limits.history_dialog import show_history
from dashboard.limits.lanes import Lane, lanes_of
from dashboard.limits.patient_form import PatientForm
from dashboard.limits.row_table import RowActs, show_rows
from dashboard.limits.saving import save
from dashboard.limits.trial import Trial
from dashboard.limits.versions import RowVersion, before_the_last_change, row_versions, saved_together, undone
from dashboard.limits.widgets import action, focus, heading, sentences, show_picture
from dashboard.roles import Permission
from dashboard.visit import Visit, in_thread
from hbase.edits import Group, RefusedError, group_of
from hbase.table import EditConflictError, TableState, read_state, row_history
from infra.errors import ConfigurationError, WardError

LOOK_SECONDS = 2.0
EVERYBODY = "everybody (general limits)"
FIRST = "heart_rate"
NEW_BAND: dict[str, str] = {"clear_margin": "0", "delay_seconds": "0", "alert_flag": "0"}
NEW_DIRECTION: Direction = "normal"


class Desk:
    """Built once an open page; `begin` reads the table first. Lives in the page's event loop."""

    def __init__(self, visit: Visit, base: TableState) -> None:
        self._visit = visit
        self._settings = visit.house.settings
        self._zone = visit.house.zone
        self._draft = Draft(base, visit.account.name)
        self._attribute = FIRST if FIRST in attributes_of(base.cells) else next(iter(attributes_of(base.cells)))
        self._patient = ""
        self._age = ALL_AGES
        self._editing: str | None = None
        self._stale_for: TableState | None = None
        self._buttons: dict[str, ui.button] = {}
        self._build()
        self._choose_first_age()
        self._show_all()
        ui.timer(LOOK_SECONDS, self._look)

    @classmethod
    async def begin(cls, visit: Visit) -> Desk:
        """Raises UnavailableError, or ConfigurationError when there is no table."""
        return cls(visit, await in_thread(read_state, visit.house.settings))

    def _build(self) -> None:
        self._force = ui.label("").classes("ward-limits-force").props('role="status"')
        self._away = ui.label("").classes("ward-problem").props('role="alert"')
        self._away.set_visibility(False)
        self._stale = ui.element("div")
        self._dialogs = ui.element("div")
        with ui.element("div").classes("ward-limits-choice"):
            self._attribute_select = ui.select(
                attributes_of(self._draft.cells), label="Attribute", value=self._attribute, on_change=self._chosen
            )
            self._patient_select = ui.select(
                {"": EVERYBODY}, label="Limits of", value="", on_change=lambda event: self._choose_patient(event.value)
            )
            self._age_select = ui.select(
                {ALL_AGES: "all ages"},
                label="Ages",
                value=ALL_AGES,
                on_change=lambda event: self._choose_age(event.value),
            )
        for select in (self._attribute_select, self._patient_select, self._age_select):
            select.props("outlined dense options-dense")
        self._picture = ui.element("div").classes("w-full")
        self._editor = ui.element("div").classes("w-full")
        heading("Rows")
        self._rows = ui.element("div").classes("w-full")
        action("Add a band", self._add)
        PatientForm(
            lambda: self._draft, lambda: self._attribute, self._visit.account.name, self._patient_limits_drafted
        )
        with ui.element("section").classes("ward-limits-card").props('aria-label="Draft"'):
            self._panel = DraftPanel(self._save, self._discard, self._follow)
            self._trial = Trial(self._visit, lambda: self._draft)
            self._refusal = ui.element("div").props('role="alert"').classes("w-full")

    # What is chosen

    @property
    def _group(self) -> Group:
        return self._attribute, self._patient

    def _chosen(self) -> None:
        self._attribute = str(self._attribute_select.value)
        if self._patient not in patients_of(self._draft.cells, self._attribute):
            self._patient = ""
        self._close_editor()
        self._choose_first_age()
        self._show()

    def _choose_patient(self, patient: str | None) -> None:
        if (patient or "") != self._patient:
            self._patient = patient or ""
            self._close_editor()
            self._choose_first_age()
            self._show()

    def _choose_age(self, age: str | None) -> None:
        if (age or ALL_AGES) != self._age:
            self._age = age or ALL_AGES
            self._show()

    def _choose_first_age(self) -> None:
        self._age = first_age(lanes_of(self._draft.rows(self._group)))

    # What is shown

    def _show_all(self) -> None:
        """Also what depends on the whole draft."""
        self._show()
        self._panel.show(self._draft)

    def _show(self) -> None:
        lanes = self._show_choices()
        self._picture.clear()
        with self._picture:
            show_picture(self._attribute, lanes_shown(lanes, self._age), "draft")
        self._rows.clear()
        with self._rows:
            shown = rows_shown(self._draft.base.cells, self._draft.cells, self._group, self._age)
            acts = RowActs(self._edit, self._switch, self._delete, self._take_back, self._history)
            self._buttons = show_rows(shown, self._draft.base, self._zone, acts)

    def _show_choices(self) -> list[Lane]:
        """Whose limits, and of which age, there are to choose from; the lanes of the group."""
        lanes = lanes_of(self._draft.rows(self._group))
        ages = age_choices(lanes)
        self._age = self._age if self._age in ages else ALL_AGES
        self._age_select.set_options(ages, value=self._age)
        patients = patients_of({**self._draft.base.cells, **self._draft.cells}, self._attribute)
        if self._patient and self._patient not in patients:
            self._patient = ""
        choice = {"": EVERYBODY} | {one: f"patient {one}" for one in patients}
        self._patient_select.set_options(choice, value=self._patient)
        return lanes

    def _changed(self) -> None:
        """The draft has changed."""
        self._refusal.clear()
        self._trial.forget()
        self._show_all()

    # What is done to the draft

    def _edit(self, row_key: str) -> None:
        self._close_editor()
        self._editing = row_key
        with self._editor:
            show_editor(row_key, self._draft.cells[row_key], lambda cells: self._set(row_key, cells), self._edited)

    def _edited(self) -> None:
        row_key = self._editing
        self._close_editor()
        self._focus(row_key)

    def _focus(self, row_key: str | None) -> None:
        """The row's buttons may have been made anew."""
        focus(self._buttons.get(row_key or ""))

    def _close_editor(self) -> None:
        self._editing = None
        self._editor.clear()

    def _set(self, row_key: str, cells: Mapping[str, str]) -> None:
        with problems_told():
            self._draft.set(row_key, cells)
            self._changed()

    def _switch(self, row_key: str, on: bool) -> None:
        self._set(row_key, {"alert_flag": "1" if on else "0"})
        self._focus(row_key)
        self._refresh_editor(row_key)

    def _delete(self, row_key: str) -> None:
        self._draft.delete(row_key)
        self._refresh_editor(row_key)
        self._changed()
        self._focus(row_key)

    def _take_back(self, row_key: str) -> None:
        self._draft.take_back(row_key)
        self._refresh_editor(row_key)
        self._changed()
        self._focus(row_key)

    def _refresh_editor(self, row_key: str | None = None) -> None:
        """Shows the row that is being edited as it now is, when something else has changed it."""
        if self._editing is None or row_key not in (None, self._editing):
            return
        if self._editing in self._draft.cells:
            self._edit(self._editing)
        else:
            self._close_editor()

    def _add(self) -> None:
        lane = next((one for one in lanes_of(self._draft.rows(self._group)) if lane_key(one) == self._age), None)
        ages = {"low_age_limit": "0"}
        if lane is not None:
            ages = {
                "low_age_limit": f"{lane.low_age:f}",
                "high_age_limit": "" if lane.high_age is None else f"{lane.high_age:f}",
            }
        own = {}
        if self._patient:
            reasons = [row.reason for row in self._draft.rows(self._group) if row.reason]
            own = {"patient_id": self._patient, "reason": reasons[0] if reasons else ""}
        with problems_told():
            key = self._draft.add(self._attribute, {**NEW_BAND, "direction": NEW_DIRECTION, **ages, **own})
            self._changed()
            self._edit(key)

    def _follow(self) -> None:
        self._draft.follow_neighbours()
        self._refresh_editor()
        self._changed()

    def _discard(self) -> None:
        self._begin_draft(self._draft.base)

    def _patient_limits_drafted(self, patient: str) -> None:
        self._patient = patient
        self._close_editor()
        self._choose_first_age()
        self._changed()

    def _begin_draft(self, base: TableState) -> None:
        self._draft = Draft(base, self._visit.account.name)
        self._close_editor()
        self._forget_stale()
        self._changed()

    def _forget_stale(self) -> None:
        self._stale.clear()
        self._stale_for = None

    # History and undo

    async def _history(self, row_key: str) -> None:
        # The row's own place on the page may be drawn anew meanwhile.
        self._dialogs.clear()
        with self._dialogs, problems_told():
            await in_thread(self._visit.allow, Permission.EDIT_THRESHOLDS)
            versions = row_versions(await in_thread(row_history, self._settings, row_key))
            if not versions:
                raise ConfigurationError(f"The table has no row {row_key} any more.")
            can_undo = before_the_last_change(versions) is not None

            async def undo() -> None:
                await self._undo(row_key)

            show_history(
                row_key,
                versions,
                self._zone,
                undo if can_undo else None,
                lambda version: self._bring_back(row_key, version),
            )

    def _bring_back(self, row_key: str, version: RowVersion) -> None:
        with problems_told():
            if row_key not in self._draft.cells:
                self._draft.take_back(row_key)
            self._set(row_key, version.settable)
            self._refresh_editor(row_key)

    async def _undo(self, row_key: str) -> None:
        """What the row, and those that were saved together with it, were before comes into the draft."""
        with self._dialogs, problems_told():
            base = self._draft.base
            group = group_of(row_key, base.cells[row_key])
            keys = saved_together(
                base, row_key, [key for key, row in base.cells.items() if group_of(key, row) == group]
            )
            histories = {key: row_versions(await in_thread(row_history, self._settings, key)) for key in keys}
            before = undone(row_key, histories)
            for key, cells in before.items():
                if cells is None:
                    self._draft.delete(key)
                else:
                    self._draft.take_back(key)
                    self._draft.set(key, cells)
            self._panel.reason.set_value(f"Undo of the last change of {', '.join(before)}"[:500])
            self._refresh_editor()
            self._changed()
            ui.notify("The draft has what was before: look at it, and save.", type="info")

    # Saving

    async def _save(self) -> None:
        self._refusal.clear()
        self._panel.save.disable()
        draft = self._draft
        try:
            with problems_told():
                await self._saved(draft)
        finally:
            self._panel.save.enable()

    async def _saved(self, draft: Draft) -> None:
        visit, settings = self._visit, self._settings
        reason, saved = str(self._panel.reason.value), draft.copy()
        changed = (settings, saved.base, saved.edit(), visit.account.name, reason, visit.record)
        try:
            await visit.act(Permission.EDIT_THRESHOLDS, save, *changed)
        except RefusedError as error:
            self._refuse([str(problem) for problem in error.problems], draft)
            return
        except (StaleDraftError, EditConflictError) as error:
            self._refuse([str(error)], None)
            await self._look()
            return
        self._panel.reason.set_value("")
        ui.notify("Saved.", color="green-10")
        now = await in_thread(read_state, settings)
        left = draft.since(saved) if self._draft is draft else self._draft
        self._go_on(left.moved_to(now))

    def _go_on(self, draft: Draft) -> None:
        """With what was edited while the rest was being saved; the editor stays, as what is typed there may be new."""
        self._draft = draft
        if self._editing not in draft.cells:
            self._close_editor()
        self._forget_stale()
        self._changed()

    def _refuse(self, reasons: list[str], draft: Draft | None) -> None:
        """Say why nothing was saved; with the picture of what is wrong when it is the draft."""
        with self._refusal, ui.element("div").classes("ward-problem ward-limits-refusal"):
            heading("Not saved")
            sentences(reasons[:8])
            for number, group in enumerate(draft.groups() if draft else []):
                assert draft is not None
                wrong = [lane for lane in lanes_of(draft.rows(group)) if not lane.is_right]
                if wrong:
                    show_picture(group[0], wrong, f"refused{number}")

    # What others do

    async def _look(self) -> None:
        """Every two seconds: the table as it is, and what detection judges by."""
        draft = self._draft
        try:
            now = await in_thread(read_state, self._settings)
            version = await in_thread(in_force.asked, self._settings)
        except WardError as error:
            self._away.set_text(f"{error} What is shown may be old.")
            self._away.set_visibility(True)
            return
        self._away.set_visibility(False)
        if draft is not self._draft:
            return
        if now.cells != draft.base.cells or now.edition != draft.base.edition:
            self._others_edited(draft, now)
        self._force.set_text(in_force.sentence(in_force.hash_of(now.cells), version, self._zone))

    def _others_edited(self, draft: Draft, now: TableState) -> None:
        if not draft:
            if self._of_group(draft.base) == self._of_group(now):
                # Nobody loses the place in the page, or what they have begun to type, to an edit of other limits.
                self._draft = Draft(now, self._visit.account.name)
                self._forget_stale()
                self._show_choices()
                return
            editing = self._editing
            self._begin_draft(now)
            if editing in now.cells:
                self._edit(str(editing))
            return
        if now == self._stale_for:
            return  # whoever is about to press its button must find it there, and hear it once
        self._stale_for = now
        self._stale.clear()
        with self._stale, ui.element("div").classes("ward-problem").props('role="alert"'):
            rows = differing(draft.base, now)
            ui.label(f"The table was changed since this draft began: {', '.join(rows[:6]) or 'and changed back'}.")
            ui.label("The draft cannot be saved before it is taken over to the table as it is now.")
            action("Take the draft over", lambda: self._take_over(now), quiet=False)

    def _of_group(self, table: TableState) -> dict[str, object]:
        """The rows that are shown, each with who changed it last."""
        rows = table.cells.items()
        return {key: (row, table.last_change(key)) for key, row in rows if group_of(key, row) == self._group}

    def _take_over(self, now: TableState) -> None:
        with problems_told():
            moved = self._draft.moved_to(now)
            self._begin_draft(now)
            self._draft = moved
            self._changed()
