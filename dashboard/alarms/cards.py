"""The list of alarms as elements. What changes is written into them, so that nobody loses the place they are at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote

from nicegui import ui

from dashboard.alarms.view import MARKS, Line, SilenceLine

L = TypeVar("L")
L_contra = TypeVar("L_contra", contravariant=True)
COLOURS = " ".join(f"ward-alarm-{severity}" for severity in MARKS)
Act = Callable[[Line], object]


class Card:
    """One alarm at one place: what can be done there stays the same. Made once; `show` writes what is news."""

    def __init__(self, line: Line, acknowledge: Act, silence: Act) -> None:
        self.line = line
        with ui.element("li").classes("ward-alarm") as self.element:
            with ui.element("div").classes("ward-alarm-head"):
                self._mark = ui.label().classes("ward-alarm-mark")
                self._title = ui.label().classes("ward-alarm-title")
            with ui.element("div").classes("ward-alarm-whose"):
                self._whose = ui.link("", patient_path(line.patient_id)) if line.patient_id else None
                self._ward = ui.label()
            self._state = ui.label()
            self._notes = ui.label().classes("ward-alarm-notes")
            with ui.element("div").classes("ward-alarm-acts"):
                self._acts: list[tuple[str, ui.element]] = []
                if line.may_acknowledge:
                    verb = "Acknowledge" if line.place == "active" else "Acknowledge again"
                    self._acts.append((verb, ui.button(verb, on_click=lambda: acknowledge(self.line))))
                if line.may_silence:
                    button = ui.button("Silence", on_click=lambda: silence(self.line)).props("outline")
                    self._acts.append(("Silence", button))
                self._acts.append(("History", ui.link("History", f"/alarms/{line.alarm_id}")))
        self._write(line)

    def show(self, line: Line) -> None:
        """What the alarm is like now."""
        if line != self.line:
            self._write(line)

    def _write(self, line: Line) -> None:
        self.line = line
        self.element.classes(remove=COLOURS, add=f"ward-alarm-{line.severity}")
        self._mark.set_text(line.mark)
        self._title.set_text(line.title)
        if self._whose is not None:
            self._whose.set_text(line.whose)
        self._ward.set_text(line.ward)
        self._state.set_text(line.state)
        self._notes.set_text("\n".join(line.notes))
        self._notes.set_visibility(bool(line.notes))
        about = " of ".join(part for part in (line.title.partition(",")[0], line.whose) if part)
        for verb, element in self._acts:
            name(element, f"{verb}: {about}")


class SilenceRow:
    """One silence in the list."""

    def __init__(self, line: SilenceLine, end: Callable[[SilenceLine], object]) -> None:
        self.line = line
        with ui.element("li").classes("ward-silence") as self.element:
            self._what = ui.label().classes("ward-silence-what")
            self._times = ui.label()
            self._by = ui.label()
            if line.may_end:
                button = ui.button("End", on_click=lambda: end(self.line)).props("outline")
                name(button, f"End silence {line.silence_id}: {line.what}")
        self._write(line)

    def show(self, line: SilenceLine) -> None:
        """What the silence is like now."""
        if line != self.line:
            self._write(line)

    def _write(self, line: SilenceLine) -> None:
        self.line = line
        self._what.set_text(line.what)
        self._times.set_text(line.times)
        self._by.set_text(line.by)
        self._by.set_visibility(bool(line.by))


class Row(Protocol[L_contra]):
    """One of a list."""

    element: ui.element

    def show(self, line: L_contra, /) -> None:
        """What it is like now."""


class Rows(Generic[L]):
    """Rows of a list by their key, in the order in which they are given. `make` makes one where it is called."""

    def __init__(self, empty: str, make: Callable[[L], Row[L]]) -> None:
        self._make = make
        self._rows: dict[str, Row[L]] = {}
        self._order: list[str] = []
        self._empty = ui.label(empty).classes("ward-alarms-none")
        self._list = ui.element("ul").classes("ward-alarms-list")

    def when_empty(self, text: str) -> None:
        """What is said instead of a row from now on."""
        self._empty.set_text(text)

    def show(self, lines: Mapping[str, L]) -> None:
        """Show these and no others."""
        wanted = list(lines)
        for gone in [key for key in self._order if key not in lines]:
            self._rows.pop(gone).element.delete()
            self._order.remove(gone)
        for key, line in lines.items():
            if key in self._rows:
                self._rows[key].show(line)
            else:
                with self._list:
                    self._rows[key] = self._make(line)
                self._order.append(key)
        if self._order != wanted:
            for place, key in enumerate(wanted):
                self._rows[key].element.move(self._list, place)
            self._order = wanted
        self._empty.set_visibility(not wanted)
        self._list.set_visibility(bool(wanted))


def patient_path(patient_id: str) -> str:
    """The address of a patient's page."""
    return f"/patients/{quote(patient_id, safe='')}"


def name(element: ui.element, text: str) -> None:
    """How the element is called for those who hear it. The text may be anybody's."""
    if element.props.get("aria-label") != text:
        element.props["aria-label"] = text
        element.update()
