"""The board on one open page: sends it what is news to it, twice a second, in one message."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from dashboard.board.shared import SharedBoard
from dashboard.live.state import LiveState
from dashboard.visit import Visit

EVERY_SECONDS = 0.5
REFRESHING = ThreadPoolExecutor(1, "board")
"""Not of the pool of all pages: a server that hangs could take all of that, and the board asks none."""


@lru_cache(maxsize=8)
def shared_board(live: LiveState, zone: ZoneInfo) -> SharedBoard:
    """The one board of a process's live state."""
    return SharedBoard(live, zone)


async def refresh(board: SharedBoard) -> None:
    """Make anew what changed, beside whatever else waits for a server."""
    await asyncio.get_running_loop().run_in_executor(REFRESHING, board.refresh)


class BoardElement(Element, component="board.js"):
    """Shows the beds of `ward` (empty: of all). A page that nobody looks at is sent nothing until it is shown again."""

    def __init__(self, visit: Visit, ward: str) -> None:
        super().__init__()
        self._board = shared_board(visit.house.live, visit.house.zone)
        self._sees_identity = visit.sees_identity
        self._ward = ward
        self._version = 0
        self._order: list[str] | None = None
        self._wards: list[tuple[str, int]] | None = None
        self._is_shown = True
        self._props["ward"] = ward
        self._props["zone"] = visit.house.zone.key
        self._props["news"] = self._news()
        self.on("lacking", self._send_all)
        self.on("shown", self._show)
        ui.timer(EVERY_SECONDS, self.send)

    async def send(self) -> None:
        """Send what is news, if the page is there and looked at.

        Not while the last of it has not left: the library sends the newest only, and the page would lack the other.
        """
        has_left = self.id not in self.client.outbox.updates
        if self._is_shown and self.client.has_socket_connection and has_left:
            if self._board.is_due():
                await refresh(self._board)
            self._props["news"] = self._news()
            self.update()

    def _to_dict(self) -> dict[str, Any]:
        # The library queues the dictionary of an element itself: by the time it is sent, later news would stand in it.
        told = super()._to_dict()
        return {**told, "props": dict(told["props"])}

    async def _send_all(self) -> None:
        self._version, self._order, self._wards = 0, None, None
        await self.send()

    async def _show(self, event: GenericEventArguments) -> None:
        self._is_shown = bool(event.args)
        await self.send()

    def _news(self) -> dict[str, Any]:
        news = dict(self._board.news(self._sees_identity, self._ward, self._version))
        self._version = news["to"]
        if news["order"] == self._order:
            del news["order"]
        else:
            self._order = news["order"]
        if news["wards"] == self._wards:
            del news["wards"]
        else:
            self._wards = news["wards"]
        return news
