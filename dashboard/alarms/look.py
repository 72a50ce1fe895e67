"""What the alarms page shows, asked of MySQL once a second for all open pages."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from alerts.alarms_table import AlarmRow, Choice, list_alarms, list_ended
from alerts.database import mysql_errors, now_ms
from alerts.orders import Order, load_unhandled
from alerts.silences import Silence, load_in_force, load_silences
from alerts.wards import contacts_of, wards_on_record
from dashboard.live.state import patient_of
from dashboard.shared import Shared
from infra.clients import alerts_connection
from infra.settings import Settings

LOOK_EVERY_SECONDS = 1.0
ANSWER_SECONDS = 5.0
OPEN_MAX = 500
ENDED_MAX = 500
ENDED_WITHIN_MS = 12 * 3_600_000
NAMES_KEPT_SECONDS = 15.0


@dataclass(frozen=True)
class Seen:
    """All wards' alarms at one moment. Equal to the look before when nothing changed.

    `alarms`: the open ones, the most urgent first; `ended`: those that are over, the newest end first; `orders`:
    acknowledgements that wait for the engine; `silences`: those that hold or are to come, `in_force` the ids of those
    that hold; `names`: of patients, only for those who may see them; `beds`: the ward in which each patient lies now;
    `alarms_are_cut`, `ended_are_cut`: there are more.
    """

    alarms: tuple[AlarmRow, ...] = ()
    ended: tuple[AlarmRow, ...] = ()
    orders: tuple[Order, ...] = ()
    silences: tuple[Silence, ...] = ()
    in_force: frozenset[int] = frozenset()
    names: Mapping[str, str] | None = None
    wards: tuple[str, ...] = ()
    alarms_are_cut: bool = False
    ended_are_cut: bool = False
    beds: Mapping[str, str] | None = None


class AlarmsLook:
    """Looks while somebody has the page open."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names: dict[str, str] = {}
        self._named: frozenset[str] = frozenset()
        self._wards: frozenset[str] = frozenset()
        self._beds: dict[str, str] = {}
        self._contacts_until = 0.0
        self.everything: Shared[Seen] = Shared(self._look, LOOK_EVERY_SECONDS)

    def _look(self) -> Seen:
        now = now_ms()
        with (
            mysql_errors(self._settings),
            closing(alerts_connection(self._settings, read_timeout=ANSWER_SECONDS)) as connection,
            connection.cursor() as cursor,
        ):
            alarms, alarms_are_cut = cut(list_alarms(cursor, Choice(), OPEN_MAX + 1), OPEN_MAX)
            ended, ended_are_cut = cut(list_ended(cursor, now - ENDED_WITHIN_MS, ENDED_MAX + 1), ENDED_MAX)
            orders = tuple(load_unhandled(cursor))
            silences = tuple(one for one in load_silences(cursor, now) if one.lifted_at is None)
            in_force = frozenset(one.silence_id for one in load_in_force(cursor, now))
        shown: tuple[AlarmRow | Silence, ...] = (*alarms, *ended, *silences)
        patients = {patient_of(one) if isinstance(one, AlarmRow) else one.patient_id for one in shown}
        self._read_contacts(frozenset(one for one in patients if one is not None))
        wards = self._wards | {one.ward for one in shown if one.ward}
        return Seen(
            alarms,
            ended,
            orders,
            silences,
            in_force,
            dict(self._names),
            tuple(sorted(wards)),
            alarms_are_cut,
            ended_are_cut,
            dict(self._beds),
        )

    def _read_contacts(self, patients: frozenset[str]) -> None:
        """While the source of contacts is away, what it said before holds."""
        now = time.monotonic()
        if now < self._contacts_until and patients <= self._named:
            return
        stays, wards = contacts_of(self._settings, patients), wards_on_record(self._settings, now_ms())
        self._contacts_until = now + NAMES_KEPT_SECONDS
        self._named = patients
        self._wards = self._wards if wards is None else frozenset(wards)
        if stays is not None:
            self._names = {patient: stay.name for patient, stay in stays.items() if stay.name}
            self._beds = {patient: stay.ward for patient, stay in stays.items() if stay.ward}


def cut(alarms: Sequence[AlarmRow], most: int) -> tuple[tuple[AlarmRow, ...], bool]:
    """The first of them, and whether there are more."""
    return tuple(alarms[:most]), len(alarms) > most
