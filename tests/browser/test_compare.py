"""Comparing patients and wards in a browser: numbers of HBase, of the alerts database and of Hive, and no name for an
analyst."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, WebSocket, expect

from alerts.history import write_history
from alerts.history_days import alarm_days
from hbase.recent_rows import Reading
from hbase.recent_vitals import RecentVitals
from hive.client import query as query_hive
from infra.clients import alerts_connection, devices_connection
from infra.settings import Settings
from tests.browser.conftest import SignIn, check_fits
from tests.stack.alerting import query

MINUTE_MS = 60_000
HIVE_MS = 300_000
LANDED_SECONDS = 300
DAYS_AGO = 11
MONTH, READING = "the last 30 days", "Reading 30 days from Hive"
KNOWN_SECONDS = 60
"""How long until the page knows of a patient who is new on record."""

SCRIPT = "<script>alert(1)</script>"


@dataclass(frozen=True)
class OwnWard:
    """A ward of two patients, one with the higher heart rate; and three alarms of the first."""

    name: str
    calm: str
    quick: str
    surname: str

    def name_of(self, patient: str) -> str:
        """What a patient is called: one of them like a script."""
        return f"{SCRIPT} {self.surname}" if patient == self.quick else f"Ann {self.surname}"


@contextmanager
def own_ward(settings: Settings) -> Iterator[OwnWard]:
    """A ward whose two patients are on record, and in hospital as long as this lasts; without its alarms afterwards."""
    tag = uuid.uuid4().hex[:8]
    own = OwnWard(f"Ward cmp-{tag}", f"cmp-{tag}-1", f"cmp-{tag}-2", f"Comparova{tag}")
    _contacts(settings, own)
    try:
        yield own
    finally:
        with closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM alarms WHERE ward = %s", (own.name,))
        with devices_connection(settings) as connection, connection.cursor() as cursor:
            cursor.execute(
                "UPDATE health.patients_information SET discharged_at = NOW(3) WHERE admitted_ward = %s", (own.name,)
            )
            connection.commit()


@pytest.fixture(scope="module")
def ward(stack: Settings) -> Iterator[OwnWard]:
    """A ward that only these tests use."""
    with own_ward(stack) as own:
        now = time.time_ns() // 1_000_000
        readings = [
            Reading(patient, number + 1, now - (number + 5) * MINUTE_MS, {"heart_rate": rate(number)})
            for number in range(20)
            for patient, rate in ((own.calm, lambda n: 60.0 + n), (own.quick, lambda n: 100.0))
        ]
        RecentVitals(stack).write(readings)
        _alarms(stack, own, [now - (number + 20) * MINUTE_MS for number in range(3)])
        yield own


@pytest.fixture
def ward_of_days_ago(stack: Settings, await_condition: Callable[..., Any]) -> Iterator[OwnWard]:
    """A ward of whom all is in Hive alone: of one patient an hour with heart rates of 60 to 68 and one with 84, of the
    other an hour with 88, so that the engine finds no alarm; and three alarms of the first."""
    hour = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) - timedelta(days=DAYS_AGO)
    day, minute = f"{hour:%Y-%m-%d}", timedelta(minutes=1)
    with own_ward(stack) as own:
        rows = [(own.calm, hour + number * minute, 60 + number) for number in range(9)]
        rows += [(own.calm, hour + (60 + number) * minute, 84) for number in range(9)]
        rows += [(own.quick, hour + number * minute, 88) for number in range(9)]
        with devices_connection(stack) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO health.patients_vital_info (patient_id, recorded_at, heart_rate) VALUES (%s, %s, %s)",
                [(patient, at.replace(tzinfo=None), rate) for patient, at, rate in rows],
            )
        made = _alarms(stack, own, [round((hour + number * minute).timestamp() * 1000) for number in range(3)])
        try:
            write_history(stack, hour, hour + 60 * minute)
            landed = (
                f"SELECT 1 FROM health.vital_readings WHERE event_date = '{day}'"
                f" AND patient_id IN ('{own.calm}', '{own.quick}')"
            )
            await_condition(
                lambda: len(query_hive(stack, landed)) == len(rows), LANDED_SECONDS, "the readings did not land", 2
            )
            yield own
        finally:
            with alarm_days(stack) as days:
                days.change(day, lambda kept: {key: row for key, row in kept.items() if key not in made})


def _alarms(settings: Settings, own: OwnWard, times: list[int]) -> list[str]:
    """Two high alarms and a medium one of the calm patient, at those times (epoch ms); all over. Their ids."""
    ids = [uuid.uuid4().hex for _ in times]
    for alarm_id, at, severity in zip(ids, times, ("high", "high", "medium"), strict=True):
        query(
            settings,
            "INSERT INTO alarms (alarm_id, kind, patient_id, ward, attribute, direction, phase, severity,"
            " peak_severity, started_at, raised_at, last_breach_at, breaches, ended_at, end_reason) VALUES"
            " (%s, 'clinical', %s, %s, 'heart_rate', 'high', 'ended', %s, %s, %s, %s, %s, 1, %s, 'cleared')",
            alarm_id,
            own.calm,
            own.name,
            severity,
            severity,
            *[at] * 4,
        )
    return ids


def _contacts(settings: Settings, own: OwnWard) -> None:
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        for patient in (own.calm, own.quick):
            cursor.execute(
                "INSERT INTO health.patients_information (patient_id, name, admitted_ward) VALUES (%s, %s, %s)",
                (patient, own.name_of(patient), own.name),
            )
        connection.commit()


def choose(page: Page, *texts: str) -> None:
    """Choose patients or wards in the form, which learns of new ones within seconds."""
    field = page.get_by_label("Patients and wards")
    for text in texts:
        field.click()
        option = page.get_by_role("option").filter(has_text=text).first
        for _ in range(KNOWN_SECONDS):
            field.fill(text)
            with suppress(TimeoutError):
                option.wait_for(timeout=1000)
                break
            field.fill("")
        option.click()
    page.keyboard.press("Escape")


def compare(page: Page, period: str = "the last day", patience_ms: float = 60_000) -> None:
    """Compare the heart rates, and wait until it is done."""
    page.get_by_label("Over").click()
    page.get_by_role("option", name=period).click()
    page.get_by_role("button", name="Compare", exact=True).click()
    if period == MONTH:
        expect(page.get_by_text(READING)).to_be_visible()
    heading = page.get_by_role("heading", level=2).first
    expect(heading).to_have_text(f"Heart rate (/min) over {period}", timeout=patience_ms)
    expect(page.get_by_text(READING)).to_be_hidden()


def row(page: Page, table: str, text: str) -> Locator:
    return page.get_by_role("region", name=table).get_by_role("row").filter(has_text=text)


def cells(of: Locator) -> list[str]:
    return [text.strip() for text in of.get_by_role("cell").all_inner_texts()]


def test_a_ward_and_its_patients_side_by_side(
    sign_in: SignIn,
    ward: OwnWard,
    stack: Settings,
    check_accessible: Callable[[Page], None],
    take_picture: Callable[[Page, str], Any],
) -> None:
    page = sign_in("nurse")
    page.goto("/compare")
    choose(page, ward.name, ward.calm)
    compare(page)
    take_picture(page, "ward-page-compare")
    choose(page, ward.quick)
    compare(page)
    expect(row(page, "Averages and spread", ward.quick)).to_be_visible()
    spread = "Averages and spread"
    assert cells(row(page, spread, ward.calm)) == [
        "B", "1", "1", "20", "69.5", "5.8", "69.5", "64.8 to 74.2", "61.0 to 78.0", "60", "79"
    ]  # fmt: skip
    assert cells(row(page, spread, ward.quick))[4] == "100.0"
    assert cells(row(page, spread, ward.name))[:5] == ["A", "2", "2", "40", "84.8"]
    alarms = "Alarms for each bed and day"
    assert cells(row(page, alarms, ward.name)) == ["A", "2", "3", "1.50", "1.00", "0.50", "0.00"]
    assert cells(row(page, alarms, ward.calm)) == ["B", "1", "3", "3.00", "2.00", "1.00", "0.00"]
    assert cells(row(page, alarms, ward.quick))[2:4] == ["0", "0.00"]
    called = {patient: f"{patient} · {ward.name_of(patient)}" for patient in (ward.calm, ward.quick)}
    told = f"Averages. A {ward.name}: 84.8; B {called[ward.calm]}: 69.5; C {called[ward.quick]}: 100.0"
    expect(page.get_by_role("img").first).to_have_attribute("aria-label", told)
    expect(page.get_by_role("region", name=spread)).to_contain_text(SCRIPT)
    check_accessible(page)
    recorded = query(
        stack, "SELECT user_name, detail FROM page_audit WHERE act = 'compare' AND patient_id = %s", ward.calm
    )
    assert [row for row in recorded if row[0] == "nurse"][-2:] == [("nurse", "heart_rate over the last day")] * 2


def test_an_analyst_compares_without_a_name_in_the_page_or_in_any_message(
    sign_in: SignIn, ward: OwnWard, check_accessible: Callable[[Page], None]
) -> None:
    page = sign_in("analyst", phone=True)
    heard: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: heard.append(frame if isinstance(frame, str) else frame.decode()))

    page.on("websocket", listen)
    page.goto("/compare")
    heard.append(page.content())
    choose(page, ward.calm)
    compare(page, "the last 6 hours")
    assert cells(row(page, "Averages and spread", ward.calm))[4] == "69.5"
    heard.append(page.content())
    assert any(ward.calm in message for message in heard)
    assert not any("Comparova" in message for message in heard)
    check_fits(page)
    check_accessible(page)


def test_thirty_days_are_read_from_hive_and_it_is_said_meanwhile(sign_in: SignIn, ward_of_days_ago: OwnWard) -> None:
    ward, page = ward_of_days_ago, sign_in("analyst")
    page.goto("/compare")
    choose(page, ward.name, ward.calm, ward.quick)
    compare(page, MONTH, HIVE_MS)
    spread = "Averages and spread"
    assert cells(row(page, spread, ward.calm)) == [
        "B", "1", "1", "2", "74.0", "10.0", "74.0", "69.0 to 79.0", "65.0 to 83.0", "60", "84"
    ]  # fmt: skip
    assert cells(row(page, spread, ward.quick))[2:5] == ["1", "1", "88.0"]
    of_ward = cells(row(page, spread, ward.name))
    assert (of_ward[:5], of_ward[-2:]) == (["A", "2", "2", "3", "78.7"], ["60", "88"])
    alarms = "Alarms for each bed and day"
    assert cells(row(page, alarms, ward.name)) == ["A", "2", "3", "0.05", "0.03", "0.02", "0.00"]
    assert cells(row(page, alarms, ward.calm)) == ["B", "1", "3", "0.10", "0.07", "0.03", "0.00"]
    assert cells(row(page, alarms, ward.quick)) == ["C", "1", "0", "0.00", "0.00", "0.00", "0.00"]


def test_without_a_choice_a_sentence_says_what_to_do(sign_in: SignIn) -> None:
    page = sign_in("nurse")
    page.goto("/compare")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("Choose 1 to 6 patients or wards.")).to_be_visible()
