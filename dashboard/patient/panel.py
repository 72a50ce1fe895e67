"""A part of a patient's page that is looked at again every two seconds."""

from __future__ import annotations

from abc import ABC, abstractmethod

from nicegui import ui

from dashboard.following import keep_fresh
from dashboard.frame import problems_told
from dashboard.patient.room import Room
from dashboard.visit import Visit

REFRESH_SECONDS = 2.0


class Panel(ABC):
    """While its data cannot be had it says why, over what it showed last, and goes on asking."""

    def __init__(self, visit: Visit, room: Room, patient_id: str) -> None:
        self._visit = visit
        self._room = room
        self._patient_id = patient_id

    async def build(self) -> None:
        """Show it where the page is being built, with what there is now."""
        with ui.element("section").classes("ward-patient-card"):
            ui.label(self._title()).props('role="heading" aria-level="2"').classes("ward-patient-heading")
            problem = ui.element("div")
            self._lay_out()
            with problem:
                await keep_fresh(REFRESH_SECONDS, self._look)

    async def again(self) -> None:
        """Look at once: somebody chose something else."""
        with problems_told():
            await self._look()

    @abstractmethod
    def _title(self) -> str:
        """Its heading."""

    @abstractmethod
    def _lay_out(self) -> None:
        """Make its elements."""

    @abstractmethod
    async def _look(self) -> None:
        """Look at the data again, and show them if they are something else. Raises WardError."""
