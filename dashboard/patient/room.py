"""What all patients' pages of the process share."""

from __future__ import annotations

from alerts.contacts import ImportRequests, start_import
from dashboard.patient.admissions import Admissions
from dashboard.patient.bands import Limits
from dashboard.patient.sources import Sources
from infra.settings import Settings

IMPORTS_PAUSE_SECONDS = 20.0
"""Patients are changed one after the other; each import takes some ten seconds."""


class Room:
    """One for the process (`House.one(Room)`). Threads may share it; one of them runs `imports`."""

    def __init__(self, settings: Settings) -> None:
        self.imports = ImportRequests(lambda: start_import(settings), IMPORTS_PAUSE_SECONDS)
        self.admissions = Admissions(settings, self.imports.ask)
        self.sources = Sources(settings)
        self.limits = Limits(settings)
