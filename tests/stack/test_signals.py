"""A device that falls silent: nurses of its ward and ops are told, nobody else, and once more when it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from alerts.database import in_transaction
from alerts.inbox import ReceivedMail, received_mails
from alerts.no_signal import HELD, lost_before, record_held
from clinical.presence import Signal
from infra.clients import alerts_connection
from infra.settings import Settings
from tests.stack.alerting import MAIL_SECONDS, Reader, query, unique, ward_subscriptions

pytestmark = pytest.mark.leaves_streams

Await = Callable[..., object]
STOPPED_SECONDS = 60
"""So long before now the one device sent its last reading; twice what a monitor may be silent for."""


@pytest.fixture
def nurse(stack: Settings) -> Iterator[Reader]:
    """A nurse who hears of the signals of one ward."""
    one = Reader(f"{unique('nurse')}@wardwatch.example", unique("Ward"))
    ward_subscriptions("add", one.email, "--ward", one.ward, "--technical")
    yield one
    ward_subscriptions("remove", one.email)


def report(
    devices: Connection[Any],
    patient: str,
    first: int,
    last: int,
    vitals: tuple[int, int] = (72, 97),
    signal_quality: int | None = None,
    battery: int | None = None,
) -> None:
    """A reading a second, from `first` to `last` seconds ago; `vitals`: heart rate and saturation."""
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [
        (patient, at, at, *vitals, signal_quality, battery)
        for ago in range(first, last - 1, -1)
        for at in (now - timedelta(seconds=ago),)
    ]
    with devices.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO health.patients_vital_info"
            " (patient_id, recorded_at, inserted_at, heart_rate, spo2, signal_quality, battery_percent)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            rows,
        )


def admit(devices: Connection[Any], patient: str, ward: str) -> None:
    with devices.cursor() as cursor:
        cursor.execute(
            "INSERT INTO health.patients_information (patient_id, name, admitted_ward) VALUES (%s, %s, %s)",
            (patient, f"Name of {patient}", ward),
        )


def test_a_device_that_stops_is_told_to_its_nurses_and_to_ops_and_its_return_too(
    stack: Settings, devices: Connection[Any], nurse: Reader, await_condition: Await
) -> None:
    silent, well = unique("P"), unique("P")
    for patient in (silent, well):
        admit(devices, patient, nurse.ward)
    report(devices, silent, 120, STOPPED_SECONDS)
    report(devices, well, 120, 0)

    def while_the_other_reports() -> list[ReceivedMail]:
        """Nobody is silent while nobody's readings come, as between two tests: time passes by the other's."""
        report(devices, well, 0, 0)
        return nurse.mails(stack)

    await_condition(while_the_other_reports, MAIL_SECONDS, "the nurse was not told", 1)
    [told] = nurse.mails(stack)
    assert told.subject.startswith("[TECHNICAL] no signal")
    assert silent in told.text
    assert well not in told.text
    assert f"Name of {silent}" not in told.text

    def ops_know() -> bool:
        """By its id, for a mail about many signals that are lost together names but a few of them."""
        told_by = query(
            stack,
            "SELECT n.notification_id FROM alarms a JOIN alarm_events e USING (alarm_id)"
            " JOIN notifications n ON n.notification_id = e.notification_id"
            " WHERE a.technical_key = %s AND n.topic = 'ops'",
            f"no_signal:{silent}",
        )
        mailed = {mail.notification_id for mail in received_mails(stack) if stack.alerts.ops_email in mail.recipients}
        return bool(told_by) and {identity for (identity,) in told_by} <= mailed

    await_condition(ops_know, MAIL_SECONDS, "ops were not told")
    assert query(stack, "SELECT 1 FROM alarms WHERE kind = 'clinical' AND patient_id = %s", silent) == []
    report(devices, silent, 3, 0)
    await_condition(lambda: len(nurse.mails(stack)) > 1, MAIL_SECONDS, "the nurse does not hear that it is back")
    assert nurse.mails(stack)[-1].subject.startswith("[CLEARED] no signal")


def test_a_probe_that_never_had_contact_is_told_to_nurses_and_its_zeros_are_no_asystole_until_it_has(
    stack: Settings, devices: Connection[Any], nurse: Reader, await_condition: Await
) -> None:
    loose = unique("P")
    admit(devices, loose, nurse.ward)
    report(devices, loose, STOPPED_SECONDS, 0, vitals=(0, 0), signal_quality=4)

    def while_it_goes_on() -> list[ReceivedMail]:
        report(devices, loose, 0, 0, vitals=(0, 0), signal_quality=4)
        return nurse.mails(stack)

    await_condition(while_it_goes_on, MAIL_SECONDS, "the nurse was not told", 1)
    told = nurse.mails(stack)[0]
    assert told.subject.startswith("[TECHNICAL] no signal")
    assert f"devices of patient {loose}" in told.text
    assert "signal quality of 4 %" in told.text
    assert query(stack, "SELECT 1 FROM alarms WHERE kind = 'clinical' AND patient_id = %s", loose) == []

    def of_the_heart() -> list[tuple[object, ...]]:
        return query(stack, "SELECT severity FROM alarms WHERE kind = 'clinical' AND patient_id = %s", loose)

    ward_subscriptions("add", nurse.email, "--ward", nurse.ward, "--technical", "--severity", "high")
    report(devices, loose, 3, 0, vitals=(0, 97), signal_quality=97)
    await_condition(of_the_heart, MAIL_SECONDS, "with contact, a heart rate of 0 is an alarm")
    with devices.cursor() as cursor:
        cursor.execute(
            "UPDATE health.patients_information SET discharged_at = NOW(3) WHERE patient_id = %s",
            (loose,),
        )

    def subjects() -> list[str]:
        return [mail.subject for mail in nurse.mails(stack, loose) if loose in mail.subject]

    await_condition(lambda: len(subjects()) == 2, MAIL_SECONDS, "the alarm was not told, or not that it is over")


def test_a_low_battery_is_told_to_nurses_and_its_charge_ends_it(
    stack: Settings, devices: Connection[Any], nurse: Reader, await_condition: Await
) -> None:
    patient = unique("P")
    admit(devices, patient, nurse.ward)
    report(devices, patient, 1, 0, battery=8)
    await_condition(lambda: nurse.mails(stack), MAIL_SECONDS, "the nurse was not told")
    [told] = nurse.mails(stack)
    assert told.subject.startswith("[TECHNICAL] battery low")
    assert f"patient {patient} (ward {nurse.ward}) is at 8 %" in told.text
    report(devices, patient, 0, 0, battery=100)
    await_condition(lambda: len(nurse.mails(stack)) > 1, MAIL_SECONDS, "the nurse does not hear that it is charged")
    assert nurse.mails(stack)[-1].subject.startswith("[CLEARED] battery low")


def test_what_a_silence_holds_is_recorded_and_known_again_without_a_mail(stack: Settings, reader: Reader) -> None:
    mine = {Signal(unique("P"), "spo2"): 1_000, Signal(unique("P")): 2_000}

    def write(cursor: Cursor, wanted: Mapping[Signal, int]) -> dict[Signal, int]:
        others = {one: since for one, since in lost_before(cursor, HELD).items() if one not in mine}
        record_held(cursor, {**others, **wanted}, 5_000)
        return {one: since for one, since in lost_before(cursor, HELD).items() if one in mine}

    with closing(alerts_connection(stack)) as connection:
        assert in_transaction(connection, lambda cursor: write(cursor, mine)) == mine
        first = dict([next(iter(mine.items()))])
        assert in_transaction(connection, lambda cursor: write(cursor, first)) == first
        assert in_transaction(connection, lambda cursor: write(cursor, mine)) == mine
        assert in_transaction(connection, lambda cursor: write(cursor, {})) == {}
    told = query(stack, "SELECT COUNT(*) FROM notifications WHERE body LIKE %s", f"%{next(iter(mine)).patient_id}%")
    assert told == [(0,)]
