"""Where detection reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from clinical.tables import PATIENTS
from clinical.topics import DERIVED_VITALS, DOCTORS_QUEUE, VITAL_INFO


@dataclass(frozen=True)
class Place:
    """Topics, the Hive table of contacts and the name of the checkpoint below `checkpoints` on HDFS."""

    readings: str = VITAL_INFO
    derived: str = DERIVED_VITALS
    breaches: str = DOCTORS_QUEUE
    patients: str = PATIENTS.full_name
    checkpoint: str = "detect-breaches"

    @property
    def sources(self) -> tuple[str, str]:
        """The topics that are judged."""
        return (self.readings, self.derived)

    @property
    def topics(self) -> tuple[str, str, str]:
        """Every topic that must be there."""
        return (*self.sources, self.breaches)
