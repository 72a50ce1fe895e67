"""Patients of a test's own, with a monitor that sends."""

from __future__ import annotations

import threading
import uuid
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Locator, Page

from infra.clients import devices_connection
from infra.settings import Settings

SEEN_MS = 180_000
"""What an alarm or a silence is waited for on a machine that does other things too."""

WELL, ILL = 97, 80
"""Oxygen saturations: of a healthy patient, and one of a high alarm."""


class Bed:
    """A patient of the test's own with a monitor that sends a reading each second until it is stopped."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self.patient_id = f"board-{uuid.uuid4().hex[:8]}"
        self.ward = f"Ward {self.patient_id}"
        self.name = name
        self.spo2 = WELL
        self._stop = threading.Event()
        self._monitor = threading.Thread(target=self._send, daemon=True)
        self._execute(
            "INSERT INTO health.patients_information (patient_id, name, admitted_ward) VALUES (%s, %s, %s)",
            (self.patient_id, self.name, self.ward),
        )
        self._monitor.start()

    def stop_monitor(self) -> None:
        self._stop.set()
        self._monitor.join(60)

    def discharge(self) -> None:
        self.stop_monitor()
        self._execute(
            "UPDATE health.patients_information SET discharged_at = NOW(3) WHERE patient_id = %s", (self.patient_id,)
        )

    def tile(self, page: Page) -> Locator:
        return page.locator(f'[data-patient="{self.patient_id}"]')

    def _execute(self, statement: str, arguments: tuple[Any, ...]) -> None:
        with closing(devices_connection(self._settings)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def _send(self) -> None:
        with closing(devices_connection(self._settings)) as connection, connection.cursor() as cursor:
            while not self._stop.wait(1):
                cursor.execute(
                    "INSERT INTO health.patients_vital_info"
                    " (patient_id, device_id, recorded_at, heart_rate, spo2, respiratory_rate)"
                    " VALUES (%s, 'board-monitor', %s, 72, %s, 14)",
                    (self.patient_id, datetime.now(UTC).replace(tzinfo=None), self.spo2),
                )
