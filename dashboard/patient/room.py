"""What all patients' pages of the process share."""

from __future__ import annotations

from dashboard.patient.admissions import Admissions
from dashboard.patient.bands import Limits
from dashboard.patient.sources import Sources
from infra.settings import Settings


class Room:
    """One for the process (`House.one(Room)`). Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self.admissions = Admissions(settings)
        self.sources = Sources(settings)
        self.limits = Limits(settings)
