"""`up` and `down`: everything in dependency order, independent servers side by side."""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

from infra import install, preflight, supervise
from infra.certificates import ensure_certificates
from infra.errors import WardError
from infra.initialise import require_known_layout
from infra.render import render_all
from infra.secrets import ensure_secrets
from infra.servers import Server, all_of, with_dependencies
from infra.settings import Settings

BOOTSTRAPS = {
    "producers": ("mariadb", "kafka"),
    "alerts": ("mariadb", "sns"),
    "dashboard": ("mariadb",),
    "hbase": ("hbase-thrift",),
    "hive": ("datanode", "hiveserver2"),
    "sqoop": ("datanode", "hiveserver2"),
}
"""Rooms whose `bootstrap(settings)` creates what the room needs, in this order, and the servers that it asks."""

SCHEDULER = "airflow-scheduler"
"""Started after the streams, for its first runs would compete with their start; stopped before them, for its DAG
`streams` starts those that do not run."""

AIRFLOW_FIRST = "airflow-api-server"
"""What the rest of Airflow needs. Begun among the servers, where processors are idle while HBase and HiveServer2 wait
for others, and awaited only after the streams, which do not need it: that it does not begin holds nothing up."""

ALARM_PATH = ("vitals-producer", "detect-breaches", "alert-engine", "mailer")
"""What a reading passes until its mail: the first of the streams to start."""

PATIENCE_SECONDS = 120.0
"""For so long the alarm path waits for servers that do not get ready: twice what all of them take on two cores."""

AT_ONCE = 4
"""Servers that start side by side: more than the cores, for a start waits as often as it computes."""


def up(settings: Settings, names: list[str], console: Console) -> None:
    """Bring up the named servers and streams with all they need, or everything.

    What runs is left alone. A server that fails holds up only the servers that need it: the streams are begun without
    it, for they try again, judge by the last thresholds and contacts, and tell ops what is missing. One that does not
    get ready holds up the alarm path for PATIENCE_SECONDS. Raises WardError naming all that failed, when everything
    else is up; a second call goes on from there.
    """
    wanted = with_dependencies(settings, names) if names else all_of(settings)
    with only_one(settings):
        _up(settings, wanted, not names, console)


def _up(settings: Settings, wanted: list[Server], everything: bool, console: Console) -> None:
    if not supervise.alive(settings) and (left := supervise.end_leftovers(settings)):
        console.print(f"[yellow]The supervisor had died:[/] ended {left} processes that it left.")
    running = {process.name for process in supervise.processes(settings).values() if process.pid}
    to_start = [server for server in wanted if server.name not in running]
    if to_start:
        preflight.check(settings, to_start, preflight.NEEDED_MEMORY if not running else 0)
    install.ensure_installed(settings, console)
    preflight.check_java()
    require_known_layout(settings)
    ensure_secrets(settings)
    ensure_certificates(settings)
    render_all(settings)
    supervise.ensure_supervisor(settings)
    begun = time.monotonic()
    first, then, last = start_order(wanted)
    failed: dict[str, str] = {}
    alarm_path = [server for server in then if server.name in ALARM_PATH]
    _start_all(settings, first, console, failed, unawaited=frozenset({AIRFLOW_FIRST}), impatient=alarm_path)
    if everything or any(server.is_stream for server in wanted):
        there = running.union(server.name for server in wanted) - failed.keys()
        _bootstrap(settings, rooms_to_bootstrap(settings, there), console, failed)
    _start_all(settings, then, console, failed)
    _start_all(settings, last, console, failed)
    if failed:
        raise WardError(f"Not everything is up. {' '.join(failed.values())} Mend that, then `./ward up` again.")
    console.print(f"[green]Up[/] after {time.monotonic() - begun:.0f} s. `./ward status` shows pages and lag.")


def down(settings: Settings, console: Console) -> None:
    """Stop the streams, then the servers, last started first, then the supervisor. Every byte of data stays."""
    with only_one(settings):
        if supervise.alive(settings):
            _down(settings, console)
        else:
            supervise.shut_down(settings)
            console.print("Nothing is running.")


def _down(settings: Settings, console: Console) -> None:
    # One that has just crashed has no process and is still to be stopped, else it comes back meanwhile.
    active = {process.name for process in supervise.processes(settings).values() if process.state != "STOPPED"}
    order = stop_order([server for server in all_of(settings) if server.name in active])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for group in order:
            list(pool.map(lambda server: supervise.stop(settings, server.name), group))
            console.print(f"stopped {', '.join(server.name for server in group)}")
    supervise.shut_down(settings)
    console.print("[green]Down.[/] All data is kept.")


@contextmanager
def only_one(
    settings: Settings, what: str = "`./ward up`, `down` or `restart`", lock: str = "lifecycle"
) -> Iterator[None]:
    """Keep a second one of the same stack out. The lock goes with the process, however it ends.

    Raises WardError when another holds it.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with (settings.state_dir / f"{lock}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WardError(f"Another {what} of this stack is at work: wait for it.") from error
        yield


def start_order(servers: list[Server]) -> tuple[list[Server], list[Server], list[Server]]:
    """What is started before the tables and topics are made, what after it, and what when all of that is ready.

    The streams need no Airflow, so it comes after them: on few cores it would take the time in which nobody is alarmed.
    Only the server that the rest of it needs is begun before, and is among the first and the last.
    """
    airflow = [server for server in servers if server.name.startswith("airflow-")]
    streams = sorted(
        (server for server in servers if server.is_stream),
        key=lambda server: ALARM_PATH.index(server.name) if server.name in ALARM_PATH else len(ALARM_PATH),
    )
    begun = [server for server in airflow if server.name == AIRFLOW_FIRST]
    return (
        [*(server for server in servers if not server.is_stream and server not in airflow), *begun],
        streams,
        airflow,
    )


def stop_order(servers: list[Server]) -> list[list[Server]]:
    """The servers in groups to stop one after the other: each before what it needs.

    Airflow's scheduler is first, for it starts a stream that it finds stopped; then the streams.
    """
    levels: list[list[Server]] = []
    depth: dict[str, int] = {}
    for server in servers:
        below = [depth[name] for name in server.depends_on if name in depth]
        depth[server.name] = max(below, default=-1) + 1
    streams = [server for server in servers if server.is_stream]
    scheduler = [server for server in servers if server.name == SCHEDULER]
    others = [server for server in servers if not server.is_stream and server.name != SCHEDULER]
    for level in range(max((depth[server.name] for server in others), default=-1) + 1):
        levels.append([server for server in others if depth[server.name] == level])
    return [group for group in (scheduler, streams, *reversed(levels)) if group]


@dataclass
class _Start:
    """The servers still to start, those on the way and those that are ready; why the `failed` have."""

    settings: Settings
    console: Console
    waiting: dict[str, Server]
    failed: dict[str, str]
    unawaited: frozenset[str] = frozenset()
    starting: dict[Future[str], Server] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def submit_possible(self, pool: ThreadPoolExecutor) -> None:
        for server in list(self.waiting.values()):
            pending = {*self.waiting, *(other.name for other in self.starting.values())}
            if pending.intersection(server.depends_on):
                continue
            del self.waiting[server.name]
            missing = [name for name in server.depends_on if name in self.failed]
            if missing and not server.is_stream:
                self.fail(server, f"{server.name} needs {' and '.join(missing)}.")
            else:
                is_awaited = not missing and server.name not in self.unawaited
                self.starting[pool.submit(self._bring_up, server, is_awaited)] = server

    def fail(self, server: Server, why: str) -> None:
        """It is not up, and what needs it does not wait for it."""
        if self.failed.get(server.name) != why:
            self.console.print(f"[red]✗[/] {why}")
        self.failed[server.name] = why

    def go_ahead(self, streams: Sequence[Server]) -> None:
        """Begin streams though servers are still on their way; they are awaited when it is their turn."""
        names = ", ".join(server.name for server in streams)
        late = ", ".join([*(server.name for server in self.starting.values()), *self.waiting])
        self.console.print(f"[yellow]Not ready after {PATIENCE_SECONDS:.0f} s:[/] {late}. Begun without: {names}.")
        for server in streams:
            try:
                self._begin(server)
            except WardError as error:
                self.console.print(f"[yellow]{server.name} later:[/] {error}")

    def _bring_up(self, server: Server, is_awaited: bool) -> str:
        """Start it; how long that took, if it is awaited."""
        begun = time.monotonic()
        if self.cancelled.is_set():
            return ""
        try:
            self._begin(server)
        except WardError as error:
            if server.name not in self.unawaited:
                raise
            self.console.print(f"[yellow]{server.name} later:[/] {error}")
        if not is_awaited:
            return f"[dim]…[/] {server.name}"
        supervise.wait_ready(self.settings, server.name, cancelled=self.cancelled)
        return f"[green]✓[/] {server.name:<22} {time.monotonic() - begun:6.1f} s"

    def _begin(self, server: Server) -> None:
        process = supervise.processes(self.settings).get(server.name)
        if process is None or not process.pid:
            server.prepare(self.settings)
            supervise.start(self.settings, server.name)


def _start_all(
    settings: Settings,
    servers: list[Server],
    console: Console,
    failed: dict[str, str],
    unawaited: frozenset[str] = frozenset(),
    impatient: Sequence[Server] = (),
) -> None:
    """Start them; those that fail are added to `failed`, with the reason. `impatient`: streams that are begun after
    PATIENCE_SECONDS even so."""
    order = _Start(settings, console, {server.name: server for server in servers}, failed, unawaited)
    with ThreadPoolExecutor(AT_ONCE) as pool, console.status("starting …") as status:
        try:
            order.submit_possible(pool)
            impatient_at = time.monotonic() + PATIENCE_SECONDS
            while order.starting:
                status.update(f"starting {', '.join(server.name for server in order.starting.values())} …")
                left = max(0.0, impatient_at - time.monotonic()) if impatient else None
                finished, _ = wait(order.starting, left, FIRST_COMPLETED)
                if impatient and time.monotonic() >= impatient_at:
                    order.go_ahead(impatient)
                    impatient = ()
                for future in finished:
                    server = order.starting.pop(future)
                    try:
                        console.print(future.result())
                    except WardError as error:
                        order.fail(server, str(error))
                order.submit_possible(pool)
        except BaseException:
            order.cancelled.set()
            raise


def rooms_to_bootstrap(settings: Settings, up: set[str]) -> list[str]:
    """The rooms none of whose servers is missing from `up`; one that these settings have elsewhere is not missing."""
    ours = {server.name for server in all_of(settings)}
    return [room for room, asked in BOOTSTRAPS.items() if up.issuperset(ours.intersection(asked))]


def _bootstrap(settings: Settings, rooms: list[str], console: Console, failed: dict[str, str]) -> None:
    if left_out := [room for room in BOOTSTRAPS if room not in rooms]:
        console.print(
            f"[dim]Tables and topics of {', '.join(left_out)} are left as they are: their servers do not run.[/]"
        )
    for room in rooms:
        if importlib.util.find_spec(f"{room}.bootstrap") is None:
            continue
        begun = time.monotonic()
        with console.status(f"{room}: creating what is missing …"):
            bootstrap: Callable[[Settings], None] = importlib.import_module(f"{room}.bootstrap").bootstrap
            try:
                bootstrap(settings)
            except (WardError, RuntimeError) as error:  # the latter from HDFS
                why = failed[f"tables of {room}"] = f"{room} could not create its tables or topics: {error}"
                console.print(f"[red]✗[/] {why}")
                continue
        console.print(f"[green]✓[/] {room + ' tables and topics':<22} {time.monotonic() - begun:6.1f} s")
