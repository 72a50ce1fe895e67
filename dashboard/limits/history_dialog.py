"""The versions of a row, who made them and when, and bringing one back into the draft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from nicegui import ui

from alerts.entries import as_moment
from dashboard.limits.versions import RowVersion
from dashboard.limits.widgets import action, heading
from hbase.display import SHELL
from hbase.table import VERSIONS

KEPT = f"HBase keeps the last {VERSIONS} versions of each cell, and none of a row that was deleted."


def show_history(
    row_key: str,
    versions: Sequence[RowVersion],
    zone: ZoneInfo,
    undo: Callable[[], object] | None,
    bring_back: Callable[[RowVersion], None],
) -> None:
    """A dialog with the newest version first. `undo` None: there is nothing before the last change."""
    with ui.dialog().props('aria-label="History of a row"') as dialog, ui.card().classes("ward-limits-dialog"):
        heading("History of a row")
        ui.label(f"{row_key}, times in {zone.key}. {KEPT}")
        with (
            ui.element("div").classes("ward-limits-scroll").props('tabindex="0" role="group" aria-label="Versions"'),
            ui.element("table").classes("ward-limits-rows"),
        ):
            with ui.element("thead"), ui.element("tr"):
                for head in ("Time", "Author", "Changes", "What to do"):
                    with ui.element("th").props('scope="col"'):
                        ui.label(head)
            with ui.element("tbody"):
                for version in reversed(versions):
                    _show_version(version, versions[-1], zone, bring_back, dialog)
        with ui.row():
            if undo is not None:
                action("Undo the last change", lambda: _closing(dialog, undo), row_key, quiet=False)
            action("Close", dialog.close)
    dialog.open()


def _show_version(
    version: RowVersion,
    now: RowVersion,
    zone: ZoneInfo,
    bring_back: Callable[[RowVersion], None],
    dialog: ui.dialog,
) -> None:
    with ui.element("tr"):
        for text in (as_moment(version.at, zone), version.author or SHELL):
            with ui.element("td"):
                ui.label(text)
        with ui.element("td"):
            for column, (before, after) in sorted(version.changed.items()):
                ui.label(f"{column}: {before or '(blank)'} → {after or '(blank)'}")
            if not version.changed:
                ui.label("nothing but the author")
        with ui.element("td"):
            if version.is_whole and version.settable != now.settable:
                action("Bring back", lambda: _closing(dialog, lambda: bring_back(version)), as_moment(version.at, zone))


def _closing(dialog: ui.dialog, act: Callable[[], object]) -> object:
    dialog.close()
    return act()
