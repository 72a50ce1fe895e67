"""What the page of servers and streams shows: one look for all open pages, which no server that hangs can hold up.

A server that has not answered when the time for a look is over is shown as not ready, and is not asked again before
its last check has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from dashboard.shared import Shared
from infra import supervise
from infra.disk import Size, Space, hdfs_space, sizes, state_space
from infra.errors import UnavailableError
from infra.log import get_logger
from infra.servers import Server, all_of
from infra.settings import Settings
from infra.status import Row, row_of, unchecked

LOOK_EVERY_SECONDS = 5.0
ANSWER_SECONDS = 4.0
SIZES_EVERY_SECONDS = 300.0
LINKED = {
    "airflow-api-server": "Airflow",
    "namenode": "NameNode",
    "hbase": "HBase",
    "hiveserver2": "HiveServer2",
    "inbox": "Inbox",
}
"""Servers whose pages are worth a link of their own, and what people call them."""

log = get_logger("ward-page")


@dataclass(frozen=True)
class Seen:
    """A look at everything, at `at` (epoch s). `rates`: records a second since the look before, by stream; None: that
    is not known. A disk is None when it could not be asked."""

    at: float
    rows: Sequence[Row]
    rates: Mapping[str, float | None]
    state_disk: Space | None
    hdfs: Space | None


class SystemLook:
    """Looks while somebody has the page open. `clock` gives epoch seconds."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        # As many as checks, so that those that hang leave room for the others.
        self._pool = ThreadPoolExecutor(len(all_of(settings)) + 1, thread_name_prefix="system-look")
        self._asked: dict[str, Future[Row]] = {}
        self._asked_hdfs: Future[Space] | None = None
        self._last: Seen | None = None
        self.everything: Shared[Seen] = Shared(self._look, LOOK_EVERY_SECONDS)
        self.sizes: Shared[list[Size]] = Shared(lambda: sizes(settings), SIZES_EVERY_SECONDS)

    def _look(self) -> Seen:
        processes = supervise.processes(self._settings)
        servers = all_of(self._settings)
        for server in servers:
            if server.name not in self._asked:
                process = processes.get(server.name)
                self._asked[server.name] = self._pool.submit(row_of, self._settings, server, process, self._clock)
        if self._asked_hdfs is None:
            self._asked_hdfs = self._pool.submit(hdfs_space, self._settings)
        asked: list[Future[Any]] = [*self._asked.values(), self._asked_hdfs]
        wait(asked, ANSWER_SECONDS)
        at = self._clock()
        rows = [self._answer(server, processes.get(server.name)) for server in servers]
        seen = Seen(at, rows, rates(self._last, rows, at), self._state_disk(), self._hdfs())
        self._last = seen
        return seen

    def _answer(self, server: Server, process: supervise.Process | None) -> Row:
        """What the server said in time, or what is known without it."""
        if not self._asked[server.name].done():
            return unchecked(self._settings, server, process)
        try:
            return self._asked.pop(server.name).result()
        except Exception as error:  # what a server answers in trouble may be anything, and must not hide the others
            log.warning("a check failed", server=server.name, reason=type(error).__name__)
            return unchecked(self._settings, server, process)

    def _state_disk(self) -> Space | None:
        try:
            return state_space(self._settings)
        except UnavailableError:
            return None

    def _hdfs(self) -> Space | None:
        asked = self._asked_hdfs
        if asked is None or not asked.done():
            return None
        self._asked_hdfs = None
        try:
            return asked.result()
        except Exception as error:
            log.warning("a check failed", server="hdfs", reason=type(error).__name__)
            return None


def rates(before: Seen | None, rows: Sequence[Row], at: float) -> dict[str, float | None]:
    """Records a second that each stream has handled since the look before. Pure.

    None: there was no look before, it did not answer then or now, or it was started anew meanwhile.
    """
    earlier = {row.name: row for row in before.rows} if before else {}
    found: dict[str, float | None] = {}
    for row in rows:
        old = earlier.get(row.name)
        found[row.name] = None
        if before is None or old is None or old.records is None or row.records is None:
            continue
        if old.since == row.since and row.records >= old.records and at > before.at:
            found[row.name] = (row.records - old.records) / (at - before.at)
    return found


def links(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Names and addresses of the servers' own pages that people want most. Pure."""
    pages = {row.name: row.page for row in rows}
    return [(title, pages[name]) for name, title in LINKED.items() if pages.get(name)]
