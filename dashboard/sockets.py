"""A websocket acts for the pages of its own session only.

NiceGUI takes from each message which open page it is about, and asks for no more than the page's id. The id stands in
the websocket's address, so a proxy's log has it: with it and a session of their own, somebody could act as another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from nicegui import Client, core
from socketio.exceptions import ConnectionRefusedError

from dashboard.frame import VISIT

MESSAGES = ("event", "javascript_response", "ack", "log")


def bind_to_sessions() -> None:
    """Once a process, after the library has set up its own handlers, which are called behind ours."""
    handlers = core.sio.handlers["/"]
    core.sio.on("connect", _connecting(handlers["connect"]))
    core.sio.on("handshake", _shaking_hands(handlers["handshake"]))
    for name in MESSAGES:
        core.sio.on(name, _about_a_page(handlers[name]))


def _connecting(behind: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def connect(sid: str, environ: dict[str, Any], auth: object = None) -> None:
        asked = parse_qs(environ.get("QUERY_STRING", "")).get("client_id")
        if asked and not _is_own(environ, asked[0]):
            raise ConnectionRefusedError("Implicit handshake failed")  # at which a browser loads the page anew
        await behind(sid, environ, auth)

    return connect


def _shaking_hands(behind: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    async def handshake(sid: str, data: dict[str, Any]) -> bool:
        return _is_own(core.sio.get_environ(sid), data["client_id"]) and await behind(sid, data)

    return handshake


def _about_a_page(behind: Callable[..., None]) -> Callable[..., None]:
    def message(sid: str, told: dict[str, Any]) -> None:
        # The handshake has put the socket into a room named after its page.
        if told.get("client_id") in core.sio.rooms(sid):
            behind(sid, told)

    return message


def _is_own(environ: dict[str, Any] | None, client_id: str) -> bool:
    """Whether the session that opens the socket is the one that opened the page; an unknown page is nobody's."""
    page = Client.instances.get(client_id)
    there = (environ or {}).get("asgi.scope", {}).get(VISIT)
    opened = page.request.scope.get(VISIT) if page is not None else None
    return there is not None and opened is not None and there.token == opened.token
