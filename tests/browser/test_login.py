"""Logging in and out of the ward page, and who may open what, in a browser."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import socketio
from playwright.sync_api import Page, Route, expect

from bench.boards import read_page
from dashboard.accounts import Accounts, initial_password_file
from dashboard.gate import COOKIE
from dashboard.roles import Role
from dashboard.throttle import FREE_TRIES
from infra.settings import Settings
from tests.browser.accounts import OwnUser, own_user
from tests.browser.conftest import SignIn, check_fits, log_in
from tests.stack.alerting import query

LOGIN = re.compile(r"/login(\?.*)?$")
SOCKET = "/_nicegui_ws/socket.io/"
FOREIGN = "https://evil.example"
ANOTHER_ADDRESS = "127.0.0.77"
"""Of this machine too: what is held against it slows nobody else."""


@pytest.fixture(autouse=True)
def nurse(stack: Settings) -> Iterator[OwnUser]:
    """A nurse that only this test uses. Made before everything else, and so removed when all pages are closed."""
    with own_user(stack, Role.NURSE) as user:
        yield user


def try_to_log_in(page: Page, name: str, password: str) -> None:
    page.goto("/login")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def session_of(page: Page) -> str:
    """The token in the cookie of a page."""
    [token] = [cookie["value"] for cookie in page.context.cookies() if cookie["name"] == COOKIE]
    return token


def test_after_logging_in_the_first_page_of_the_role_is_open(
    stack: Settings, open_page: Callable[..., Page], check_accessible: Callable[[Page], None]
) -> None:
    page = open_page()
    log_in(page, "doctor", initial_password_file(stack, Role.DOCTOR).read_text().strip())
    expect(page).to_have_url(re.compile("/board$"))
    expect(page.get_by_text("doctor (doctor)")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ward board")
    check_accessible(page)


def test_a_request_behind_the_page_runs_no_bar_over_it(sign_in: SignIn) -> None:
    page = sign_in("doctor")
    page.goto("/")
    page.route("**/ward.css?slow", lambda route: None)
    bars = page.evaluate(
        """async () => {
            const request = new XMLHttpRequest()
            request.open("GET", "/ward.css?slow")
            request.send()
            for (let frame = 0; frame < 20; frame++) await new Promise(requestAnimationFrame)
            return document.querySelectorAll("[role=progressbar]").length
        }"""
    )
    assert bars == 0


def test_the_login_is_accessible_on_a_phone_and_can_be_used_by_keyboard(
    open_page: Callable[..., Page],
    check_accessible: Callable[[Page], None],
    take_picture: Callable[[Page, str], Any],
    nurse: OwnUser,
) -> None:
    page = open_page(phone=True)
    page.goto("/board")
    expect(page.get_by_label("User name")).to_be_focused()
    check_fits(page)
    check_accessible(page)
    take_picture(page, "ward-page-login-phone")
    for text, key in ((nurse.name, "Tab"), (nurse.password, "Enter")):
        page.keyboard.type(text)
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile("/board$"))
    expect(page.get_by_text(f"{nurse.name} (nurse)")).to_be_attached()


def test_whoever_asked_for_a_page_gets_it_after_logging_in(open_page: Callable[..., Page], nurse: OwnUser) -> None:
    page = open_page()
    page.goto("/compare")
    expect(page).to_have_url(re.compile(r"/login\?after=/compare$"))
    page.get_by_label("User name").fill(nurse.name)
    page.get_by_label("Password").fill(nurse.password)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile("/compare$"))


def test_the_login_leads_to_no_other_site(open_page: Callable[..., Page], nurse: OwnUser, page_url: str) -> None:
    page = open_page()
    page.goto("/login?after=//evil.example/")
    page.get_by_label("User name").fill(nurse.name)
    page.get_by_label("Password").fill(nurse.password)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{page_url}/board")


def test_a_wrong_password_is_refused_with_a_sentence(
    open_page: Callable[..., Page], nurse: OwnUser, check_accessible: Callable[[Page], None]
) -> None:
    page = open_page()
    try_to_log_in(page, nurse.name, nurse.password + "x")
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is wrong.")
    expect(page.get_by_label("User name")).to_have_value(nurse.name)
    expect(page.get_by_label("Password")).to_have_value("")
    assert COOKIE not in [cookie["name"] for cookie in page.context.cookies()]
    check_accessible(page)


def test_wrong_passwords_are_slowed_and_a_wait_is_over_in_the_end(
    stack: Settings, nurse: OwnUser, page_url: str, await_condition: Callable[..., Any]
) -> None:
    with httpx.Client(
        transport=httpx.HTTPTransport(local_address=ANOTHER_ADDRESS), base_url=page_url, headers={"origin": page_url}
    ) as client:

        def tried(password: str) -> httpx.Response:
            return client.post("/login", data={"name": nurse.name, "password": password}, timeout=60)

        statuses = [tried("wrong password").status_code for _ in range(FREE_TRIES)]
        # Further ones until one comes before its wait is over, however slow the machine.
        deadline = time.monotonic() + 120
        while (answer := tried("wrong password")).status_code == 401 and time.monotonic() < deadline:
            pass
        assert statuses == [401] * FREE_TRIES
        assert answer.status_code == 429
        assert re.search(r"Too many wrong passwords: try again in \d+ s\.", answer.text)
        assert 1 <= int(answer.headers["retry-after"]) <= 61
        await_condition(lambda: tried(nurse.password).status_code == 303, 120, "the right password is not let in", 1)
    [(refused,)] = query(
        stack, "SELECT COUNT(*) FROM page_audit WHERE user_name = %s AND act = 'login refused'", nurse.name
    )
    assert refused >= FREE_TRIES


def test_logging_out_ends_every_open_page_of_the_session(open_page: Callable[..., Page], nurse: OwnUser) -> None:
    first = open_page()
    log_in(first, nurse.name, nurse.password)
    second = first.context.new_page()
    second.goto("/board")
    second.get_by_role("button", name="Log out").wait_for()
    token = session_of(first)
    first.get_by_role("button", name="Log out").click()
    expect(first).to_have_url(LOGIN)
    expect(second).to_have_url(LOGIN, timeout=60_000)
    first.context.add_cookies([{"name": COOKIE, "value": token, "url": first.url}])
    first.goto("/board")
    expect(first).to_have_url(LOGIN)


@pytest.mark.parametrize("column", ["seen_at", "created_at"])
def test_an_expired_session_leads_to_the_login(
    open_page: Callable[..., Page], nurse: OwnUser, stack: Settings, column: str
) -> None:
    page = open_page()
    log_in(page, nurse.name, nurse.password)
    page.wait_for_function("() => window.did_handshake")
    expire(stack, nurse, column)
    expect(page).to_have_url(LOGIN, timeout=60_000)
    page.goto("/board")
    expect(page).to_have_url(re.compile(r"/login\?after=/board$"))


def test_a_session_that_ended_before_the_page_was_connected_leads_to_the_login(
    open_page: Callable[..., Page], nurse: OwnUser, stack: Settings, page_errors: list[str]
) -> None:
    page = open_page()
    log_in(page, nurse.name, nurse.password)
    page.wait_for_function("() => window.did_handshake")

    def too_late(route: Route) -> None:
        expire(stack, nurse, "seen_at")
        route.continue_()

    page.route("**/_nicegui/**", too_late)
    page.goto("/board")
    expect(page).to_have_url(re.compile(r"/login\?after=/board$"), timeout=60_000)
    page_errors.clear()  # that the connection was refused


def expire(settings: Settings, user: OwnUser, column: str) -> None:
    """Let all sessions of the user have begun, or been used, too long ago."""
    hours = max(settings.dashboard.session_hours, settings.dashboard.idle_minutes / 60) + 1
    at = int(time.time() - hours * 3600) * 1000
    query(settings, f"UPDATE page_sessions SET {column} = %s WHERE user_name = %s", at, user.name)


def test_a_removed_user_sees_nothing_more(open_page: Callable[..., Page], nurse: OwnUser, stack: Settings) -> None:
    page = open_page()
    log_in(page, nurse.name, nurse.password)
    Accounts(stack).remove(nurse.name)
    expect(page).to_have_url(LOGIN, timeout=60_000)


@pytest.mark.parametrize(
    ("role", "path"),
    [("nurse", "/thresholds"), ("doctor", "/thresholds"), ("nurse", "/system"), ("ops", "/board"), ("ops", "/compare")],
)
def test_a_page_that_is_not_for_the_role_is_neither_in_the_menu_nor_opened_by_its_address(
    sign_in: SignIn, role: str, path: str
) -> None:
    page = sign_in(role)
    page.goto("/")
    page.get_by_role("button", name="Log out").wait_for()
    assert page.locator(f'nav a[href="{path}"]').count() == 0
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("Not for your role")
    assert "nicegui" not in page.content().lower()


def test_nothing_is_changed_for_another_site(sign_in: SignIn, nurse: OwnUser) -> None:
    page = sign_in("nurse")
    page.goto("/")
    answer = page.context.request.post("/logout", headers={"origin": FOREIGN})
    assert answer.status == 403
    assert "Not sent from this site" in answer.text()
    form = urlencode({"name": nurse.name, "password": nurse.password})
    headers = {"origin": FOREIGN, "content-type": "application/x-www-form-urlencoded"}
    assert page.context.request.post("/login", headers=headers, data=form).status == 403
    page.reload()
    expect(page).to_have_url(re.compile("/board$"))


def answer_to_websocket(page_url: str, origin: str | None, token: str | None) -> int:
    """Status of the answer to a request for the websocket through which a page's acts go; 101: it is open."""
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(secrets.token_bytes(16)).decode(),
        **({"origin": origin} if origin else {}),
        **({"cookie": f"{COOKIE}={token}"} if token else {}),
    }
    with httpx.stream("GET", f"{page_url}{SOCKET}?EIO=4&transport=websocket", headers=headers, timeout=60) as answer:
        return answer.status_code


def test_the_websocket_opens_for_this_site_and_a_session_only(sign_in: SignIn, page_url: str) -> None:
    token = session_of(sign_in("nurse"))
    assert answer_to_websocket(page_url, page_url, token) == 101
    assert answer_to_websocket(page_url, FOREIGN, token) == 403
    assert answer_to_websocket(page_url, None, token) == 403
    assert answer_to_websocket(page_url, page_url, None) == 403
    assert answer_to_websocket(page_url, page_url, "guessed") == 403


def test_the_websockets_fallback_is_refused_alike(sign_in: SignIn, page_url: str) -> None:
    token = session_of(sign_in("nurse"))
    url = f"{page_url}{SOCKET}?EIO=4&transport=polling"
    cookie = {"cookie": f"{COOKIE}={token}"}
    assert httpx.get(url, timeout=60).status_code == 401
    assert httpx.get(url, headers={**cookie, "origin": FOREIGN}, timeout=60).status_code == 403
    assert httpx.get(url, headers={**cookie, "origin": page_url}, timeout=60).status_code not in (401, 403)


def page_of(page: Page) -> dict[str, Any]:
    """How a board that this user has just loaded names itself to its websocket, which is not open yet."""
    query = read_page(page.context.request.get("/board").text()).query
    return {**query, "tab_id": secrets.token_hex(8), "document_id": secrets.token_hex(8), "next_message_id": 0}


async def shake_hands(page_url: str, token: str, asked: dict[str, Any], at_once: bool) -> object:
    """What the server answers to who connects as that page by that session; `at_once`: while connecting."""
    query = urlencode({**asked, "implicit_handshake": "true"}) if at_once else ""
    async with socketio.AsyncSimpleClient() as client:
        await client.connect(
            f"{page_url}?{query}",
            headers={"Cookie": f"{COOKIE}={token}", "Origin": page_url},
            transports=["websocket"],
            socketio_path=SOCKET.strip("/"),
            wait_timeout=60,
        )
        return at_once or await client.call("handshake", asked, timeout=60)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_websocket_of_one_session_cannot_be_that_of_anothers_page(
    sign_in: SignIn, page_url: str, at_once: bool
) -> None:
    def answer(whose: Page, by: Page) -> object:
        asked = shake_hands(page_url, session_of(by), page_of(whose), at_once)
        with ThreadPoolExecutor(1) as pool:  # playwright has an event loop in this thread
            return pool.submit(asyncio.run, asked).result()

    nurse, analyst = sign_in("nurse"), sign_in("analyst")
    for page in (nurse, analyst):
        page.goto("/")
    assert answer(analyst, by=analyst) is True
    if at_once:
        with pytest.raises(socketio.exceptions.ConnectionError):
            answer(nurse, by=analyst)
    else:
        assert answer(nurse, by=analyst) is False
