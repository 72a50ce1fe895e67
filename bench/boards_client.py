"""Open ward boards without a browser, in a process of its own, so that what they cost is not the server's. In a ward
browsers run elsewhere: here they take what is left of the processors, and have it later for that.

    python -m bench.boards_client WARD BOARDS DIRECTORY

The session's cookie is in the variable BENCH_PAGE_COOKIE. Each board is fetched and connected as a browser does it, and
acknowledges what it is sent as often. DIRECTORY holds, renewed each second, what is open and shown (`read_progress`);
on SIGTERM the boards are closed, and everything they showed of the ward's patients is written there (`read_arrivals`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import socketio

from bench.boards import NEWS, BoardView, Opened, Rows, read_page
from bench.page_socket import connect, fetch, headers_of
from bench.programs import Program, job
from infra.errors import WardError
from infra.secrets import write_private
from infra.settings import Settings, load_settings

MODULE = "bench.boards_client"
COOKIE = "BENCH_PAGE_COOKIE"
PROGRESS, ARRIVALS = "progress.json", "arrivals.npz"
PROGRESS_SECONDS = 1.0


@dataclass(frozen=True)
class Progress:
    """How many boards are open, and of each patient the newest reading that all of them show (inserted, epoch ms)."""

    opened: int
    shown: dict[str, int]


@dataclass(frozen=True)
class Arrivals:
    """The ward's patients by number, and what the boards showed of them."""

    patients: list[str]
    rows: Rows


@contextmanager
def opening(ward: str, boards: int, cookie: str, directory: Path, log: Path) -> Iterator[Program]:
    """A process that opens so many boards and keeps them open."""
    arguments = (ward, str(boards), str(directory))
    with job(MODULE, *arguments, environment={COOKIE: cookie}, log=log, behind_all=True) as process:
        yield process


def read_progress(directory: Path) -> Progress:
    """How far the process has come; nothing is open before it says so."""
    path = directory / PROGRESS
    return Progress(**orjson.loads(path.read_bytes())) if path.exists() else Progress(0, {})


def read_arrivals(directory: Path) -> Arrivals:
    """What the process has written at its end."""
    with np.load(directory / ARRIVALS) as found:
        return Arrivals(found["patients"].tolist(), found["rows"])


class Boards:
    """All boards of the process."""

    def __init__(self, settings: Settings, ward: str, cookie: str) -> None:
        self._settings = settings
        self._headers = headers_of(settings, cookie)
        self._prefix = f"{ward}-"
        self._numbers: dict[str, int] = {}
        self._rows = array("q")
        self._views: list[BoardView] = []
        self._clients: list[socketio.AsyncClient] = []
        self._failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Open one more. Raises WardError when the page or its websocket does not let it."""
        text = await fetch(self._settings, "/board", self._headers)
        arrived_at = time.time_ns() // 1_000_000
        page = read_page(text)
        view, number = BoardView(), len(self._views)
        self._views.append(view)
        self._take(number, page.news, arrived_at)
        await self._connect(page, number)

    async def last(self, stop: asyncio.Event, directory: Path) -> None:
        """Stay open until `stop`. Raises WardError when the server ends a board, or a message is lost."""
        stopped: asyncio.Future[Any] = asyncio.create_task(stop.wait())
        while not stopped.done():
            await asyncio.wait({stopped, self._failed}, timeout=PROGRESS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                await self._failed
            write_private(directory / PROGRESS, orjson.dumps(self._progress()).decode())

    async def close(self) -> None:
        """Close all boards."""
        if not self._failed.done():
            self._failed.cancel()
        for client in self._clients:
            await client.disconnect()

    def save(self, directory: Path) -> None:
        """Write what was shown."""
        rows = np.frombuffer(self._rows, dtype=np.int64).reshape(-1, 4)
        np.savez(directory / ARRIVALS, patients=np.array(list(self._numbers), dtype=np.str_), rows=rows)

    async def _connect(self, page: Opened, number: int) -> None:
        def heard(event: str, message: Any, arrived_at: int) -> None:
            if event == "update" and (element := message.get(page.element)) is not None:
                self._take(number, element["props"][NEWS], arrived_at)
            elif event == "open":
                self._fail("The server sends the board to another page.")

        def closed() -> None:
            self._fail("The server has closed a board's websocket.")

        self._clients.append(await connect(self._settings, self._headers, page.query, heard, closed))

    def _take(self, number: int, news: Mapping[str, Any], arrived_at: int) -> None:
        try:
            changed = self._views[number].take(news)
        except WardError as error:
            self._fail(str(error))
            return
        for patient, seen in changed:
            if patient.startswith(self._prefix):
                known = self._numbers.setdefault(patient, len(self._numbers))
                self._rows.extend((number, known, seen, arrived_at))

    def _fail(self, reason: str) -> None:
        if not self._failed.done():
            self._failed.set_exception(WardError(reason))

    def _progress(self) -> Progress:
        shown = {name: min(view.shown.get(name, 0) for view in self._views) for name in self._numbers}
        return Progress(len(self._clients), shown)


async def run(ward: str, boards: int, directory: Path, cookie: str) -> None:
    """Open the boards, and keep them until SIGTERM. Raises WardError when one does not open or is ended."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    everything = Boards(load_settings(), ward, cookie)
    try:
        for _ in range(boards):
            await everything.open()
        await everything.last(stop, directory)
    finally:
        await everything.close()
    everything.save(directory)


def main(ward: str, boards: str, directory: str) -> None:
    """Command line."""
    asyncio.run(run(ward, int(boards), Path(directory), os.environ[COOKIE]))


if __name__ == "__main__":
    main(*sys.argv[1:])
