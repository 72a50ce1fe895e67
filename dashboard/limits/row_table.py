"""The rows of a group as a table, each with what can be done to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from nicegui import ui

from alerts.entries import as_moment
from clinical.vitals import JUDGED
from dashboard.limits.chosen import Shown
from dashboard.limits.picture import label_of, look_of
from dashboard.limits.widgets import action
from hbase import display
from hbase.table import TableState

HEADS = ("Row", "Ages", "Values", "Band", "Delay", "Margin", "Message and source", "Changed", "")
NOT_SAVED = "not saved yet"


@dataclass(frozen=True)
class RowActs:
    """What the buttons of a row do; each is given its key."""

    edit: Callable[[str], None]
    switch: Callable[[str, bool], None]
    delete: Callable[[str], None]
    take_back: Callable[[str], None]
    history: Callable[[str], object]


def show_rows(rows: Sequence[Shown], base: TableState, zone: ZoneInfo, acts: RowActs) -> dict[str, ui.button]:
    """The table; it scrolls by itself where it is wider than the page. The first button of each row, by its key."""
    first = {}
    with (
        ui.element("div").classes("ward-limits-scroll").props('tabindex="0" role="group" aria-label="Rows"'),
        ui.element("table").classes("ward-limits-rows"),
    ):
        with ui.element("thead"), ui.element("tr"):
            for head in HEADS:
                with ui.element("th").props('scope="col"'):
                    ui.label(head if head else "What to do")
        with ui.element("tbody"):
            for shown in rows:
                first[shown.row_key] = _show_row(shown, base, zone, acts)
    return first


def _show_row(shown: Shown, base: TableState, zone: ZoneInfo, acts: RowActs) -> ui.button:
    mark = "ward-limits-deleted" if shown.is_deleted else "ward-limits-changed" if shown.is_changed else ""
    with ui.element("tr").classes(mark):
        _cell(shown.row_key, "ward-limits-key")
        if shown.row is None:
            with ui.element("td").props('colspan="5"'):
                ui.label("■ This row cannot be read: edit or delete it.")
        else:
            row = shown.row
            unit = JUDGED[row.attribute].unit if row.attribute in JUDGED else ""
            _cell(display.ages(row))
            _cell(f"{display.values(row)} {unit}".rstrip())
            with ui.element("td"):
                ui.label(label_of(row)).style(f"color: {look_of(row).ink}; font-weight: 700")
            _cell(f"{row.delay_seconds} s" if row.alert_flag else "")
            _cell(f"{row.clear_margin:f}" if row.direction != "normal" else "")
        with ui.element("td"):
            ui.label(shown.cells.get("alert_message", ""))
            ui.label(shown.cells.get("source", "")).classes("ward-limits-quiet")
            if shown.cells.get("reason"):
                ui.label(f"Reason: {shown.cells['reason']}").classes("ward-limits-quiet")
        _cell(_changed(shown, base, zone))
        with ui.element("td").classes("ward-limits-acts"):
            return _acts(shown, base, acts)[0]


def _cell(text: str, classes: str = "") -> None:
    with ui.element("td").classes(classes):
        ui.label(text)


def _changed(shown: Shown, base: TableState, zone: ZoneInfo) -> str:
    if shown.is_deleted:
        return f"deleted, {NOT_SAVED}"
    if shown.is_changed:
        return NOT_SAVED
    at, author = base.last_change(shown.row_key)
    return f"{as_moment(at, zone)} {author or display.SHELL}"


def _acts(shown: Shown, base: TableState, acts: RowActs) -> list[ui.button]:
    key, buttons = shown.row_key, []
    if not shown.is_deleted:
        buttons.append(action("Edit", lambda: acts.edit(key), key))
        if shown.row is not None and shown.row.direction != "normal":
            is_on = shown.row.alert_flag
            buttons.append(action("Switch off" if is_on else "Switch on", lambda: acts.switch(key, not is_on), key))
        buttons.append(action("Delete", lambda: acts.delete(key), key))
    if shown.is_deleted or shown.is_changed:
        buttons.append(action("Take back", lambda: acts.take_back(key), key))
    if key in base.cells:
        buttons.append(action("History", lambda: acts.history(key), key))
    return buttons
