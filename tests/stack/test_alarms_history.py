"""Alarms from MySQL in Hive: each once, as they stand, also those that MySQL has forgotten."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.history import Written, write_history
from alerts.history_days import alarm_days
from alerts.restored import reconcile
from clinical.tables import ALARMS
from hive.client import query
from infra.clients import alerts_connection, devices_connection
from infra.settings import Settings
from sqoop.importer import import_contacts
from tests.stack.alerting import unique

pytestmark = pytest.mark.leaves_streams

Await = Callable[..., Any]
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ward:
    """Alarms of a ward of its own, at ten o'clock of a day of long ago that no other test is likely to use.

    None has a key, so the stack's alert engine does not know them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = unique("Ward")
        days = timedelta(days=random.SystemRandom().randrange(15 * 365))
        self.start = datetime(2003, 1, 1, 10, tzinfo=UTC) + days
        self.made: list[str] = []

    @property
    def day(self) -> str:
        return f"{self.start:%Y-%m-%d}"

    def alarm(self, patient: str, **columns: Any) -> str:
        """Insert an alarm that began at the start, was raised ten seconds later and lasts, with its trail; its id."""
        alarm_id = uuid.uuid4().hex
        self.made.append(alarm_id)
        row = {
            "alarm_id": alarm_id,
            "kind": "clinical",
            "patient_id": patient,
            "attribute": "heart_rate",
            "direction": "high",
            "ward": self.name,
            "phase": "active",
            "severity": "high",
            "peak_severity": "high",
            "started_at": self.start,
            "raised_at": self.start + 10 * SECOND,
            "last_breach_at": self.start + 20 * MINUTE,
            "breaches": 1200,
            "last_value": 141.5,
            **columns,
        }
        self.run(
            f"INSERT INTO alarms ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
            *(in_mysql(value) for value in row.values()),
        )
        self.event(alarm_id, self.start + SECOND, "pending", breach_id="b" * 64)
        return alarm_id

    def event(
        self, alarm_id: str, at: datetime, what: str, breach_id: str | None = None, mail: str | None = None
    ) -> None:
        self.run(
            "INSERT INTO alarm_events (alarm_id, at, who, what, why, breach_id, notification_id)"
            " VALUES (%s, %s, 'test', %s, 'a test', %s, %s)",
            alarm_id,
            in_mysql(at),
            what,
            breach_id,
            mail,
        )

    def change(self, alarm_id: str, **columns: Any) -> None:
        names = ", ".join(f"{name} = %s" for name in columns)
        self.run(f"UPDATE alarms SET {names} WHERE alarm_id = %s", *map(in_mysql, columns.values()), alarm_id)

    def forget(self) -> None:
        """Take them out of MySQL, as housekeeping does in the end."""
        for table in ("alarm_events", "alarms"):
            for alarm_id in self.made:
                self.run(f"DELETE FROM {table} WHERE alarm_id = %s", alarm_id)

    def run(self, statement: str, *arguments: Any) -> None:
        with closing(alerts_connection(self.settings)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def write(self, hours_later: int = 0) -> Written:
        """Run the program for an hour from the start on."""
        start = self.start + hours_later * HOUR
        return write_history(self.settings, start, start + HOUR)

    def ask(self, columns: str, table: str = ALARMS.full_name, order: str = "1") -> list[tuple[Any, ...]]:
        """What Hive says of the ward on that day."""
        return query(
            self.settings,
            f"SELECT {columns} FROM {table} WHERE event_date = '{self.day}' AND ward = '{self.name}' ORDER BY {order}",
        )

    def ids(self) -> list[str]:
        return [alarm_id for (alarm_id,) in self.ask("alarm_id")]


def in_mysql(value: Any) -> Any:
    """A time as epoch ms."""
    return (value - EPOCH) // timedelta(milliseconds=1) if isinstance(value, datetime) else value


@pytest.fixture
def ward(stack: Settings) -> Iterator[Ward]:
    one = Ward(stack)
    yield one
    one.forget()
    with alarm_days(stack) as days:
        days.change(one.day, lambda rows: {key: row for key, row in rows.items() if key not in one.made})


@pytest.fixture
def quiet_bed(stack: Settings, ward: Ward, await_condition: Await) -> Iterator[str]:
    """A patient on the ward with a reading that day, which has landed, and without an alarm."""
    patient = unique("P")
    at = ward.start.replace(tzinfo=None)
    with closing(devices_connection(stack)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO health.patients_information (patient_id, name, admitted_ward) VALUES (%s, 'Quiet', %s)",
            (patient, ward.name),
        )
        cursor.execute(
            "INSERT INTO health.patients_vital_info (patient_id, recorded_at, inserted_at, heart_rate)"
            " VALUES (%s, %s, %s, 72)",
            (patient, at, at),
        )
        import_contacts(stack, reason="test")
        landed = f"SELECT 1 FROM health.vital_readings WHERE event_date = '{ward.day}' AND patient_id = '{patient}'"
        await_condition(lambda: query(stack, landed) == [(1,)], 180, "the reading did not land", 3)
        yield patient
        cursor.execute("DELETE FROM health.patients_vital_info WHERE patient_id = %s", (patient,))
        cursor.execute("DELETE FROM health.patients_information WHERE patient_id = %s", (patient,))


def answered(ward: Ward, patient: str, after: timedelta, **columns: Any) -> str:
    """An alarm that was mailed twelve seconds after its start, acknowledged so long after that, and cleared."""
    told = ward.start + 12 * SECOND
    alarm = ward.alarm(
        patient,
        phase="ended",
        ended_at=ward.start + 25 * MINUTE,
        end_reason="cleared",
        told_at=told,
        acknowledged_at=told + after,
        acknowledged_by="Dr Zoë Łukasz",
        **columns,
    )
    ward.event(alarm, told, "raised", mail=uuid.uuid4().hex)
    return alarm


def test_each_alarm_is_there_once_as_it_stands_and_a_second_run_writes_nothing(ward: Ward) -> None:
    over, lasting = answered(ward, "A", 95 * SECOND), ward.alarm("B")
    assert ward.day in ward.write().days
    assert ward.day in ward.write().unchanged_days
    assert ward.ids() == sorted([over, lasting])
    times = ("started_at", "opened_at", "first_told_at", "ended_at", "acknowledged_at")
    columns = ", ".join(f"UNIX_TIMESTAMP({name})" for name in times)
    found = ward.ask(f"{columns}, acknowledged_by, mails, breach_id, last_value", order="mails DESC")
    moments = [ward.start + after for after in (0 * SECOND, SECOND, 12 * SECOND, 25 * MINUTE, 107 * SECOND)]
    assert found[0] == (*(int(at.timestamp()) for at in moments), "Dr Zoë Łukasz", 1, "b" * 64, 141.5)
    assert found[1][2:8] == (None, None, None, None, 0, "b" * 64)


def test_an_alarm_that_changed_is_written_anew_and_one_that_mysql_has_forgotten_stays(ward: Ward) -> None:
    lasting, over = ward.alarm("A"), answered(ward, "B", 95 * SECOND)
    ward.write()
    end = ward.start + 90 * MINUTE
    ward.change(lasting, phase="ended", end_reason="discharged", ended_at=end, last_breach_at=end, breaches=5000)
    ward.run("DELETE FROM alarms WHERE alarm_id = %s", over)
    assert ward.day in ward.write(hours_later=1).days
    assert ward.ids() == sorted([lasting, over])
    assert ward.ask("end_reason, breaches, phase", order="breaches DESC") == [
        ("discharged", 5000, "ended"),
        ("cleared", 1200, "ended"),
    ]


def test_an_alarm_of_the_past_is_written_by_the_hour_in_which_the_engine_recorded_it(ward: Ward) -> None:
    late = answered(ward, "A", 95 * SECOND)
    ward.run("UPDATE alarm_events SET at = at + %s WHERE alarm_id = %s", 5 * 3_600_000, late)
    ward.write(hours_later=3)
    assert ward.ids() == []
    ward.write(hours_later=5)
    assert ward.ids() == [late]


def test_after_a_restore_alarms_that_mysql_has_lost_go_and_those_that_housekeeping_forgot_stay(ward: Ward) -> None:
    ward.start = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=2)
    forgotten, lost = (answered(ward, patient, 95 * SECOND) for patient in ("A", "B"))
    # Later than anything that the stack's own engine has recorded.
    ward.run("UPDATE alarm_events SET at = %s WHERE alarm_id = %s", in_mysql(datetime.now(UTC) + HOUR), lost)
    ward.write()
    assert ward.ids() == sorted([forgotten, lost])
    ward.forget()
    for _ in range(2):
        reconcile(ward.settings)
        assert ward.ids() == [forgotten]


def test_technical_alarms_are_left_out(ward: Ward) -> None:
    ward.alarm("A", kind="technical", ended_at=ward.start + MINUTE)
    ward.write()
    assert ward.ids() == []


def test_the_views_count_beds_alarms_and_answers(ward: Ward, quiet_bed: str) -> None:
    """Of A, B and the quiet one; what was dropped while pending is kept and counts nowhere."""
    ended = {"phase": "ended", "ended_at": ward.start + 25 * MINUTE}
    for minutes in (1, 2, 9):
        answered(ward, "A", minutes * MINUTE)
    ward.alarm("B", **ended, end_reason="cleared", escalation=1)
    ward.alarm("B", severity="low", peak_severity="low")
    ward.alarm("B", **ended, end_reason="dropped", severity=None, peak_severity=None, raised_at=None)
    ward.write()
    assert len(ward.ids()) == 6
    beds = ward.ask("beds, alarms, high, medium, low, alarms_per_bed", "health.alarms_per_bed_day")
    assert beds == [(3, 5, 4, 0, 1, pytest.approx(5 / 3))]
    columns = (
        "severity, alarms, mailed, acknowledged, median_seconds_to_acknowledge, escalated, ended,"
        " cleared_without_action, share_cleared_without_action"
    )
    assert ward.ask(columns, "health.alarm_response") == [
        ("high", 4, 3, 3, 120.0, 1, 4, 1, 0.25),
        ("low", 1, 0, 0, None, 0, 0, 0, None),
    ]
