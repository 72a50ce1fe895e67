"""What the draft changes, whether it could be saved, why, and saving it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from dashboard.limits.draft import Change, Draft
from dashboard.limits.saving import REASON_CHARACTERS
from dashboard.limits.widgets import action, heading, sentences

LISTED = 30
PROBLEMS_SHOWN = 8


class DraftPanel:
    """The panel; `show` says what the draft is now."""

    def __init__(
        self, save: Callable[[], Awaitable[None]], discard: Callable[[], None], follow: Callable[[], None]
    ) -> None:
        self._follow = follow
        heading("Draft")
        self._changes = ui.element("div")
        self._problems = ui.element("div").props('role="status"')
        self.reason = (
            ui.input("Reason for the change").props(f"outlined dense maxlength={REASON_CHARACTERS}").classes("w-full")
        )
        with ui.row().classes("mt-2"):
            self.save = action("Save", save, quiet=False)
            self.discard = action("Discard the draft", discard)

    def show(self, draft: Draft) -> None:
        """List what changes and what is wrong."""
        changes = draft.changes()
        self._changes.clear()
        with self._changes:
            if not changes:
                ui.label("Nothing is changed yet. Changes are collected here and saved together.")
            else:
                _list(changes)
        problems = draft.problems()
        self._problems.clear()
        with self._problems:
            if problems:
                with ui.element("div").classes("ward-problem"):
                    ui.label("The table would not be right, so it could not be saved:")
                    sentences([str(problem) for problem in problems[:PROBLEMS_SHOWN]])
                    if len(problems) > PROBLEMS_SHOWN:
                        ui.label(f"and {len(problems) - PROBLEMS_SHOWN} more")
                if draft.neighbours() is not None:
                    action("Move the neighbouring band along", self._follow)
            elif changes:
                ui.label("✓ The table would be right.").classes("ward-limits-fine")
        self.discard.set_enabled(bool(changes))


def _list(changes: list[Change]) -> None:
    with ui.element("ul").classes("ward-limits-changes"):
        for change in changes[:LISTED]:
            with ui.element("li"):
                ui.label(_told(change))
    if len(changes) > LISTED:
        ui.label(f"and {len(changes) - LISTED} more")


def _told(change: Change) -> str:
    if change.column is None:
        return f"{change.row_key}: {'added' if change.after else 'deleted'} ({change.after or change.before})"
    return f"{change.row_key} {change.column}: {change.before or '(blank)'} → {change.after or '(blank)'}"
