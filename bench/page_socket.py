"""The websocket of an open page of the ward, held as a browser holds it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import requests
import socketio

from infra.errors import WardError
from infra.settings import Settings

SOCKET_PATH = "_nicegui_ws/socket.io"
ACK_SECONDS = 3.0
"""A browser acknowledges so often (`nicegui.js`)."""

ANSWER_SECONDS = 60.0

Heard = Callable[[str, Any, int], None]
"""Takes an event, what it says, and when it came (epoch ms)."""


def page_url(settings: Settings) -> str:
    """Where the page listens."""
    return f"http://{settings.dashboard.host}:{settings.ports.ward_page}"


def origin(settings: Settings) -> str:
    """What a browser would name as the site that it shows."""
    return settings.dashboard.public_base_url or page_url(settings)


def headers_of(settings: Settings, cookie: str) -> dict[str, str]:
    """What a browser sends with every request of that session."""
    return {"Cookie": cookie, "Origin": origin(settings)}


async def fetch(settings: Settings, path: str, headers: Mapping[str, str]) -> str:
    """The HTML of a page. Raises WardError when it is refused."""
    answer = await asyncio.to_thread(
        requests.get, page_url(settings) + path, headers=headers, timeout=ANSWER_SECONDS, allow_redirects=False
    )
    if answer.status_code != requests.codes.ok:
        raise WardError(f"The page answers {answer.status_code} when its {path} is asked for.")
    return answer.text


async def connect(
    settings: Settings,
    headers: Mapping[str, str],
    page: Mapping[str, Any],
    heard: Heard,
    closed: Callable[[], None],
) -> socketio.AsyncClient:
    """Connect a page that was fetched. `page`: how its websocket names itself; `heard` is told of each event once.

    Raises WardError when the page does not let it in.
    """
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    client_id, following = page["client_id"], int(page["next_message_id"])

    async def received(event: str, message: Any = None) -> None:
        nonlocal following
        arrived_at = time.time_ns() // 1_000_000
        if isinstance(message, dict) and "_id" in message:
            if message["_id"] < following:
                return
            following = message["_id"] + 1
        heard(event, message, arrived_at)

    async def acknowledge() -> None:
        acknowledged = -1
        while client.connected:
            if acknowledged < following:
                await client.emit("ack", {"client_id": client_id, "next_message_id": following})
                acknowledged = following
            await asyncio.sleep(ACK_SECONDS)

    async def disconnected(*_reason: object) -> None:
        closed()

    client.on("*", received)
    client.on("disconnect", disconnected)
    query = {"client_id": client_id, "next_message_id": following, "implicit_handshake": "true"}
    query |= {"document_id": str(uuid.uuid4()), "tab_id": str(uuid.uuid4())}
    try:
        await client.connect(
            f"{page_url(settings)}?{urlencode(query)}",
            headers=dict(headers),  # the library takes the cookie out of it
            transports=["websocket"],
            socketio_path=SOCKET_PATH,
            wait_timeout=ANSWER_SECONDS,
        )
    except socketio.exceptions.ConnectionError as error:
        raise WardError(f"The page does not let a websocket in: {error}") from error
    client.start_background_task(acknowledge)
    return client
