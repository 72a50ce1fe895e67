"""The board on one open page: sends it what is news to it, twice a second, in one message."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import app, ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from dashboard.board.shared import SharedBoard
from dashboard.live.state import LiveState
from dashboard.visit import Visit

EVERY_SECONDS = 0.5
REFRESHING = ThreadPoolExecutor(1, "board")
"""Not of the pool of all pages: a server that hangs could take all of that, and the board asks none."""


class Rounds:
    """Looks at the live state again and again while pages wait for it, and wakes all of them at once.

    With a clock of its own each page would be told up to a whole round later, or what another had seen before.
    """

    def __init__(self, board: SharedBoard) -> None:
        self._board = board
        self._round: asyncio.Task[None] | None = None

    async def next(self) -> None:
        """Wait until the board has been made anew, EVERY_SECONDS after the last time."""
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._look())
        # A page that is closed ends its own waiting, not that of the others.
        await asyncio.shield(self._round)

    async def _look(self) -> None:
        await asyncio.sleep(EVERY_SECONDS)
        await refresh(self._board)


@lru_cache(maxsize=8)
def rounds_of(board: SharedBoard) -> Rounds:
    """The one clock of all pages that show this board."""
    return Rounds(board)


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
        self._rounds = rounds_of(self._board)
        ui.timer(0, self._follow, once=True)

    async def _follow(self) -> None:
        # Not by the timer's own interval: it goes by the wall clock, and waits as long as that is set back.
        while not self.is_deleted:
            try:
                if self._is_looked_at():
                    await self._rounds.next()
                    self._send()
                else:
                    await asyncio.sleep(EVERY_SECONDS)
            except Exception as error:
                app.handle_exception(error)
                await asyncio.sleep(EVERY_SECONDS)

    async def send(self) -> None:
        """Send what is news by now, if the page is there and looked at."""
        if self._is_looked_at():
            await refresh(self._board)
            self._send()

    def _is_looked_at(self) -> bool:
        return self._is_shown and self.client.has_socket_connection

    def _send(self) -> None:
        # Not while the last of it has not left: the library sends the newest only, and the page would lack the other.
        if self._is_looked_at() and self.id not in self.client.outbox.updates:
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
