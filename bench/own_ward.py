"""A ward of a benchmark's own on the running stack: simulated patients, and a doctor who hears it.

Its readings and mails stay, as those of any ward do. Its patients are discharged at the end, which ends their alarms;
then these are forgotten, so that ops do not miss a reader for the ward, and the doctor's subscription is removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from bench.commands import run_ward
from bench.scratch import random_suffix
from clinical.tables import PATIENTS
from infra.clients import alerts_connection, devices_connection
from infra.errors import WardError
from infra.metrics import CONTACTS_VERSION, read_state
from infra.settings import Settings
from infra.waiting import wait_for
from producers.simulator.profiles import Patient, admit
from producers.simulator.writer import TABLES, WardWriter
from sqoop.location import location_in_hive

IN_FORCE_SECONDS, ENDED_SECONDS = 120.0, 1800.0


def patients_of(ward: str, seed: int, count: int) -> tuple[Patient, ...]:
    """The simulator's patients under ids of the ward's own, all of them on it."""
    return tuple(
        replace(one, patient_id=f"{ward}-{one.patient_id}", device_id=f"{ward}-{one.device_id}", ward=ward)
        for one in admit(seed, count, datetime.now(UTC))
    )


class OwnWard:
    """Its name begins the ids of its patients."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = f"Bench-{random_suffix()}"
        self.doctor = f"{self.name.lower()}@wardwatch.example"

    def subscribe(self) -> None:
        """The doctor hears the ward from now on."""
        run_ward("subscriptions", "add", self.doctor, "--ward", self.name)

    def admit(self, patients: Sequence[Patient]) -> None:
        """Admit the patients, and return when detection knows their contacts.

        Raises WardError when it does not come to know them.
        """
        writer = WardWriter(self._settings)
        try:
            writer.admit(patients)
        finally:
            writer.close()
        run_ward("import-contacts", "--quiet")
        version = location_in_hive(self._settings, PATIENTS.full_name).rsplit("/", 1)[-1]
        if not wait_for(lambda: self._is_in_force(version), IN_FORCE_SECONDS, 0.5):
            raise WardError(f"Detection did not take up the contacts within {IN_FORCE_SECONDS:.0f} s.")

    def discharge(self) -> None:
        """Every patient leaves now, so that nobody waits for their devices. Nothing may be written of them any more."""
        with closing(devices_connection(self._settings)) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {TABLES.patients} SET discharged_at = NOW(3)"
                " WHERE admitted_ward = %s AND discharged_at IS NULL",
                (self.name,),
            )

    def close(self) -> None:
        """Discharge everybody, wait until their alarms are over and told, and forget these and the doctor.

        Raises WardError when alarms do not end.
        """
        self.discharge()
        ended = wait_for(lambda: not self._open_alarms(), ENDED_SECONDS, 1.0)
        with closing(alerts_connection(self._settings)) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM alarms WHERE kind = 'clinical' AND ward = %s", (self.name,))
        run_ward("subscriptions", "remove", self.doctor)
        if not ended:
            raise WardError(f"Alarms of discharged patients are not over after {ENDED_SECONDS:.0f} s.")

    def _is_in_force(self, version: str) -> bool:
        state = read_state(self._settings, "detect-breaches")
        return state is not None and state.in_force.get(CONTACTS_VERSION, "") >= version

    def _open_alarms(self) -> int:
        """Alarms that are open or owe a mail, and mails that wait."""
        with closing(alerts_connection(self._settings)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT COUNT(*) FROM alarms WHERE kind = 'clinical' AND ward = %s AND breach IS NOT NULL)"
                " + (SELECT COUNT(*) FROM notifications WHERE sent_at IS NULL AND merged_into IS NULL AND ward = %s)",
                (self.name, self.name),
            )
            [count] = cursor.fetchone() or [0]
            return int(count)


@contextmanager
def own_ward(settings: Settings, seed: int, count: int) -> Iterator[OwnWard]:
    """A ward with so many patients, closed at the end of the block whatever happens.

    Raises what the block raises, and WardError when its alarms do not end: after an error of the block as a note to it.
    """
    ward = OwnWard(settings)
    ward.subscribe()
    try:
        ward.admit(patients_of(ward.name, seed, count))
        yield ward
    except BaseException as error:
        try:
            ward.close()
        except WardError as left:
            error.add_note(str(left))
        raise
    ward.close()
