"""The alarms page in a browser: acknowledging, silencing, the history, and what is kept from analysts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from alerts.inbox import received_mails
from alerts.message import MARKS
from clinical.notices import News
from infra.clients import alerts_connection, devices_connection
from infra.settings import Settings
from tests.browser.conftest import SignIn, check_fits
from tests.stack.alerting import (
    MAIL_SECONDS,
    Reader,
    forget_ward,
    in_place_of_the_engine,
    now_ms,
    produce,
    query,
    unique,
    ward_subscriptions,
)

Await = Callable[..., Any]
CheckAccessible = Callable[[Page], None]
TakePicture = Callable[[Page, str], Path]
MINUTE_MS = 60_000
ESCALATES_SECONDS = 5
SEES_MS = 60_000
"""How long what somebody else did may take to be seen, on a busy machine; else two seconds."""


@dataclass(frozen=True)
class Ill:
    """A patient with an active high alarm, alone on a ward."""

    patient_id: str
    name: str
    ward: str
    alarm_id: str

    def card(self, page: Page) -> Locator:
        """The alarm in the list."""
        return page.get_by_role("listitem").filter(has_text=self.patient_id)


@pytest.fixture
def ill(stack: Settings, await_condition: Await) -> Iterator[Ill]:
    """Somebody whose name is script; on record, with a doctor who hears the ward, until the test's end."""
    with falling_ill(stack, await_condition) as one:
        yield one


@contextmanager
def falling_ill(stack: Settings, await_condition: Await) -> Iterator[Ill]:
    """Somebody who is ill as long as this lasts; the doctor of the ward has been told."""
    patient_id, reader = unique("PBA"), Reader(f"{unique('doctor')}@wardwatch.example", unique("Ward"))
    name = f"<script>alert('{patient_id}')</script> Øye"
    with devices_connection(stack) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO health.patients_information (patient_id, name, address, phone, admitted_ward)"
            " VALUES (%s, %s, '1 Harbour Street', '+47 22 00 00 00', %s)",
            (patient_id, name, reader.ward),
        )
    ward_subscriptions("add", reader.email, "--ward", reader.ward)
    now = now_ms()
    readings = [
        reader.breach(patient_id=patient_id, source_id=unique("r"), recorded_at=now - 1000 + 1000 * n) for n in range(2)
    ]
    produce(stack, readings)
    found = await_condition(
        lambda: query(
            stack,
            "SELECT alarm_id FROM alarms WHERE patient_id = %s AND phase = 'active' AND told_at IS NOT NULL",
            patient_id,
        ),
        MAIL_SECONDS,
        "no alarm",
    )
    try:
        yield Ill(patient_id, name, reader.ward, found[0][0])
    finally:
        discharge(stack, patient_id, await_condition)
        ward_subscriptions("remove", reader.email)
        forget_ward(stack, reader.ward)
        with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM silences WHERE patient_id = %s", (patient_id,))
        with devices_connection(stack) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM health.patients_information WHERE patient_id = %s", (patient_id,))


def discharge(settings: Settings, patient_id: str, await_condition: Await) -> None:
    """Let the engine end the patient's alarms: one that it does not know to be over would go on escalating."""
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE health.patients_information SET discharged_at = NOW(3) WHERE patient_id = %s", (patient_id,)
        )
    ended = "SELECT 1 FROM alarms WHERE patient_id = %s AND ended_at IS NOT NULL"
    await_condition(lambda: query(settings, ended, patient_id), MAIL_SECONDS, "the alarm does not end by discharge")


@pytest.fixture
def alarms_of(sign_in: SignIn) -> Callable[..., Page]:
    """`alarms_of(role, phone=False)`: the alarms page of somebody of that role."""

    def opened(role: str, phone: bool = False) -> Page:
        page = sign_in(role, phone)
        page.goto("/alarms")
        return page

    return opened


def acknowledge(page: Page, ill: Ill, reason: str) -> None:
    """Press the button, fill in the form and send it, by a double click."""
    ill.card(page).get_by_role("button", name="Acknowledge").click()
    page.get_by_label("Reason, or what is being done").fill(reason)
    page.get_by_role("button", name="Acknowledge this alarm").dblclick()


def escalating_after(settings: Settings, seconds: int) -> Settings:
    """Settings of an engine that tells the next level after so long, and the one after it in no test's time."""
    alerts = settings.alerts.model_copy(update={"escalation_seconds": (seconds, seconds + 3600)})
    return settings.model_copy(update={"alerts": alerts})


def told_of(settings: Settings, ill: Ill) -> list[str]:
    """The notices of the alarm's mails, oldest first."""
    rows = query(settings, "SELECT notice FROM notifications WHERE ward = %s ORDER BY seq", ill.ward)
    return [notice for (notice,) in rows]


def escalation_mails(settings: Settings, ill: Ill) -> list[str]:
    """Subjects of the mails in the inbox that say that nobody has answered."""
    subjects = [mail.subject for mail in received_mails(settings) if ill.patient_id in mail.subject]
    return [subject for subject in subjects if MARKS[News.ESCALATED] in subject]


def orders(settings: Settings, ill: Ill) -> list[tuple[Any, ...]]:
    return query(
        settings,
        "SELECT author, is_claimed, reason, until_at - created_at FROM orders WHERE alarm_id = %s",
        ill.alarm_id,
    )


def test_acknowledging_in_the_page_stops_the_escalation_mail(
    stack: Settings, ill: Ill, alarms_of: Callable[..., Page], await_condition: Await
) -> None:
    """The stack escalates after minutes: an engine that does so after seconds works in its place for a while. Somebody
    who falls ill later and whom nobody answers shows when the mail would have gone out."""
    page = alarms_of("nurse")
    acknowledge(page, ill, "on my <b>way</b>")
    expect(ill.card(page)).to_contain_text("Acknowledged by nurse until")
    with falling_ill(stack, await_condition) as unanswered:
        with in_place_of_the_engine(escalating_after(stack, ESCALATES_SECONDS)) as own:

            def is_escalated() -> bool:
                own.now = now_ms()
                own.engine.step(0.5)
                return told_of(stack, unanswered) == ["raised", "escalated"]

            await_condition(is_escalated, MAIL_SECONDS, "an alarm that nobody answers is not escalated", 0.0)
        assert told_of(stack, ill) == ["raised"]
        await_condition(
            lambda: escalation_mails(stack, unanswered), MAIL_SECONDS, "the mail of the escalation does not come"
        )
    assert not escalation_mails(stack, ill)
    assert orders(stack, ill) == [("nurse", 0, "on my <b>way</b>", 30 * MINUTE_MS)]
    [(act, user, detail)] = query(
        stack, "SELECT act, user_name, detail FROM page_audit WHERE patient_id = %s", ill.patient_id
    )
    assert (act, user) == ("acknowledge alarm", "nurse")
    assert ill.alarm_id in detail


def test_two_people_see_each_others_acts(stack: Settings, ill: Ill, alarms_of: Callable[..., Page]) -> None:
    nurse, doctor = alarms_of("nurse"), alarms_of("doctor")
    expect(ill.card(doctor)).to_contain_text("Active since")
    ill.card(doctor).get_by_role("button", name="Acknowledge").click()
    expect(doctor.get_by_role("dialog")).to_be_visible()
    acknowledge(nurse, ill, "I am there")
    expect(doctor.get_by_role("dialog")).to_contain_text("Meanwhile: Acknowledged by nurse", timeout=SEES_MS)
    doctor.get_by_role("button", name="Cancel").click()

    ill.card(doctor).get_by_role("button", name="Silence").click()
    doctor.get_by_label("Reason (needed)").fill("known to run low")
    doctor.get_by_role("dialog").get_by_role("button", name="Silence", exact=True).dblclick()
    silences = nurse.get_by_role("listitem").filter(has_text=f"no mails about patient {ill.patient_id}")
    expect(silences).to_have_count(1, timeout=SEES_MS)
    expect(silences).to_contain_text("by doctor: known to run low")
    silences.get_by_role("button", name="End").click()
    expect(doctor.get_by_text(f"no mails about patient {ill.patient_id}")).to_have_count(0, timeout=SEES_MS)
    recorded = query(
        stack, "SELECT act, user_name FROM page_audit WHERE patient_id = %s ORDER BY entry_id", ill.patient_id
    )
    assert recorded == [("acknowledge alarm", "nurse"), ("silence alarms", "doctor"), ("end silence", "nurse")]


def test_a_silence_without_a_reason_is_refused_with_a_sentence(
    stack: Settings, ill: Ill, alarms_of: Callable[..., Page]
) -> None:
    page = alarms_of("nurse")
    ill.card(page).get_by_role("button", name="Silence").click()
    page.get_by_role("dialog").get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_text("The reason is a text")).to_be_visible()
    assert query(stack, "SELECT COUNT(*) FROM silences WHERE patient_id = %s", ill.patient_id) == [(0,)]


def test_an_analyst_sees_the_alarm_and_no_name_in_anything_that_is_sent_and_has_no_button(
    ill: Ill, alarms_of: Callable[..., Page], sign_in: SignIn
) -> None:
    nurse = alarms_of("nurse")
    expect(ill.card(nurse)).to_contain_text(ill.name)
    page, sent = sign_in("analyst"), list[str]()

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: sent.append(frame if isinstance(frame, str) else repr(frame)))

    page.on("websocket", listen)
    page.on("response", lambda answer: sent.append(answer.text()) if answer.url.endswith("/alarms") else None)
    page.goto("/alarms")
    expect(ill.card(page)).to_contain_text("Active since")
    acknowledge(nurse, ill, "dizzy says son")
    expect(ill.card(page)).to_contain_text("Acknowledged until", timeout=SEES_MS)
    expect(page.locator("main button")).to_have_count(0)
    ill.card(page).get_by_role("link", name="History").click()
    expect(page.get_by_role("cell", name="somebody")).to_be_visible()
    told = "\n".join([*sent, page.content()])
    assert ill.patient_id in told
    for secret in ("Øye", "\\u00d8ye", "dizzy says son", "by nurse", "Harbour"):
        assert secret not in told


def test_the_history_of_an_alarm_has_every_step_and_every_look_at_it_is_recorded(
    stack: Settings,
    ill: Ill,
    alarms_of: Callable[..., Page],
    check_accessible: CheckAccessible,
    take_picture: TakePicture,
) -> None:
    page = alarms_of("doctor")
    acknowledge(page, ill, "seen")
    expect(ill.card(page)).to_contain_text("Acknowledged by doctor")
    ill.card(page).get_by_role("link", name="History").click()
    expect(page).to_have_url(re.compile(f"/alarms/{ill.alarm_id}$"))
    for what in ("pending", "raised", "acknowledged"):
        expect(page.get_by_role("cell", name=what, exact=True).first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="seen")).to_contain_text("doctor")
    expect(page.get_by_text(ill.name)).to_be_visible()
    check_accessible(page)
    take_picture(page, "alarm")
    page.set_viewport_size({"width": 390, "height": 844})
    check_fits(page)
    check_accessible(page)
    looks = query(stack, "SELECT user_name, act FROM page_audit WHERE patient_id = %s", ill.patient_id)
    assert ("doctor", "view alarm") in looks


def test_an_alarm_that_does_not_exist_is_said_not_to(sign_in: SignIn) -> None:
    page = sign_in("nurse")
    answer = page.goto(f"/alarms/{'0' * 32}")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_text("There is no such alarm")).to_be_visible()


def test_an_alarm_is_acknowledged_by_keyboard(stack: Settings, ill: Ill, alarms_of: Callable[..., Page]) -> None:
    page = alarms_of("nurse")
    ill.card(page).get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Reason, or what is being done").focus()
    page.keyboard.type("coming")
    send = page.get_by_role("button", name="Acknowledge this alarm")
    for _ in range(10):
        page.keyboard.press("Tab")
        if send.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(ill.card(page)).to_contain_text("Acknowledged by nurse until")
    assert [reason for _, _, reason, _ in orders(stack, ill)] == ["coming"]


def test_a_ward_that_is_chosen_stays_so_when_the_page_is_loaded_again(ill: Ill, alarms_of: Callable[..., Page]) -> None:
    page = alarms_of("nurse")
    expect(ill.card(page)).to_be_visible()
    page.get_by_role("combobox", name="Ward").click()
    page.get_by_role("option", name=ill.ward).click()
    expect(page).to_have_url(re.compile(r"/alarms\?ward="))
    expect(page.get_by_role("heading", name="Active (1)")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Active (1)")).to_be_visible()
    expect(ill.card(page)).to_be_visible()


@pytest.mark.parametrize("phone", [False, True])
def test_the_page_and_its_forms_are_accessible_and_fit(
    ill: Ill,
    alarms_of: Callable[..., Page],
    check_accessible: CheckAccessible,
    take_picture: TakePicture,
    phone: bool,
) -> None:
    page, suffix = alarms_of("nurse", phone), "-phone" if phone else ""
    expect(ill.card(page)).to_be_visible()
    check_accessible(page)
    check_fits(page)
    take_picture(page, f"alarms{suffix}")
    for name, picture in (("Acknowledge", "alarms-acknowledge"), ("Silence", "alarms-silence")):
        ill.card(page).get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.wait_for_function("!document.querySelector('.q-transition--scale-enter-active')")
        check_accessible(page)
        take_picture(page, f"{picture}{suffix}")
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
