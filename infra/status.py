"""The state of every server and stream, and the table of it that `./ward status` prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from infra import supervise
from infra.errors import UnavailableError
from infra.metrics import StreamState, read_state
from infra.servers import Server, all_of
from infra.settings import Settings

COLOURS = {"up": "green", "starting": "yellow", "hangs": "red", "down": "red"}
STALE_SECONDS = 90
"""A stream that finished no loop for this long is not up, though its process lives. Neither that nor a server that is
not ready is starting any more after `streams.max_start_seconds`: it hangs."""


@dataclass(frozen=True)
class Row:
    """One server or stream. `since` and `progress` are epoch seconds, 0 when unknown; `lag` in records.

    `records` and `rejected` are counted since its start; None of a server, and of a stream that does not answer.
    """

    name: str
    state: str
    since: float
    pid: int
    memory_bytes: int
    page: str
    lag: float | None
    progress: float
    records: float | None = None
    rejected: float | None = None


def rows(settings: Settings, now: Callable[[], float] = time.time) -> list[Row]:
    """The state of everything, each looked at by its own readiness check."""
    processes = supervise.processes(settings)

    def look(server: Server) -> Row:
        return row_of(settings, server, processes.get(server.name), now)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(look, all_of(settings)))


def row_of(
    settings: Settings, server: Server, process: supervise.Process | None, now: Callable[[], float] = time.time
) -> Row:
    """The state of one by its own readiness check, which takes its time with a server that hangs. `process` is what
    the supervisor knows of it."""
    stream = read_state(settings, server.name) if server.is_stream and process and process.pid else None
    known = unchecked(settings, server, process, now)
    state = "up" if known.state != "down" and _is_up(settings, server, stream, now()) else known.state
    return replace(
        known,
        state=state,
        memory_bytes=process.memory_bytes() if process else 0,
        lag=stream.lag if stream else None,
        progress=stream.last_progress if stream else 0,
        records=stream.records if stream else None,
        rejected=stream.rejected if stream else None,
    )


def unchecked(
    settings: Settings, server: Server, process: supervise.Process | None, now: Callable[[], float] = time.time
) -> Row:
    """What is known of one without asking it: it is starting, or hangs, or is down."""
    state = "down"
    if process is not None and _lives(process):
        state = "starting" if now() - process.started <= settings.streams.max_start_seconds else "hangs"
    return Row(
        name=server.name,
        state=state,
        since=process.started if process else 0,
        pid=process.pid if process else 0,
        memory_bytes=0,
        page=server.page(settings),
        lag=None,
        progress=0,
    )


def _is_up(settings: Settings, server: Server, stream: StreamState | None, now: float) -> bool:
    """Whether one that lives does its work."""
    if server.is_stream:
        return stream is not None and stream.got_on(STALE_SECONDS, now)
    try:
        server.ready(settings)
    except UnavailableError:
        return False
    return True


def _lives(process: supervise.Process) -> bool:
    return process.state not in ("STOPPED", "EXITED", "FATAL", "STOPPING", "UNKNOWN")


def table(found: Iterable[Row], now: float) -> Table:
    """The rows as a table."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("server", "state", "for", "pid", "MiB", "lag", "progress", "page"):
        number = column in ("for", "pid", "MiB", "lag", "progress")
        shown.add_column(column, justify="right" if number else "left", no_wrap=column != "page", overflow="fold")
    for row in found:
        shown.add_row(
            row.name,
            f"[{COLOURS[row.state]}]{row.state}[/]",
            duration(now - row.since) if row.since else "",
            str(row.pid or ""),
            f"{row.memory_bytes / 2**20:,.0f}" if row.memory_bytes else "",
            f"{row.lag:,.0f}" if row.lag is not None else "",
            f"{duration(now - row.progress)} ago" if row.progress else "",
            row.page,
        )
    return shown


def duration(seconds: float) -> str:
    """Seconds in the two largest units: `12s`, `3m 20s`, `5h 2m`, `4d 3h`."""
    whole = max(0, int(seconds))
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("m", whole // 60 % 60), ("s", whole % 60))
    first = next((index for index, (_, count) in enumerate(units) if count), 3)
    return " ".join(f"{count}{unit}" for unit, count in units[first : first + 2] if count) or "0s"


def show(settings: Settings, console: Console) -> bool:
    """Print the table and what is not up. Returns whether everything is up."""
    found = rows(settings)
    console.print(table(found, time.time()))
    total = sum(row.memory_bytes for row in found)
    console.print(f"Memory of all: {total / 2**30:.1f} GiB.")
    missing = [row.name for row in found if row.state != "up"]
    if missing:
        console.print(f"[red]Not up:[/] {', '.join(missing)}. `./ward up` starts them, `./ward logs NAME` says more.")
    return not missing
