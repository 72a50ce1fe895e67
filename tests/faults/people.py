"""People who act while faults strike: alarms are acknowledged, and mails about some patients silenced."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alerts.alarms_table import AlarmRow, Choice, list_alarms
from alerts.database import in_transaction, now_ms
from alerts.orders import place_order
from alerts.silences import LONGEST_MS, add_silence, lift, load_in_force
from clinical.lifecycle_state import Phase
from infra.clients import alerts_connection
from infra.settings import Settings
from tests.faults.acting import Acting
from tests.faults.load import silenced_patients, ward_of
from tests.stack.alerting import unique

SEEN_AT_MOST = 100


@dataclass(eq=False)
class People(Acting):
    """Looks at the ward's alarms each second until `finish`, and orders one acknowledgement of each of which somebody
    was mailed, or should not be.

    Each order has an author of its own; those whose orders MySQL accepted are added to `authors`. Alarms that were seen
    acknowledged, and later are not, are added to `fallen_back`.
    """

    settings: Settings
    campaign: str
    authors: list[str] = field(default_factory=list)
    fallen_back: list[str] = field(default_factory=list)

    pause_seconds = 1.0

    def __post_init__(self) -> None:
        super().__init__("people")
        self._seen: set[str] = set()
        self._acknowledged: set[str] = set()
        self._silenced = {*silenced_patients(self.campaign)}

    def make_a_round(self) -> None:
        with closing(
            alerts_connection(self.settings, read_timeout=10, write_timeout=10, connect_timeout=2)
        ) as connection:
            with connection.cursor() as cursor:
                shown = list_alarms(cursor, Choice(ward=ward_of(self.campaign)), SEEN_AT_MOST)
            for alarm in shown:
                self._look_at(alarm)
                is_known = alarm.told_at is not None or alarm.patient_id in self._silenced
                if alarm.state == Phase.ACTIVE and is_known and alarm.alarm_id not in self._seen:
                    self._order(connection, alarm)

    def _look_at(self, alarm: AlarmRow) -> None:
        if alarm.state == Phase.ACKNOWLEDGED:
            self._acknowledged.add(alarm.alarm_id)
        elif alarm.alarm_id in self._acknowledged and alarm.alarm_id not in self.fallen_back:
            self.fallen_back.append(alarm.alarm_id)

    def _order(self, connection: Connection[Any], alarm: AlarmRow) -> None:
        author = unique("Doctor")
        self._seen.add(alarm.alarm_id)
        in_transaction(
            connection,
            lambda cursor: place_order(
                cursor, alarm.alarm_id, author, "On my way", None, False, now_ms(), alarm.condition
            ),
        )
        self.authors.append(author)


def silence(settings: Settings, campaign: str) -> None:
    """Keep mails about the campaign's silenced patients back; once, however often it is asked."""
    now = now_ms()

    def begin(cursor: Cursor) -> None:
        held = {one.patient_id for one in load_in_force(cursor, now)}
        for patient in silenced_patients(campaign):
            if patient not in held:
                add_silence(cursor, "silence", patient, None, None, now, now + LONGEST_MS, campaign, "Faults", now)

    with closing(alerts_connection(settings)) as connection:
        in_transaction(connection, begin)


def lift_silences(settings: Settings, campaign: str) -> None:
    """What `silence` has begun is over."""
    now = now_ms()

    def end(cursor: Cursor) -> None:
        for one in load_in_force(cursor, now):
            if one.author == campaign:
                lift(cursor, one.silence_id, campaign, now)

    with closing(alerts_connection(settings)) as connection:
        in_transaction(connection, end)
