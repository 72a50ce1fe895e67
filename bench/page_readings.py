"""The readings of a benchmark's ward that a page can show, read from MySQL as they are committed."""

from __future__ import annotations

import time

from alerts.bedside import read_reading
from bench.boards import Inserted
from infra.settings import Settings
from producers.encoding import RowEncoder
from producers.source import SourceReader

PAGE_ROWS = 10_000


class ShownReadings:
    """Readings of the ward with a value that is believed, in the order in which its one writer committed them.

    What has no such value (a probe that is off) no tile shows as a last reading.
    """

    def __init__(self, settings: Settings, ward: str) -> None:
        self._settings = settings
        self._prefix = f"{ward}-".encode()
        self._reader = SourceReader(settings)
        self._encoder = RowEncoder(self._reader.open())
        self._last_id = self._reader.highest_key()
        self.readings: list[Inserted] = []

    def read_on(self) -> int:
        """Read what was committed meanwhile; how many readings there are now. Raises UnavailableError."""
        cursor = self._last_id
        while rows := self._reader.after(cursor, PAGE_ROWS):
            cursor = rows[-1][0]
            for (patient, value), row in zip(
                self._encoder.encode(rows, time.time_ns() // 1_000_000), rows, strict=True
            ):
                if patient is None or not patient.startswith(self._prefix):
                    continue
                self._last_id = row[0]  # not of others: their rows may become visible after later ones of the ward
                seen = read_reading(value, 0, self._settings.readings)
                if seen is not None and seen.values:
                    self.readings.append(Inserted(row[0], seen.patient_id, seen.inserted_at))
        return len(self.readings)

    def newest(self) -> dict[str, int]:
        """When the last reading of each patient was inserted, epoch ms."""
        found: dict[str, int] = {}
        for one in self.readings:
            found[one.patient_id] = max(one.inserted_at, found.get(one.patient_id, 0))
        return found

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()
