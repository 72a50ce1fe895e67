"""The question what a draft would have meant: the replay's button, its progress, its answer, and a way to cancel it."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from dashboard.limits.draft import Draft
from dashboard.limits.what_if import CancelledError, WhatIf
from dashboard.limits.widgets import action, sentences
from dashboard.roles import Permission
from dashboard.visit import Visit, in_thread
from hbase.edits import RefusedError
from infra.errors import ConfigurationError, WardError

QUESTION = "What would this have meant?"


class Trial:
    """The panel. A failure is a sentence in it; saving does not wait for it."""

    def __init__(self, visit: Visit, draft: Callable[[], Draft]) -> None:
        self._visit = visit
        self._draft = draft
        self._running: WhatIf | None = None
        with ui.row().classes("items-center"):
            self._button = action(QUESTION, self._ask)
            self._cancel = action("Cancel the replay", self.cancel)
            self._cancel.set_visibility(False)
        self._answer = ui.element("div").classes("ward-limits-answer").props('role="status"')
        ui.context.client.on_delete(self.cancel)

    def cancel(self) -> None:
        """End the replay, if one runs."""
        if self._running is not None:
            self._running.cancel()

    def forget(self) -> None:
        """The draft has changed: an answer about it as it was is not shown any more, nor waited for."""
        self.cancel()
        self._answer.clear()

    async def _ask(self) -> None:
        if self._running is not None:
            return
        self._running = running = WhatIf()
        self._button.disable()
        self._cancel.set_visibility(True)
        self._tell("Asking …")
        try:
            told = await self._asked(running)
        except CancelledError as error:
            told = [str(error)]
        except WardError as error:
            told = [f"■ {error}", "The draft can be saved without it."]
        finally:
            self._running = None
        self._button.enable()
        self._cancel.set_visibility(False)
        self._tell(*told)

    async def _asked(self, running: WhatIf) -> list[str]:
        await in_thread(self._visit.allow, Permission.EDIT_THRESHOLDS)
        draft = self._draft()
        if not draft:
            raise ConfigurationError("The draft says what the table says: nothing would have changed.")
        if problems := draft.problems():
            raise RefusedError(problems)
        attributes = sorted({attribute for attribute, _ in draft.groups()})
        cells = draft.edit().signed(draft.author).applied_to(draft.base.cells)
        return (await running.ask(cells, attributes, self._tell)).sentences()

    def _tell(self, *texts: str) -> None:
        if not self._answer.is_deleted:
            self._answer.clear()
            with self._answer:
                sentences(texts)
