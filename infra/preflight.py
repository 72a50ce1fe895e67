"""What must hold before servers are started. Each finding is one sentence that says what to do."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator

import psutil

from infra.errors import ConfigurationError, WardError
from infra.java import java_program
from infra.servers import Server
from infra.settings import PROJECT_ROOT, Settings
from infra.waiting import wait_for

GIB = 1024**3
NEEDED_MEMORY = 8 * GIB
NEEDED_DISK = 10 * GIB
NEEDED_DISK_AGAIN = GIB
"""What a stack that has its data needs to begin again: it may not stay down because its disk has filled up."""

NEEDED_JAVA = 17
ENDING_SECONDS = 10.0
LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel allows 108 and a socket is first bound under a temporary name."""


def check(settings: Settings, servers: Iterable[Server], needed_memory: int = NEEDED_MEMORY) -> None:
    """Raise ConfigurationError with every finding about starting `servers` here, one sentence a line."""
    _raise_if(
        *port_findings(settings, servers),  # first, as it waits for who is ending
        *memory_findings(needed_memory),
        *disk_findings(settings),
        *path_findings(settings),
    )


def check_java() -> None:
    """Raise ConfigurationError when there is no Java that the servers can run on."""
    _raise_if(*java_findings())


def _raise_if(*findings: str) -> None:
    if findings:
        raise ConfigurationError("\n".join(findings))


def java_findings() -> Iterator[str]:
    """Too old a Java, or none."""
    try:
        answer = subprocess.run([java_program(), "-version"], capture_output=True, text=True, check=False).stderr
    except WardError as error:
        yield str(error)
        return
    found = re.search(r'version "(?:1\.)?(\d+)', answer)
    if found is None or int(found[1]) < NEEDED_JAVA:
        version = found[1] if found else "unknown"
        yield f"Java {version} is too old: install version {NEEDED_JAVA} or newer (openjdk-17-jdk-headless)."


def memory_findings(needed: int = NEEDED_MEMORY) -> Iterator[str]:
    """Too little free memory; `needed` in bytes."""
    available = psutil.virtual_memory().available
    if available < needed:
        yield (
            f"Only {available / GIB:.1f} GiB of memory are free and the stack needs {needed / GIB:.0f} GiB: "
            "end other programs or take a larger machine."
        )


def disk_findings(settings: Settings, needed: int | None = None) -> Iterator[str]:
    """Too little room where the data goes; `needed` in bytes."""
    has_begun = (settings.state_dir / "initialised").exists()
    if needed is None:
        needed = NEEDED_DISK_AGAIN if has_begun else NEEDED_DISK
    place = next(path for path in (settings.state_dir, *settings.state_dir.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        advice = "make room" if has_begun else "make room, or set WARDWATCH_STATE_DIR to another disk"
        yield (
            f"Only {free / GIB:.1f} GiB of disk are free at {settings.state_dir} and the stack needs "
            f"{needed / GIB:.0f} GiB: {advice}."
        )


def check_disk(settings: Settings) -> None:
    """Raise ConfigurationError when there is too little room for what is to be started."""
    _raise_if(*disk_findings(settings))


def path_findings(settings: Settings) -> Iterator[str]:
    """A place that the servers cannot work at."""
    longest = str(settings.state_dir / "run" / "supervisor.sock")
    if len(longest.encode()) > LONGEST_SOCKET_PATH:
        yield f"The path {longest} is too long for a socket: set WARDWATCH_STATE_DIR to a shorter one."
    for path in (settings.state_dir, PROJECT_ROOT):
        if re.search(r"[\s:%\"]", str(path)):
            yield f"The path {path} has a space, colon, quote or percent sign, which the servers cannot take: move it."


def port_findings(settings: Settings, servers: Iterable[Server]) -> Iterator[str]:
    """Ports that something else has."""
    ports = {name: (getattr(settings.ports, name), server.name) for server in servers for name in server.ports}
    # Of who was killed the kernel takes the memory first and the ports last: until then they are nobody's.
    wait_for(lambda: all(_free(port) or _owner(port) for port, _ in ports.values()), ENDING_SECONDS, 0.2)
    for name, (port, server) in ports.items():
        if not _free(port):
            yield (
                f"Port {port} of {server} is taken by {_owner(port) or 'another process'}: end that, or set "
                f"WARDWATCH_PORTS__{name.upper()} (or WARDWATCH_PORT_OFFSET to move all ports)."
            )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _owner(port: int) -> str | None:
    """Who listens there; None: nobody whom we can see."""
    for connection in psutil.net_connections("tcp"):
        address = connection.laddr
        listens = connection.status == psutil.CONN_LISTEN and address and address.port == port
        if listens and connection.pid:
            try:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                break
    return None
