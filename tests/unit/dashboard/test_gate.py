"""What passes the gate, with a stand-in for the pages behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from httpx import Response
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard import accounts, sessions
from dashboard.accounts import Accounts, ensure_accounts
from dashboard.frame import VISIT
from dashboard.gate import COOKIE, Gate, _origin_of
from dashboard.house import House
from dashboard.live.state import LiveState
from dashboard.roles import Role
from dashboard.throttle import Throttle
from infra.errors import UnavailableError
from infra.settings import Settings

TOKENS = {"of-a-nurse": "nurse", "of-one-who-left": "somebody"}
SOCKET = "/_nicegui_ws/socket.io/"
FOREIGN_ORIGINS = ("https://evil.example", "http://testserver.evil.example", "http://testserver:1", "null")
FOREIGN = {"origin": FOREIGN_ORIGINS[0]}


async def page(request: Request) -> PlainTextResponse:
    visit = request.scope.get(VISIT)
    return PlainTextResponse(visit.account.name if visit else "nobody")


async def socket(connection: WebSocket) -> None:
    await connection.accept()
    await connection.send_text("hello")
    await connection.close()


def behind() -> Starlette:
    paths = ("/board", "/login", "/logout", "/ward.css", "/_nicegui/library.js", SOCKET)
    routes = [Route(path, page, methods=["GET", "POST"]) for path in paths]
    return Starlette(routes=[*routes, WebSocketRoute(SOCKET, socket)])


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(accounts, "SCRYPT_N", 2**4)
    monkeypatch.setattr(sessions, "user_of", lambda _settings, token, _is_act: TOKENS.get(token))
    made = Settings(state_dir=tmp_path)
    ensure_accounts(made)
    return made


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A browser that follows no redirect, at the address http://testserver."""
    house = House(settings, Accounts(settings), Throttle(time.monotonic), LiveState(), ZoneInfo("UTC"))
    with TestClient(Gate(behind(), house), follow_redirects=False) as one:
        yield one


@pytest.fixture
def nurse(client: TestClient) -> TestClient:
    client.cookies.set(COOKIE, "of-a-nurse")
    return client


def test_whoever_has_a_session_passes_and_is_known_behind_the_gate(nurse: TestClient) -> None:
    assert nurse.get("/board").text == "nurse"


@pytest.mark.parametrize("token", [None, "", "guessed", "of-one-who-left", "a\";b='"])
def test_whoever_has_none_is_sent_to_the_login_and_back_afterwards(client: TestClient, token: str | None) -> None:
    answer = client.get("/board", headers={} if token is None else {"cookie": f"{COOKIE}={token}"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?after=/board")
    assert answer.headers["cache-control"] == "no-store"


def test_the_ward_that_an_address_chose_is_still_chosen_after_the_login(client: TestClient) -> None:
    location = client.get("/board?ward=Ward+7%26a").headers["location"]
    assert parse_qs(urlsplit(location).query) == {"after": ["/board?ward=Ward+7%26a"]}


@pytest.mark.parametrize("path", ["/patients/7%232", "/patients/7%3F2", "/patients/a%2541", "/patients/%C3%A5"])
def test_an_id_with_signs_of_an_address_in_it_is_the_same_after_the_login(client: TestClient, path: str) -> None:
    location = client.get(path).headers["location"]
    assert parse_qs(urlsplit(location).query) == {"after": [path]}


def test_opening_a_page_is_an_act_and_what_an_open_page_asks_for_is_none(
    nurse: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts: list[bool] = []

    def user_of(_settings: Settings, token: str, is_act: bool) -> str | None:
        acts.append(is_act)
        return TOKENS.get(token)

    monkeypatch.setattr(sessions, "user_of", user_of)
    nurse.get("/board")
    nurse.get("/_nicegui/library.js")
    nurse.get(SOCKET)
    nurse.post("/board", headers={"origin": "http://testserver"})
    with nurse.websocket_connect(SOCKET, headers={"origin": "http://testserver"}):
        pass
    assert acts == [True, False, False, False]


def test_what_is_asked_for_is_no_address_of_another_site_after_the_login(client: TestClient) -> None:
    assert client.get("//evil.example/board").headers["location"].startswith("/login?after=")


@pytest.mark.parametrize("path", ["/login", "/ward.css", "/_nicegui/library.js"])
def test_the_login_and_what_it_needs_are_open(client: TestClient, path: str) -> None:
    assert client.get(path).text == "nobody"


@pytest.mark.parametrize("path", ["/board", "/login", "/logout"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://testserver.evil.example", "http://testserver:1", "null"]
)
def test_nothing_is_changed_for_another_site(nurse: TestClient, path: str, origin: str) -> None:
    answer = nurse.post(path, headers={"origin": origin})
    assert answer.status_code == 403
    assert "Not sent from this site" in answer.text


def test_a_form_that_a_browser_calls_cross_site_is_refused_though_it_names_no_origin(nurse: TestClient) -> None:
    assert nurse.post("/board", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert nurse.post("/board", headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_a_form_of_this_site_passes(nurse: TestClient) -> None:
    assert nurse.post("/board", headers={"origin": "http://testserver"}).text == "nurse"


def test_without_a_session_nothing_is_changed_and_no_redirect_hides_it(client: TestClient) -> None:
    assert client.post("/board", headers={"origin": "http://testserver"}).status_code == 401
    assert client.get(SOCKET).status_code == 401


def refusal_of_socket(client: TestClient, **headers: str) -> int:
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(SOCKET, headers=headers):
        pass
    return refused.value.code


def test_a_websocket_needs_a_session_and_this_site_as_its_origin(nurse: TestClient) -> None:
    with nurse.websocket_connect(SOCKET, headers={"origin": "http://testserver"}) as open_socket:
        assert open_socket.receive_text() == "hello"
    assert refusal_of_socket(nurse, **FOREIGN) == 4403
    assert refusal_of_socket(nurse) == 4403
    nurse.cookies.clear()
    assert refusal_of_socket(nurse, origin="http://testserver") == 4401


def test_polling_in_place_of_the_websocket_is_guarded_alike(nurse: TestClient) -> None:
    assert nurse.get(SOCKET).status_code == 200
    assert nurse.get(SOCKET, headers=FOREIGN).status_code == 403
    assert nurse.get(SOCKET, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_behind_a_proxy_the_origin_is_the_public_address(settings: Settings) -> None:
    dashboard = settings.dashboard.model_copy(update={"public_base_url": "https://ward.hospital.example"})
    public = settings.model_copy(update={"dashboard": dashboard})
    house = House(public, Accounts(public), Throttle(time.monotonic), LiveState(), ZoneInfo("UTC"))
    client = TestClient(Gate(behind(), house), cookies={COOKIE: "of-a-nurse"})
    assert client.post("/board", headers={"origin": "https://ward.hospital.example"}).status_code == 200
    assert client.post("/board", headers={"origin": "http://testserver"}).status_code == 403


def test_an_account_whose_role_was_taken_away_passes_no_more(nurse: TestClient, settings: Settings) -> None:
    Accounts(settings).remove("nurse")
    assert nurse.get("/board").status_code == 303


def test_while_mysql_is_away_a_sentence_says_so(nurse: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> str:
        raise UnavailableError("MySQL", "127.0.0.1:1", "refused")

    monkeypatch.setattr(sessions, "user_of", away)
    answer = nurse.get("/board")
    assert answer.status_code == 503
    assert "Try again in a minute." in answer.text
    assert "127.0.0.1" not in answer.text


def guarded(answer: Response) -> bool:
    return (
        "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        and answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["referrer-policy"] == "same-origin"
    )


def test_every_answer_carries_what_protects_it_and_only_the_librarys_files_are_kept(nurse: TestClient) -> None:
    for path in ("/board", "/login", "/_nicegui/library.js"):
        answer = nurse.get(path)
        assert guarded(answer)
        assert ("no-store" in answer.headers.get("cache-control", "")) == (not path.startswith("/_nicegui/"))
    assert guarded(nurse.post("/board", headers=FOREIGN))


@pytest.mark.parametrize("role", list(Role))
def test_no_role_passes_by_its_name_alone(client: TestClient, role: Role) -> None:
    assert client.get("/board", headers={"cookie": f"{COOKIE}={role}"}).status_code == 303


def test_cookies_of_other_pages_on_this_host_do_not_hide_the_sessions(client: TestClient) -> None:
    odd = 'prefs={"a":1}; filter[x]=1; a@b=1; lonely'
    answer = client.get("/board", headers={"cookie": f"{odd}; {COOKIE}=of-a-nurse"})
    assert answer.status_code == 200


@pytest.mark.parametrize("base", ["https://Ward.example", "https://ward.example:443"])
def test_a_public_address_is_meant_however_it_is_written(base: str) -> None:
    assert _origin_of(base) == "https://ward.example"
