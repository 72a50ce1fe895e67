"""Patients and one patient in a browser: readings, charts, CSV, and a form whose patient is named in a mail."""

from __future__ import annotations

import csv
import io
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Download, Page, WebSocket, expect

from alerts.contacts import DAG
from alerts.inbox import received_mails
from hbase.recent_rows import Reading
from hbase.recent_vitals import RecentVitals
from hive.client import query
from infra.airflow_api import AirflowApi
from infra.clients import alerts_connection, devices_connection
from infra.metrics import CONTACTS_VERSION, read_state
from infra.servers import log_file
from infra.settings import Settings
from sqoop.location import location_in_hive
from tests.browser.conftest import SignIn, check_fits
from tests.running import run_ward, ward

MINUTE = 60_000
SCRIPT = "<script>document.title = 'taken over'</script>"
BY_AIRFLOW, ITSELF, ITSELF_DONE = (
    "contacts import started through Airflow",
    "Airflow cannot import the contacts; importing without it",
    "contacts import done",
)
"""What the page says in its log of an import."""

IMPORTS = '"contacts-request"'
"""The part of it that speaks of imports, as its lines name it."""

PATIENCE_MS = 300_000
MAIL_SECONDS = 300
IMPORT_SECONDS = 600
LANDED_SECONDS = 600


@dataclass
class Person:
    """A patient that only one test uses."""

    patient_id: str
    name: str
    ward: str

    @property
    def path(self) -> str:
        return f"/patients/{self.patient_id}"


def new_person() -> Person:
    own = uuid.uuid4().hex[:8]
    return Person(f"page-{own}", f"Zoe{own} {SCRIPT}", f"Ward-{own}")


def sql(settings: Settings, statement: str, *arguments: Any) -> tuple[tuple[Any, ...], ...]:
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return tuple(cursor.fetchall())


def forget(settings: Settings, person: Person) -> None:
    sql(settings, "DELETE FROM health.patients_information WHERE patient_id = %s", person.patient_id)


@pytest.fixture
def nobody(stack: Settings) -> Iterator[Person]:
    """Somebody who is not in the house yet."""
    person = new_person()
    yield person
    forget(stack, person)


@pytest.fixture
def person(stack: Settings) -> Iterator[Person]:
    """Somebody aged 66 with a monitor: 50 hours by minute, the last of them every 10 s, with a desaturation."""
    made = new_person()
    sql(
        stack,
        "INSERT INTO health.patients_information (patient_id, name, phone, admitted_ward, date_of_birth)"
        " VALUES (%s, %s, '+47 555 01 02', %s, %s)",
        made.patient_id,
        made.name,
        made.ward,
        date(1960, 5, 4),
    )
    now = time.time_ns() // 1_000_000
    times = [*range(now - 50 * 60 * MINUTE, now - 60 * MINUTE, MINUTE), *range(now - 60 * MINUTE, now, 10_000)]
    readings = [
        Reading(
            made.patient_id,
            7_000_000_000 + place,
            at,
            {
                "spo2": 86 if 10 * MINUTE < now - at < 12 * MINUTE else 97,
                "heart_rate": 70 + place % 5,
                "signal_quality": 5 if now - at <= 20_000 else 90,
            },
            "monitor",
        )
        for place, at in enumerate(times)
    ]
    RecentVitals(stack).write(readings)
    yield made
    forget(stack, made)


def audited(settings: Settings, person: Person, act: str) -> list[tuple[str, str, str]]:
    """User, role and detail of the lines of the audit."""
    with alerts_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT user_name, role, detail FROM page_audit WHERE patient_id = %s AND act = %s ORDER BY entry_id",
            (person.patient_id, act),
        )
        return list(cursor.fetchall())


def is_imported_by_the_page(settings: Settings, since: datetime) -> bool:
    """Whether an import that the page has asked for, and that began after that time, is done: Airflow's, or the page's
    own where Airflow does not begin. Others import too."""
    lines = log_file(settings, "ward-page").read_text().splitlines()
    imports = [orjson.loads(line) for line in lines if IMPORTS in line and line.endswith("}")]
    said = [line for line in imports if datetime.fromisoformat(line["timestamp"]) >= since]
    events = [line["event"] for line in said]
    if ITSELF in events and ITSELF_DONE in events[events.index(ITSELF) :]:
        return True
    with AirflowApi(settings, timeout_seconds=60) as airflow:
        runs = [airflow.run(DAG, line["run_id"]) for line in said if line["event"] == BY_AIRFLOW]
    return any(run["state"] == "success" and datetime.fromisoformat(run["start_date"]) >= since for run in runs)


def mails_to(settings: Settings, address: str) -> list[str]:
    """The texts, newest first; among them are mails about patients whose ward is not known, which everybody gets."""
    return [mail.text for mail in received_mails(settings) if address in mail.recipients]


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def chart(page: Page, told: str) -> dict[str, Any]:
    """What the chart draws, once its description says `told`."""
    image = page.get_by_role("img", name=told)
    image.locator("canvas").wait_for(timeout=PATIENCE_MS)
    page.wait_for_function("id => getElement(id).chart?.getOption()?.series?.length", arg=number_of(image))
    drawn: dict[str, Any] = page.evaluate("id => getElement(id).chart.getOption()", number_of(image))
    return drawn


def number_of(element: Any) -> int:
    return int(element.get_attribute("id").removeprefix("c"))


def series(drawn: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in drawn["series"]}


def bands(drawn: dict[str, Any]) -> list[str]:
    areas = [area for one in drawn["series"] for area in one.get("markArea", {}).get("data", [])]
    return [begin["label"]["formatter"] for begin, _ in areas if "yAxis" in begin]


def saved(page: Page, button: str) -> tuple[Download, list[list[str]]]:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    content = Path(download.value.path()).read_bytes().decode()
    return download.value, list(csv.reader(io.StringIO(content)))


def cells(page: Page) -> list[list[str]]:
    table = page.get_by_role("region", name="Last readings")
    table.wait_for(timeout=PATIENCE_MS)
    shown: list[list[str]] = table.locator("tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.innerText.trim()))"
    )
    return shown


def test_a_nurse_sees_readings_and_charts_with_the_limits_behind_and_the_audit_knows(
    stack: Settings,
    sign_in: SignIn,
    person: Person,
    check_accessible: Callable[[Page], None],
    take_picture: Callable[[Page, str], Path],
) -> None:
    page = sign_in("nurse")
    page.goto("/patients")
    page.get_by_label("Find an id, a name or a ward").fill(person.ward)
    expect(page.get_by_role("cell", name=person.name)).to_be_visible(timeout=PATIENCE_MS)
    check_accessible(page)
    page.set_viewport_size({"width": 390, "height": 844})
    check_fits(page)
    check_accessible(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("link", name=person.patient_id).click()

    expect(page.get_by_text(person.name)).to_be_visible(timeout=PATIENCE_MS)
    assert page.title() == "Patient · Wardwatch", "a name with a script is a text"
    shown = cells(page)
    assert len(shown) == 21
    times = [row[0] for row in shown[1:]]
    assert times == sorted(times, reverse=True)
    column = shown[0].index("Oxygen saturation (%)")
    assert [row[column] for row in shown[1:4]] == ["97 ?", "97 ?", "97"], "a poor signal is marked"

    hour = chart(page, "Oxygen saturation over 1 hour")
    assert bands(hour) == ["▲ high", "◆ medium", "● low", "✓ normal"]
    assert len(series(hour)["Reading"]["data"]) >= 250
    assert len(series(hour)["Not judged"]["data"]) == 2
    expect(page.get_by_role("img", name=re.compile(r"; moving average over 2 days 9[67]\.\d\."))).to_be_visible()
    check_accessible(page)
    take_picture(page, "ward-page-patient")

    choose(page, "Over the last", "6 hours")
    assert len(series(chart(page, "over 6 hours"))["Mean"]["data"]) > 300
    choose(page, "Over the last", "2 days")
    average = series(chart(page, "over 2 days"))["Moving average, 2 days"]["data"]
    assert 96 < (average[-1] if isinstance(average[-1], list) else average[-1]["value"])[1] <= 97
    choose(page, "Vital", "Heart rate")
    assert "✓ normal" in bands(chart(page, "Heart rate over 2 days"))
    page.reload()
    chart(page, "Heart rate over 2 days")

    page.set_viewport_size({"width": 390, "height": 844})
    check_fits(page)
    check_accessible(page)
    assert audited(stack, person, "view patient") == [("nurse", "nurse", "")] * 2, "it was loaded twice"


def test_the_csv_is_what_is_shown(stack: Settings, sign_in: SignIn, person: Person) -> None:
    page = sign_in("doctor")
    page.goto(person.path)
    choose(page, "Readings of", "Oxygen saturation")
    expect(page.get_by_role("columnheader", name="Heart rate (/min)")).to_have_count(0)
    shown = cells(page)
    file, rows = saved(page, "Save readings as CSV")
    assert [row[1:] for row in rows[1:]] == shown[1:]
    assert {row[0] for row in rows[1:]} == {person.patient_id}
    assert re.fullmatch(r"wardwatch-readings-spo2-\d{8}T\d{6}Z\.csv", file.suggested_filename)

    choose(page, "Over the last", "2 days")
    drawn = series(chart(page, "over 2 days"))
    file, rows = saved(page, "Save chart as CSV")
    lowest = min(float(row[rows[0].index("lowest")]) for row in rows[1:])
    assert lowest == min(value for _, value in points(drawn["Lowest"])) == 86
    assert float(rows[-1][rows[0].index("moving_average_2_days")]) == pytest.approx(
        points(drawn["Moving average, 2 days"])[-1][1], abs=0.01
    )
    assert person.name not in file.suggested_filename
    details = [detail for _, _, detail in audited(stack, person, "export")]
    assert details[0] == "last readings of spo2: 20 rows"
    assert details[1].startswith("chart of spo2, 2 days: ")


def points(line: dict[str, Any]) -> list[list[float]]:
    """The values of a line, without its gaps."""
    items = [item if isinstance(item, list) else item["value"] for item in line["data"]]
    return [item for item in items if item[1] is not None]


def test_an_analyst_gets_no_name_by_any_way(sign_in: SignIn, person: Person) -> None:
    page = sign_in("analyst")
    heard: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: heard.append(str(frame)))

    page.on("websocket", listen)
    page.goto("/patients")
    page.get_by_label("Find an id or a ward").fill(person.ward)
    expect(page.get_by_role("link", name=person.patient_id)).to_be_visible(timeout=PATIENCE_MS)
    listed = page.content()
    answer = page.goto(person.path)
    assert answer is not None
    sent = answer.text()
    cells(page)
    chart(page, "Oxygen saturation")
    expect(page.get_by_role("button", name="Change")).to_have_count(0)
    files = [saved(page, f"Save {what} as CSV")[1] for what in ("readings", "chart")]
    assert [rows[1][0] for rows in files] == [person.patient_id] * 2
    assert len(heard) > 3
    first_name = person.name.split()[0]
    for text in (listed, sent, page.content(), str(files), *heard):
        for identity in (first_name, "555 01 02", "1960-05-04"):
            assert identity not in text


def test_a_patient_created_in_the_page_is_imported_and_named_in_a_mail(
    stack: Settings, sign_in: SignIn, nobody: Person, await_condition: Callable[..., Any]
) -> None:
    page = sign_in("doctor")
    page.goto("/patients")
    page.get_by_role("button", name="New patient").click()
    page.get_by_label("Patient id (needed)").fill(nobody.patient_id)
    page.get_by_label("Name (needed)").fill(nobody.name)
    page.get_by_label("Ward (needed)").fill(nobody.ward)
    page.get_by_label("Phone").fill("+47 555 77 88")
    began = datetime.now(UTC)
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(f"**{nobody.path}", timeout=PATIENCE_MS)
    expect(page.get_by_text(nobody.name)).to_be_visible(timeout=PATIENCE_MS)
    row = sql(
        stack,
        "SELECT name, phone, admitted_ward FROM health.patients_information WHERE patient_id = %s",
        nobody.patient_id,
    )
    assert row == ((nobody.name, "+47 555 77 88", nobody.ward),)
    assert [user for user, _, _ in audited(stack, nobody, "create patient")] == ["doctor"]

    await_condition(
        lambda: is_imported_by_the_page(stack, began), IMPORT_SECONDS, "the page has not had the patient imported", 2
    )
    contact = f"SELECT name, phone, admitted_ward FROM health.patients WHERE patient_id = '{nobody.patient_id}'"
    assert query(stack, contact) == [(nobody.name, "+47 555 77 88", nobody.ward)]
    version = location_in_hive(stack, "health.patients").rsplit("/", 1)[-1]

    def is_taken_up() -> bool:
        state = read_state(stack, "detect-breaches")
        return state is not None and state.in_force.get(CONTACTS_VERSION, "") >= version

    doctor = f"{nobody.patient_id}@wardwatch.example"
    run_ward("subscriptions", "add", doctor, "--ward", nobody.ward)
    try:
        await_condition(is_taken_up, MAIL_SECONDS, "detection has not taken up the import", 1)
        for _ in range(2):
            sql(
                stack,
                "INSERT INTO health.patients_vital_info (patient_id, device_id, recorded_at, glucose)"
                " VALUES (%s, 'meter', %s, 45)",
                nobody.patient_id,
                datetime.now(UTC).replace(tzinfo=None),
            )
        text = await_condition(
            lambda: next((text for text in mails_to(stack, doctor) if nobody.patient_id in text), None),
            MAIL_SECONDS,
            f"no mail about {nobody.patient_id}",
        )
        assert nobody.name in text
        assert "+47 555 77 88" in text
    finally:
        ward("subscriptions", "remove", doctor)
    alarm = page.get_by_role("region", name="Open alarms").get_by_role("cell", name=re.compile("Glucose low"))
    expect(alarm).to_be_visible(timeout=PATIENCE_MS)
    choose(page, "Vital", "Glucose")
    marks = series(chart(page, "Glucose over 1 hour"))["Alarms"]["markPoint"]["data"]
    assert [mark["value"] for mark in marks] == ["high"]

    def landed() -> bool:
        question = f"SELECT 1 FROM health.vital_readings WHERE patient_id = '{nobody.patient_id}'"
        return len(query(stack, question)) == 2

    await_condition(landed, LANDED_SECONDS, "the readings did not come to Hive", interval=5)
    choose(page, "Over the last", "30 days")
    month = chart(page, "Glucose over 30 days: 45.0 to 45.0 mg/dL, mean 45.00, 2 values")
    assert [value for _, value in points(series(month)["Moving average, 2 days"])] == [45]


def test_what_is_wrong_is_told_at_its_field_and_not_written(
    stack: Settings, sign_in: SignIn, nobody: Person, check_accessible: Callable[[Page], None]
) -> None:
    page = sign_in("nurse")
    page.goto("/patients")
    page.get_by_role("button", name="New patient").click()
    page.get_by_label("Patient id (needed)").fill(nobody.patient_id)
    page.get_by_label("Date of birth").fill("2999-01-01")
    page.get_by_role("button", name="Save", exact=True).click()
    for sentence in ("Name is needed.", "Ward is needed.", "Date of birth lies in the future."):
        expect(page.get_by_text(sentence)).to_be_visible(timeout=PATIENCE_MS)
    check_accessible(page)
    assert audited(stack, nobody, "create patient") == []
    row = sql(stack, "SELECT 1 FROM health.patients_information WHERE patient_id = %s", nobody.patient_id)
    assert row == ()


def test_the_second_of_two_editors_is_told_and_overwrites_nothing(
    stack: Settings, sign_in: SignIn, person: Person
) -> None:
    first, second = sign_in("doctor"), sign_in("nurse")
    for page in (first, second):
        page.goto(person.path)
        page.get_by_role("button", name="Change").click()
        page.get_by_label("Phone").wait_for()
    first.get_by_label("Phone").fill("+47 111")
    first.get_by_role("button", name="Save", exact=True).click()
    expect(first.get_by_text("Saved.")).to_be_visible(timeout=PATIENCE_MS)
    second.get_by_label("Phone").fill("+47 222")
    second.get_by_role("button", name="Save", exact=True).click()
    told = "Phone was '+47 555 01 02' and is now '+47 111'"
    expect(second.get_by_text(told)).to_be_visible(timeout=PATIENCE_MS)
    second.get_by_role("button", name="Cancel").click()
    expect(second.get_by_role("definition").filter(has_text="+47 111")).to_be_visible(timeout=PATIENCE_MS)
    row = sql(stack, "SELECT phone FROM health.patients_information WHERE patient_id = %s", person.patient_id)
    assert row == (("+47 111",),)
    assert [line[0] for line in audited(stack, person, "change patient")] == ["doctor"]


def test_a_discharge_in_one_page_is_seen_in_another(stack: Settings, sign_in: SignIn, person: Person) -> None:
    one, other = sign_in("doctor"), sign_in("nurse")
    for page in (one, other):
        page.goto(person.path)
        page.get_by_role("button", name="Discharge").wait_for(timeout=PATIENCE_MS)
    one.get_by_role("button", name="Discharge").click()
    one.get_by_role("button", name="Yes").click()
    for page in (one, other):
        expect(page.get_by_role("button", name="Admit again")).to_be_visible(timeout=PATIENCE_MS)
    row = sql(
        stack,
        "SELECT discharged_at IS NOT NULL FROM health.patients_information WHERE patient_id = %s",
        person.patient_id,
    )
    assert row == ((1,),)


def test_nobody_of_that_id_is_a_sentence_and_404(sign_in: SignIn, nobody: Person) -> None:
    page = sign_in("nurse")
    answer = page.goto(nobody.path)
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_text(f"There is no patient {nobody.patient_id}")).to_be_visible()
