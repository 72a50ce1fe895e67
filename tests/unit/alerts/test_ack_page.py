"""The acknowledge page, asked as a browser asks it, with a desk in memory in place of the database."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from alerts import ack_page
from alerts.ack_desk import Placed, Wish
from alerts.ack_html import STYLE, STYLE_HASH
from alerts.ack_page import FORM_MAX_BYTES, HEADERS, create_app, listen, web_server
from alerts.alarms_table import AlarmRow
from alerts.links import PATH, make_token
from infra.errors import ConfigurationError, SingleInstanceError, UnavailableError
from infra.metrics import StreamMetrics
from infra.settings import Alerts, Ports, Settings
from tests.unit.alerts.alarms_looked_at import ALARM_ID, alarm_row

KEY = "a key of the test"
NOW = 1_790_000_000
TOKEN = make_token(KEY, ALARM_ID, NOW + 60)
SCRIPT = "<script>alert('x')</script>\"&"
FORM = {"author": "Dr Jane Doe", "reason": "on my way", "minutes": "60", "after": "41", "severity": "high"}


@dataclass
class MemoryDesk:
    """Alarms and orders in memory. `engine` False: nobody carries orders out; `away`: every question fails."""

    alarms: dict[str, AlarmRow] = field(default_factory=lambda: {ALARM_ID: alarm_row()})
    orders: list[Wish] = field(default_factory=list)
    engine: bool = True
    away: bool = False
    broken: bool = False

    def look(self, alarm_id: str) -> AlarmRow | None:
        self.ask()
        return self.alarms.get(alarm_id)

    def newest_order(self) -> int:
        self.ask()
        return 41 + len(self.orders)

    def place(self, wish: Wish) -> Placed:
        self.ask()
        if wish in self.orders:
            return Placed(42 + self.orders.index(wish), is_repeat=True)
        self.orders.append(wish)
        return Placed(41 + len(self.orders), is_repeat=False)

    def outcome(self, order_id: int) -> str | None:
        self.ask()
        if not self.engine:
            return None
        wish, alarm = self.orders[order_id - 42], self.alarms[ALARM_ID]
        if alarm.phase == "ended":
            return "The alarm was over by then."
        until = NOW * 1000 + wish.lasts
        self.alarms[ALARM_ID] = replace(
            alarm, phase="acknowledged", acknowledged_by=wish.author, acknowledged_until=until
        )
        return f"Acknowledged by {wish.author}."

    def ask(self) -> None:
        if self.away:
            raise UnavailableError("MySQL", "127.0.0.1:13306", "connection refused")
        if self.broken:
            raise RuntimeError("a mistake of ours")


class Page(HTMLParser):
    """What a browser would take from a page: its texts and its tags with their attributes."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"

    def field(self, name: str) -> str | None:
        return next(attributes.get("value") for _, attributes in self.tags if attributes.get("name") == name)


@dataclass
class Browser:
    """Asks the page in this process; what the page fails with becomes an answer, as it does behind a socket."""

    app: FastAPI

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def browser(desk: MemoryDesk) -> Browser:
    app = create_app(desk, KEY, ZoneInfo("UTC"), StreamMetrics("acknowledge-page"), lambda: NOW)
    return Browser(app)


def test_the_link_shows_the_alarm_and_a_form_and_acknowledges_nothing(browser: Browser, desk: MemoryDesk) -> None:
    answer = browser.get(PATH + TOKEN)
    page = Page(answer)
    assert answer.status_code == 200
    for text in ("HIGH: Heart rate high, last 135 /min", "Cardiology", "P-0012", "2026-09-21 14:13:20 UTC", "active"):
        assert text in page.text
    assert page.field("after") == "41"
    assert desk.orders == []


def test_a_mail_scanner_that_asks_in_any_way_but_post_acknowledges_nothing(browser: Browser, desk: MemoryDesk) -> None:
    for method, status in (("HEAD", 200), ("OPTIONS", 405), ("PUT", 405), ("DELETE", 405)):
        assert browser.request(method, PATH + TOKEN).status_code == status
    assert desk.orders == []
    assert desk.alarms[ALARM_ID].phase == "active"


@pytest.mark.parametrize("shown", [{"severity": "medium"}, {"severity": "low"}, {"severity": "none"}, {}])
def test_a_form_that_showed_a_lesser_alarm_acknowledges_nothing_and_shows_it_again(
    browser: Browser, desk: MemoryDesk, shown: dict[str, str]
) -> None:
    fields = {name: value for name, value in FORM.items() if name != "severity"} | shown
    answer = browser.post(PATH + TOKEN, data=fields)
    page = Page(answer)
    assert (answer.status_code, desk.orders) == (409, [])
    assert "more severe since this form was shown" in page.text
    assert (page.field("severity"), page.field("author")) == ("high", "Dr Jane Doe")


def test_a_form_of_a_more_severe_alarm_still_acknowledges_it(browser: Browser, desk: MemoryDesk) -> None:
    desk.alarms[ALARM_ID] = replace(desk.alarms[ALARM_ID], severity="medium")
    assert browser.post(PATH + TOKEN, data=FORM).status_code == 200


def test_the_form_acknowledges_with_the_claimed_name_and_shows_what_became_of_it(
    browser: Browser, desk: MemoryDesk
) -> None:
    answer = browser.post(PATH + TOKEN, data=FORM)
    assert answer.status_code == 200
    assert desk.orders == [Wish(ALARM_ID, "Dr Jane Doe", "on my way", 3_600_000, 41, "high")]
    text = Page(answer).text
    for part in ("Acknowledged by Dr Jane Doe.", "acknowledged by Dr Jane Doe until 2026-09-21 15:13:20 UTC"):
        assert part in text
    assert "changes nothing" in text


def test_the_form_is_for_half_an_hour_unless_another_time_is_chosen(browser: Browser) -> None:
    page = Page(browser.get(PATH + TOKEN))
    assert [tag["value"] for _, tag in page.tags if "selected" in tag] == ["30"]


def test_the_same_form_sent_again_is_refused_and_shows_what_the_first_did(browser: Browser, desk: MemoryDesk) -> None:
    browser.post(PATH + TOKEN, data=FORM)
    again = browser.post(PATH + TOKEN, data=FORM)
    assert again.status_code == 409
    for part in ("nothing was done a second time", "Acknowledged by Dr Jane Doe."):
        assert part in Page(again).text
    assert len(desk.orders) == 1


def test_an_acknowledged_alarm_shows_by_whom_and_can_be_acknowledged_for_longer(
    browser: Browser, desk: MemoryDesk
) -> None:
    browser.post(PATH + TOKEN, data=FORM)
    page = Page(browser.get(PATH + TOKEN))
    assert "acknowledged by Dr Jane Doe until" in page.text
    browser.post(PATH + TOKEN, data={**FORM, "after": page.field("after") or ""})
    assert len(desk.orders) == 2


def test_without_an_engine_the_order_is_kept_and_said_to_be_so(browser: Browser, desk: MemoryDesk) -> None:
    desk.engine = False
    answer = browser.post(PATH + TOKEN, data=FORM)
    assert answer.status_code == 202
    assert "has not answered yet" in Page(answer).text
    assert len(desk.orders) == 1


def test_an_alarm_that_ends_in_the_same_moment_is_not_said_to_be_acknowledged(
    browser: Browser, desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = desk.place

    def ends_meanwhile(wish: Wish) -> Placed:
        desk.alarms[ALARM_ID] = alarm_row(phase="ended", ended_at=NOW * 1000)
        return place(wish)

    monkeypatch.setattr(desk, "place", ends_meanwhile)
    answer = browser.post(PATH + TOKEN, data=FORM)
    assert answer.status_code == 409
    assert "Not acknowledged now" in Page(answer).text
    assert "over by then" in Page(answer).text


def refused_token(kind: str, desk: MemoryDesk) -> str:
    if kind == "altered":
        return TOKEN[:-1] + ("0" if TOKEN[-1] != "0" else "1")
    if kind == "expired":
        return make_token(KEY, ALARM_ID, NOW)
    if kind == "ended":
        desk.alarms[ALARM_ID] = alarm_row(phase="ended", ended_at=NOW * 1000)
    if kind == "forgotten":
        desk.alarms.clear()
    if kind == "technical":
        desk.alarms[ALARM_ID] = alarm_row(kind="technical", phase=None)
    return TOKEN


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("altered", 403, "not valid"),
        ("expired", 410, "expired"),
        ("ended", 410, "over"),
        ("forgotten", 404, "not known"),
        ("technical", 409, "technical alarm"),
    ],
)
def test_a_link_that_must_not_work_is_refused_in_plain_words_and_logged_without_its_token(
    browser: Browser, desk: MemoryDesk, method: str, kind: str, status: int, said: str
) -> None:
    token = refused_token(kind, desk)
    with capture_logs() as logs:
        answer = browser.request(method, PATH + token, data=FORM if method == "POST" else None)
    assert answer.status_code == status
    assert said in Page(answer).text
    assert "Cardiology" not in answer.text
    assert desk.orders == []
    [entry] = [entry for entry in logs if entry["event"] == "refused"]
    assert entry["status"] == status
    assert entry["alarm_id"] == (None if kind == "altered" else ALARM_ID)
    assert token not in str(logs)
    assert token.rpartition("-")[2] not in str(logs)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"author": ""}, "a name of 1 to 190"),
        ({"author": " \u202e\t"}, "a name of 1 to 190"),
        ({"author": "x" * 191}, "a name of 1 to 190"),
        ({"reason": "x" * 1001}, "1 to 1000"),
        ({"minutes": "0"}, "1 to 480 minutes"),
        ({"minutes": "481"}, "1 to 480 minutes"),
        ({"minutes": "-5"}, "1 to 480 minutes"),
        ({"minutes": "٣"}, "1 to 480 minutes"),
        ({"minutes": "9" * 30}, "1 to 480 minutes"),
        ({"after": ""}, "not complete"),
        ({"after": "x"}, "not complete"),
    ],
)
def test_a_form_that_must_be_corrected_comes_back_with_what_was_typed(
    browser: Browser, desk: MemoryDesk, changes: dict[str, str], said: str
) -> None:
    answer = browser.post(PATH + TOKEN, data={**FORM, "author": "Dr J", **changes})
    page = Page(answer)
    assert answer.status_code == 400
    assert said in page.text
    assert desk.orders == []
    if "author" not in changes:
        assert page.field("author") == "Dr J"


def test_a_reason_may_be_left_out(browser: Browser, desk: MemoryDesk) -> None:
    browser.post(PATH + TOKEN, data={**FORM, "reason": ""})
    assert desk.orders[0].reason == ""


def test_nothing_that_comes_from_elsewhere_is_taken_for_html(browser: Browser, desk: MemoryDesk) -> None:
    desk.alarms[ALARM_ID] = alarm_row(ward=SCRIPT, patient_id=SCRIPT, attribute=SCRIPT, severity=SCRIPT)
    answers = [
        browser.get(PATH + TOKEN),
        browser.post(PATH + TOKEN, data={**FORM, "author": SCRIPT, "reason": SCRIPT}),
        browser.get(PATH + TOKEN),
        browser.post(PATH + TOKEN, data={**FORM, "author": SCRIPT, "reason": SCRIPT, "minutes": SCRIPT}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    for answer in answers:
        page = Page(answer)
        assert SCRIPT in page.text
        assert "<script" not in answer.text
        assert all(tag != "script" for tag, _ in page.tags)
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert Page(answers[3]).field("author") == SCRIPT


def test_every_answer_forbids_scripts_frames_caches_and_referrers(browser: Browser, desk: MemoryDesk) -> None:
    answers = [
        browser.get("/"),
        browser.get(PATH + TOKEN),
        browser.post(PATH + TOKEN, data=FORM),
        browser.get(PATH + "x"),
        browser.get("/nothing"),
        browser.request("DELETE", PATH + TOKEN),
        browser.post(PATH + TOKEN, data={**FORM, "author": ""}),
        browser.post(PATH + TOKEN, json={}),
    ]
    desk.away = True
    answers.append(browser.get(PATH + TOKEN))
    desk.away, desk.broken = False, True
    answers.append(browser.get(PATH + TOKEN))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 403, 404, 405, 400, 415, 503, 500]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["content-type"].startswith("text/html")
        assert "set-cookie" not in answer.headers
    policy = answers[1].headers["content-security-policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", f"'sha256-{STYLE_HASH}'"):
        assert part in policy
    assert f"<style>{STYLE}</style>" in answers[1].text


def test_the_style_is_the_only_thing_that_the_page_loads(browser: Browser) -> None:
    answer = browser.get(PATH + TOKEN)
    assert not re.search(r"\b(src|href|style|url)\s*[=(]", answer.text)
    assert 'name="viewport"' in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_that_another_site_shows_is_refused(browser: Browser, desk: MemoryDesk, site: str) -> None:
    assert browser.post(PATH + TOKEN, data=FORM, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert browser.get(PATH + TOKEN, headers={"Sec-Fetch-Site": site}).status_code == 200
    assert desk.orders == []


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"author=" + b"x" * FORM_MAX_BYTES, 413),
        (b"author=\xff", 400),
        (b"&".join(b"a=b" for _ in range(50)), 400),
        (b"", 400),
    ],
)
def test_what_is_too_long_or_no_form_is_refused(
    browser: Browser, desk: MemoryDesk, content: bytes, status: int
) -> None:
    headers = {"content-type": ack_page.FORM_TYPE}
    assert browser.post(PATH + TOKEN, content=content, headers=headers).status_code == status
    assert desk.orders == []


def test_the_longest_name_and_reason_fit_in_a_form(browser: Browser, desk: MemoryDesk) -> None:
    longest = {**FORM, "author": "𐍈" * 190, "reason": "𐍈" * 1000}
    assert browser.post(PATH + TOKEN, data=longest).status_code == 200
    assert desk.orders[0].reason == "𐍈" * 1000


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_database_the_page_says_so_and_goes_on(browser: Browser, desk: MemoryDesk, method: str) -> None:
    desk.away = True
    answer = browser.request(method, PATH + TOKEN, data=FORM if method == "POST" else None)
    assert answer.status_code == 503
    assert "Try again in a minute" in Page(answer).text
    assert "127.0.0.1" not in answer.text
    assert "retry-after" in answer.headers
    desk.away = False
    assert browser.get(PATH + TOKEN).status_code == 200


def test_a_mistake_of_ours_is_no_stack_trace_for_a_doctor(browser: Browser, desk: MemoryDesk) -> None:
    desk.broken = True
    answer = browser.get(PATH + TOKEN)
    assert answer.status_code == 500
    assert "a mistake of ours" not in answer.text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_the_page_is_served_on_its_port_without_saying_by_what(desk: MemoryDesk) -> None:
    settings = Settings(ports=Ports(acknowledge_page=free_port()), port_offset=0)
    app = create_app(desk, KEY, ZoneInfo("UTC"), StreamMetrics("acknowledge-page"), lambda: NOW)
    server = web_server(app)
    with listen(settings) as listener:
        with pytest.raises(SingleInstanceError, match="does it run already"):
            listen(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            answer = httpx.get(f"http://127.0.0.1:{settings.ports.acknowledge_page}{PATH}{TOKEN}")
        finally:
            server.should_exit = True
            thread.join()
    assert answer.status_code == 200
    assert "server" not in answer.headers


def test_a_host_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="acknowledge_page_host"):
        listen(Settings(alerts=Alerts(acknowledge_page_host="no host")))
