"""The form in which a row of the draft is edited; what is typed is in the draft, and so in the picture, at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from nicegui import ui

from clinical.messages import Direction, Severity
from dashboard.limits.widgets import action, heading

FIELDS = {
    "low_age_limit": "Age from (years)",
    "high_age_limit": "Age to below (years; blank: no end)",
    "low_value": "Lowest value (blank: open)",
    "high_value": "Highest value (blank: open)",
    "delay_seconds": "Delay (s)",
    "clear_margin": "Clear margin",
    "alert_message": "Message for doctors",
    "source": "Source",
}
REASON = "Reason for this patient's own limits"
DEBOUNCE_MS = 250
NONE = "none"

Change = Callable[[Mapping[str, str]], None]


def show_editor(row_key: str, cells: Mapping[str, str], change: Change, close: Callable[[], None]) -> None:
    """The form of one row; `change` hears each cell that is edited."""
    with ui.element("section").classes("ward-limits-card").props(f'aria-label="Edit {_plain(row_key)}"'):
        heading("Edit a band")
        ui.label(f"{row_key}: what is changed here is in the picture at once, and saved with the draft.")
        with ui.element("div").classes("ward-limits-form"):
            _choices("direction", "Side", get_args(Direction), cells, change)
            first = None
            for column, label in FIELDS.items():
                field = _field(column, label, cells, change)
                first = first or field
            _choices("severity", "Severity", (*get_args(Severity), NONE), cells, change)
            if cells.get("patient_id"):
                _field("reason", REASON, cells, change)
            switch = ui.checkbox("It alarms", value=cells.get("alert_flag") == "1")
            switch.on_value_change(lambda event: change({"alert_flag": "1" if event.value else "0"}))
        action("Done", close, quiet=False)
    assert first is not None
    first.props("autofocus")  # not a call afterwards, which takes whoever is faster out of another field


def _field(column: str, label: str, cells: Mapping[str, str], change: Change) -> ui.input:
    field = ui.input(label, value=cells.get(column, "")).props(f"outlined dense debounce={DEBOUNCE_MS}")
    field.on_value_change(lambda event: change({column: str(event.value or "")}))
    return field


def _choices(column: str, label: str, options: tuple[str, ...], cells: Mapping[str, str], change: Change) -> None:
    now = cells.get(column, "")
    chosen = now if now in options else NONE if NONE in options else None
    select = ui.select(list(options), label=label, value=chosen).props("outlined dense options-dense")
    select.on_value_change(lambda event: change({column: "" if event.value in (None, NONE) else str(event.value)}))


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum() or letter in "_#-")
