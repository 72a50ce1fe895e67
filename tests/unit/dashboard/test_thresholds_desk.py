"""An open thresholds page: nothing that is typed is lost by a save, and nobody loses their place in the page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui

from dashboard.limits import desk as module
from dashboard.limits.desk import Desk
from dashboard.roles import Role
from hbase.edits import Edit
from hbase.table import TableState
from tests.unit.dashboard.built import built
from tests.unit.dashboard.threshold_tables import default_cells, edited, state_of
from tests.unit.dashboard.visits import visit_of

BASE = state_of(default_cells())
ROW, OTHER = "heart_rate#040", "heart_rate#041"


def on_a_desk(directory: Path, work: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        with built():
            await work(Desk(visit_of(Role.OPS, directory), BASE))

    asyncio.run(run())


def changes(desk: Desk) -> list[str]:
    return [str(change) for change in desk._draft.changes()]


def test_what_is_edited_while_a_save_runs_is_the_next_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, may_save = [BASE], threading.Event()

    def save(_settings: Any, base: TableState, edit: Edit, *_: Any) -> None:
        may_save.wait()
        table.append(edited(base, edit, "ops"))

    monkeypatch.setattr(module, "save", save)
    monkeypatch.setattr(module, "read_state", lambda _settings: table[-1])

    async def pressed(act: Callable[[], Awaitable[None]], place: ui.element) -> None:
        with place:
            await act()

    async def work(desk: Desk) -> None:
        desk._edit(OTHER)
        desk._set(ROW, {"delay_seconds": "21"})
        saving = asyncio.create_task(pressed(desk._save, desk._editor))
        await asyncio.sleep(0)
        desk._set(OTHER, {"delay_seconds": "22"})
        may_save.set()
        await saving
        assert table[-1].cells[ROW]["delay_seconds"] == "21"
        assert [change.split(": ")[0] for change in changes(desk)] == [f"{OTHER} delay_seconds"]
        assert desk._editing == OTHER
        await desk._save()
        assert changes(desk) == []

    on_a_desk(tmp_path, work)


@pytest.mark.parametrize(("row_key", "stays"), [("glucose#001", True), (OTHER, False)])
def test_an_edit_of_other_limits_takes_nobody_out_of_a_form_that_is_open(
    tmp_path: Path, row_key: str, stays: bool
) -> None:
    async def work(desk: Desk) -> None:
        desk._edit(ROW)
        before = [element.id for element in (*desk._editor.default_slot.children, desk._buttons[ROW])]
        now = edited(BASE, Edit({row_key: {"delay_seconds": "23"}}), "another")
        desk._others_edited(desk._draft, now)
        after = [element.id for element in (*desk._editor.default_slot.children, desk._buttons[ROW])]
        assert (after == before) is stays
        assert desk._editing == ROW
        desk._set(ROW, {"delay_seconds": "21"})
        assert desk._draft.base == now
        assert changes(desk) == [f"{ROW} delay_seconds: {BASE.cells[ROW]['delay_seconds']} -> 21"]

    on_a_desk(tmp_path, work)


def test_that_the_table_was_changed_is_told_once_until_it_changes_again(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        desk._set(ROW, {"delay_seconds": "21"})
        told = []
        for seconds in ("22", "22", "23"):
            desk._others_edited(desk._draft, edited(BASE, Edit({OTHER: {"delay_seconds": seconds}}), "another"))
            told.append([element.id for element in desk._stale.default_slot.children])
        assert told[0] == told[1] != told[2]

    on_a_desk(tmp_path, work)


def test_done_takes_whoever_works_by_keyboard_back_to_the_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    focused: list[ui.element | None] = []
    monkeypatch.setattr(module, "focus", focused.append)
    done: list[Callable[[], None]] = []
    monkeypatch.setattr(module, "show_editor", lambda _key, _cells, _change, close: done.append(close))

    async def work(desk: Desk) -> None:
        desk._edit(ROW)
        done[-1]()
        assert desk._editing is None
        assert focused == [desk._buttons[ROW]]

    on_a_desk(tmp_path, work)
