"""The ward page while something is down: it says so, and shows the same as before once it is back."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.live.register import DERIVER, JUDGES, NOT_JUDGED
from dashboard.patient.html import NOT_KNOWN
from infra.airflow_api import AirflowApi
from infra.settings import Settings
from infra.supervise import processes, start, stop, wait_ready
from tests.browser.beds import SEEN_MS, Bed
from tests.browser.conftest import SignIn
from tests.stack.watching import paused_streams

pytestmark = pytest.mark.stops_servers

OLD = "THE DATA ON THIS PAGE IS OLD"
SHOW = """isHidden => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Have the page believe that another tab was chosen, or this one."""


@contextmanager
def held_still(settings: Settings, stream: str) -> Iterator[None]:
    """The stream does nothing. One that is killed is back before its page has reason to complain."""
    pid = processes(settings)[stream].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        # Who watches the streams may have ended it by then.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def stopped(settings: Settings, name: str) -> Iterator[None]:
    """The server or stream is down; it does its work again afterwards."""
    stop(settings, name)
    try:
        yield
    finally:
        start(settings, name)
        wait_ready(settings, name)


@pytest.fixture(autouse=True)
def well(stack: Settings) -> None:
    """What a tile needs to be called fine works again after the tests before."""
    for stream in ("vitals-producer", "land-vitals", *JUDGES, DERIVER, "ward-page"):
        wait_ready(stack, stream)


def test_without_the_producer_every_page_says_that_its_data_is_old(stack: Settings, sign_in: SignIn, bed: Bed) -> None:
    board = sign_in("admin")
    board.goto("/board")
    menu = board.get_by_role("navigation", name="Pages").get_by_role("link")
    menu.first.wait_for()
    paths = [str(link.get_attribute("href")) for link in menu.all()]
    assert {"/board", "/alarms", "/patients", "/compare", "/thresholds", "/system"} <= set(paths)
    pages = [board]
    for path in (*paths, f"/patients/{bed.patient_id}"):
        if path != "/board":
            pages.append(board.context.new_page())
            pages[-1].goto(path)
    board.bring_to_front()
    tile = bed.tile(board)
    expect(tile).to_have_class(re.compile("ward-t-fine"), timeout=SEEN_MS)
    for page in pages:
        expect(page.get_by_text(OLD)).to_be_hidden(timeout=SEEN_MS)
    with held_still(stack, "vitals-producer"):
        for page in pages:
            expect(page.get_by_text(OLD)).to_be_visible(timeout=SEEN_MS)
        expect(tile).not_to_have_class(re.compile("ward-t-fine"), timeout=SEEN_MS)
    for page in pages:
        expect(page.get_by_text(OLD)).to_be_hidden(timeout=SEEN_MS)
    expect(tile).to_have_class(re.compile("ward-t-fine"), timeout=SEEN_MS)


def test_while_nobody_judges_no_page_says_that_there_is_no_alarm(stack: Settings, sign_in: SignIn, bed: Bed) -> None:
    alarms, patient = sign_in("doctor"), sign_in("nurse")
    alarms.goto("/alarms")
    patient.goto(f"/patients/{bed.patient_id}")
    open_alarms = patient.locator(".ward-patient-card", has=patient.get_by_text("Open alarms"))
    expect(open_alarms.get_by_text("none")).to_be_visible(timeout=SEEN_MS)
    for page in (alarms, patient):
        expect(page.get_by_text(NOT_JUDGED)).to_be_hidden(timeout=SEEN_MS)
    with held_still(stack, "alert-engine"):
        for page in (alarms, patient):
            expect(page.get_by_text(NOT_JUDGED)).to_be_visible(timeout=SEEN_MS)
        expect(open_alarms.get_by_text(NOT_KNOWN)).to_be_visible(timeout=SEEN_MS)
        expect(alarms.get_by_text("✓")).to_have_count(0, timeout=SEEN_MS)
    for page in (alarms, patient):
        expect(page.get_by_text(NOT_JUDGED)).to_be_hidden(timeout=SEEN_MS)
    expect(open_alarms.get_by_text("none")).to_be_visible(timeout=SEEN_MS)


def test_a_board_whose_server_hangs_says_that_it_is_cut_off(
    stack: Settings, sign_in: SignIn, bed: Bed, page_errors: list[str]
) -> None:
    page = sign_in("nurse")
    page.goto("/board")
    expect(bed.tile(page)).to_have_class(re.compile("ward-t-fine"), timeout=SEEN_MS)
    with held_still(stack, "ward-page"):
        expect(page.get_by_text("THIS PAGE IS CUT OFF")).to_be_visible(timeout=SEEN_MS)
        for is_hidden in (True, False):
            page.evaluate(SHOW, is_hidden)
        # It begins to count anew, and shows nothing as well until it has heard something.
        expect(page.get_by_text("THIS PAGE IS CUT OFF")).to_be_hidden()
        expect(page.locator(".ward-board")).to_have_class(re.compile("ward-board-cut"))
    expect(page.locator(".ward-board")).not_to_have_class(re.compile("ward-board-cut"), timeout=SEEN_MS)
    expect(page.get_by_text("THIS PAGE IS CUT OFF")).to_be_hidden(timeout=SEEN_MS)
    expect(bed.tile(page)).to_have_class(re.compile("ward-t-fine"), timeout=SEEN_MS)
    page_errors.clear()  # that the server did not answer meanwhile


@pytest.mark.parametrize("path", ["/alarms", "/patients/{}", "/system"])
def test_a_page_whose_server_hangs_says_that_it_is_cut_off(
    stack: Settings, sign_in: SignIn, bed: Bed, page_errors: list[str], path: str
) -> None:
    page = sign_in("admin")
    page.goto(path.format(bed.patient_id))
    expect(page.locator(".ward-main h1")).to_be_visible(timeout=SEEN_MS)
    with held_still(stack, "ward-page"):
        expect(page.get_by_text("THIS PAGE IS CUT OFF")).to_be_visible(timeout=SEEN_MS)
    expect(page.get_by_text("THIS PAGE IS CUT OFF")).to_be_hidden(timeout=SEEN_MS)
    page_errors.clear()  # that the server did not answer meanwhile


def test_a_killed_page_comes_back_by_itself_and_shows_the_same_to_who_was_logged_in(
    stack: Settings, sign_in: SignIn, bed: Bed, page_errors: list[str], await_condition: Callable[..., Any]
) -> None:
    page = sign_in("nurse")
    page.goto("/board")
    expect(bed.tile(page)).to_have_class(re.compile("ward-t-fine"), timeout=SEEN_MS)
    page.evaluate("window.before = true")
    killed = processes(stack)["ward-page"].pid
    os.kill(killed, signal.SIGKILL)
    await_condition(lambda: processes(stack)["ward-page"].pid not in (0, killed), SEEN_MS / 1000, "it is not started")
    # The page that was open loads itself anew: nobody touches it.
    page.wait_for_function("() => !window.before && window.did_handshake", timeout=SEEN_MS)
    expect(bed.tile(page)).to_have_class(re.compile("ward-t-fine"), timeout=SEEN_MS)
    expect(page.get_by_text("CUT OFF")).to_be_hidden(timeout=SEEN_MS)
    expect(bed.tile(page)).to_contain_text(re.compile(r"last reading [0-9] s ago"), timeout=SEEN_MS)
    page_errors.clear()  # that the server did not answer meanwhile


def row_of(page: Page, name: str) -> Locator:
    """The line of a server or stream on the system page."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def test_the_system_page_says_what_is_down_and_that_it_is_up_again(
    stack: Settings, sign_in: SignIn, await_condition: Callable[..., Any]
) -> None:
    """Nobody starts a stream again, or tells ops of it, meanwhile."""
    page = sign_in("ops")
    page.goto("/system")
    summary = page.get_by_role("status").filter(has_text="Memory of all")
    server, stream = row_of(page, "inbox"), row_of(page, "acknowledge-page")
    with AirflowApi(stack, timeout_seconds=60) as api, paused_streams(api, await_condition):
        for name, row in (("inbox", server), ("acknowledge-page", stream)):
            expect(summary).to_contain_text("✓ All", timeout=SEEN_MS)
            with stopped(stack, name):
                expect(row).to_contain_text("▲ down", timeout=SEEN_MS)
                expect(row.get_by_text("▲ down")).to_have_class(re.compile("ward-is-high"))
                expect(summary).to_contain_text(re.compile(f"▲ Not up: .*{name}"), timeout=SEEN_MS)
                expect(summary).to_have_class(re.compile("ward-is-high"))
            expect(row).to_contain_text("✓ up", timeout=SEEN_MS)
            expect(summary).to_contain_text("✓ All", timeout=SEEN_MS)
            expect(summary).to_have_class(re.compile("ward-is-fine"))


def test_the_system_page_says_that_a_stream_hangs_and_shows_no_number_of_it(
    stack: Settings, sign_in: SignIn, await_condition: Callable[..., Any]
) -> None:
    page = sign_in("ops")
    page.goto("/system")
    row = row_of(page, "acknowledge-page")
    lag = row.get_by_role("cell").nth(2)
    with AirflowApi(stack, timeout_seconds=60) as api, paused_streams(api, await_condition):
        expect(lag).to_have_text(re.compile(r"^[\d,]+$"), timeout=SEEN_MS)
        with held_still(stack, "acknowledge-page"):
            expect(row).to_contain_text(re.compile("◆ not ready|▲ hangs"), timeout=SEEN_MS)
            expect(lag).to_have_text("–")
        expect(row).to_contain_text("✓ up", timeout=SEEN_MS)
        expect(lag).to_have_text(re.compile(r"^[\d,]+$"), timeout=SEEN_MS)
