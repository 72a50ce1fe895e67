"""The gate before every page: no request and no websocket passes without a session, and none from another site.

The session's cookie is not sent by other sites' forms (SameSite=Lax); besides, whatever changes something, and the
websocket through which all acts of a page go, must name this site as its origin.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import sessions
from dashboard.frame import VISIT, login_address
from dashboard.house import House
from dashboard.html import sentence_page
from dashboard.visit import Visit, in_thread
from infra.errors import WardError

COOKIE = "wardwatch_session"
OPEN = ("/login", "/logout", "/ward.css", "/favicon.ico")
LIBRARY, SOCKET = "/_nicegui/", "/_nicegui_ws/"
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}


class Gate:
    """ASGI middleware. Everything but the library's own files and the login needs a session."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        is_change = scope["type"] == "websocket" or scope["method"] not in SAFE or path.startswith(SOCKET)
        if is_change and not self._is_from_here(scope, headers):
            await _refuse(scope, receive, send, 403, "Not sent from this site", "Open the page itself and try again.")
            return
        if path not in OPEN and not path.startswith(LIBRARY):
            try:
                visit = await self._visit(headers, _opens_page(scope))
            except WardError:
                sentence = "Who you are cannot be looked up at the moment. Try again in a minute."
                await _refuse(scope, receive, send, 503, "Not possible just now", sentence)
                return
            if visit is None:
                await self._to_login(scope, receive, send)
                return
            scope[VISIT] = visit
        await self._app(scope, receive, _with_headers(send, keeps=path.startswith(LIBRARY)))

    async def _visit(self, headers: Headers, is_act: bool) -> Visit | None:
        token = cookie(headers)
        if token is None:
            return None
        name = await in_thread(sessions.user_of, self._house.settings, token, is_act)
        account = self._house.accounts.find(name) if name else None
        return Visit(self._house, account, token) if account else None

    def _is_from_here(self, scope: Scope, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None:
            # Polling of the websocket's fallback is a GET, with which browsers of the same site send no origin.
            return scope["type"] == "http" and headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
        base = self._house.settings.dashboard.public_base_url
        if base:
            return origin.lower() == _origin_of(base)
        return origin.lower().partition("://")[2] == (headers.get("host") or "-").lower()

    async def _to_login(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["type"] == "websocket" or scope["method"] not in SAFE or path.startswith(SOCKET):
            await _refuse(scope, receive, send, 401, "Not logged in", "Log in first.")
            return
        await RedirectResponse(login_address(scope), 303, {"cache-control": "no-store"})(scope, receive, send)


def cookie(headers: Headers) -> str | None:
    """The session's token that a request brings."""
    # Python's own parser gives up at the first odd cookie, and those of all ports of a host come here.
    return cookie_parser(headers.get("cookie", "")).get(COOKIE) or None


def _opens_page(scope: Scope) -> bool:
    """Whether somebody opens a page, which is an act of theirs; what an open page asks for by itself is none."""
    return scope["type"] == "http" and scope["method"] == "GET" and not scope["path"].startswith(SOCKET)


def _origin_of(base: str) -> str:
    """An address as browsers name it as an origin: in lower case, without the port that its scheme implies."""
    parts = urlsplit(base.lower())
    implied = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.removesuffix(implied)}"


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, title: str, sentence: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4000 + status, "reason": title})
        return
    await HTMLResponse(sentence_page(title, sentence), status, HEADERS)(scope, receive, send)


def _with_headers(send: Send, keeps: bool) -> Send:
    """Adds what every answer carries. Only the library's own files may be kept by a browser."""
    added = {**HEADERS, **({} if keeps else {"cache-control": "no-store"})}

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.decode().lower() not in added]
            message = {**message, "headers": kept + [(k.encode(), v.encode()) for k, v in added.items()]}
        await send(message)

    return with_headers
