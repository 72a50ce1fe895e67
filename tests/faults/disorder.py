"""Faults other than a kill: servers that hang or are slow, connections that are cut, disks that are full."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from infra import supervise
from infra.render import data_dir
from infra.servers import find
from infra.settings import Settings
from tests.faults.campaign import family

CUTS = 5
CUT_PAUSE_SECONDS = 2.0
CUT_SEEN_SECONDS = 5.0
HELD_BACK_SECONDS, PASSED_SECONDS = 0.3, 0.1
MIB = 2**20


def hang(settings: Settings, name: str, seconds: float) -> None:
    """Stop a server's processes (SIGSTOP) for so long: its connections stay, and nothing answers."""
    with _stopped_in_its_tracks(family(supervise.processes(settings)[name].pid)):
        threading.Event().wait(seconds)


def slow_down(settings: Settings, name: str, seconds: float) -> None:
    """Delay whatever goes over a server's connections, in either direction, by up to HELD_BACK_SECONDS, for so long: it
    is stopped and goes on again and again. The loopback of many kernels cannot be told to delay."""
    processes, pause = family(supervise.processes(settings)[name].pid), threading.Event()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with _stopped_in_its_tracks(processes):
            pause.wait(HELD_BACK_SECONDS)
        pause.wait(PASSED_SECONDS)


def cut_connections(settings: Settings, name: str) -> None:
    """Have the kernel end every connection to a server, on both sides, several times in a few seconds.

    Fails when one of ours outlives it: there are kernels that cannot do it, and say nothing.
    """
    ports = [getattr(settings.ports, port) for port in find(settings, name).ports]
    for _ in range(CUTS):
        with socket.create_connection(("127.0.0.1", ports[0])) as own:
            cut(ports)
            assert is_cut(own), f"the kernel does not cut connections to {name}"
        threading.Event().wait(CUT_PAUSE_SECONDS)


def cut(ports: Sequence[int]) -> None:
    """Have the kernel end every connection from and to these ports."""
    condition = " or ".join(f"dport = :{port} or sport = :{port}" for port in ports)
    _run("ss", "-K", "-t", "state", "established", f"( {condition} )")


def is_cut(connection: socket.socket) -> bool:
    """Whether it was broken off, whatever the other side had said before."""
    connection.settimeout(CUT_SEEN_SECONDS)
    try:
        while connection.recv(4096):
            continue
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return False


@contextmanager
def on_a_small_disk(settings: Settings, name: str, room_mib: int) -> Iterator[Path]:
    """Move a server's data, with it stopped, to a file system of its own with `room_mib` to spare, and back again."""
    directory = data_dir(settings, name)
    elsewhere = directory.with_name(f"{name}-elsewhere")
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    with _stopped(settings, name):
        directory.rename(elsewhere)
        directory.mkdir(mode=0o700)
        _run("mount", "-t", "tmpfs", "-o", f"size={size // MIB + room_mib}m,mode=700", "tmpfs", str(directory))
        shutil.copytree(elsewhere, directory, dirs_exist_ok=True)
    try:
        yield directory
    finally:
        with _stopped(settings, name):
            shutil.rmtree(elsewhere)
            shutil.copytree(directory, elsewhere)
            _run("umount", str(directory))
            directory.rmdir()
            elsewhere.rename(directory)


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """Fill the file system of `directory` to its last byte, and give the room back. Fails when it takes more."""
    filler = directory / "filler"
    with filler.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"\0" * MIB)
            file.flush()
    try:
        assert not takes_more(directory), f"{directory} is not full"
        yield
    finally:
        filler.unlink()


def takes_more(directory: Path) -> bool:
    """Whether there is room for another MiB."""
    one_more = directory / "one-more"
    try:
        one_more.write_bytes(b"\0" * MIB)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    finally:
        one_more.unlink(missing_ok=True)
    return True


@contextmanager
def _stopped_in_its_tracks(processes: list[psutil.Process]) -> Iterator[None]:
    """They do nothing meanwhile (SIGSTOP); one that has ended by itself is no matter."""
    try:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def _stopped(settings: Settings, name: str) -> Iterator[None]:
    supervise.stop(settings, name)
    yield
    supervise.start(settings, name)
    supervise.wait_ready(settings, name)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
