"""What somebody is told, and where they are sent, when their session ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from fastapi import Request
from nicegui import ui
from starlette.datastructures import Headers
from starlette.responses import Response

from dashboard import frame, sessions
from dashboard.gate import COOKIE
from dashboard.roles import Role
from dashboard.visit import Visit
from dashboard.web import Logins
from infra.errors import UnavailableError
from infra.settings import Settings
from tests.unit.dashboard.built import built
from tests.unit.dashboard.visits import visit_of

TOKEN = "of-a-nurse"


def log_out(directory: Path) -> Response:
    request = SimpleNamespace(headers=Headers({"cookie": f"{COOKIE}={TOKEN}"}))
    return asyncio.run(Logins(visit_of(Role.NURSE, directory).house).log_out(cast(Request, request)))


def test_logging_out_ends_the_session_and_forgets_the_cookie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(sessions, "end", lambda _settings, token: ended.append(token))
    answer = log_out(tmp_path)
    assert (answer.status_code, answer.headers["location"], ended) == (303, "/login", [TOKEN])
    assert f'{COOKIE}=""' in answer.headers["set-cookie"]


def test_that_a_session_could_not_be_ended_on_the_server_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise UnavailableError("MySQL", "127.0.0.1:1", "refused")

    monkeypatch.setattr(sessions, "end", away)
    answer = log_out(tmp_path)
    assert answer.status_code == 503
    assert f"ends there {Settings().dashboard.idle_minutes:g} minutes after" in bytes(answer.body).decode()
    assert f'{COOKIE}=""' in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("path", "query", "login"),
    [
        ("/board", b"ward=Ward+7%26a", "/login?after=/board%3Fward%3DWard%2B7%2526a"),
        ("/patients/P 1", b"", "/login?after=/patients/P%25201"),
        ("/", b"", "/login"),
    ],
)
def test_whose_session_ended_is_sent_to_the_login_and_back_to_the_page_afterwards(
    path: str, query: bytes, login: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_to: list[str] = []
    monkeypatch.setattr(ui.navigate, "to", sent_to.append)
    monkeypatch.setattr(frame, "LEAVE_SECONDS", 0.0)
    monkeypatch.setattr(Visit, "lasts", lambda *_: False)
    nurse = visit_of(Role.NURSE, tmp_path)

    async def end() -> None:
        with built(Request({"type": "http", "path": path, "query_string": query, "headers": []})):
            await frame._end_with_session(Visit(nurse.house, nurse.account, TOKEN), keeps_session=False)

    asyncio.run(end())
    assert sent_to == [login]


def test_what_is_chosen_on_a_page_stands_in_its_address_and_is_there_again_after_logging_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(ui.navigate.history, "replace", shown.append)
    request = Request({"type": "http", "path": "/alarms", "query_string": b"ward=Old", "headers": []})

    async def choose() -> list[str]:
        with built(request):
            logins = []
            for ward in ("A&E 1", ""):
                frame.keep_in_address("/alarms", ward=ward)
                logins.append(frame.login_address(request.scope))
            return logins

    assert asyncio.run(choose()) == ["/login?after=/alarms%3Fward%3DA%2526E%2B1", "/login?after=/alarms"]
    assert shown == ["/alarms?ward=A%26E+1", "/alarms"]
