"""Faults other than a kill: servers that hang or are slow, connections that are cut, disks that are full, power that is
cut."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from infra import supervise
from infra.render import data_dir, run_dir
from infra.servers import find
from infra.settings import Settings
from tests.faults.campaign import family
from tests.running import run_ward

CUTS = 5
CUT_PAUSE_SECONDS = 2.0
CUT_SEEN_SECONDS = 5.0
ENDED_SECONDS = 60.0
HELD_BACK_SECONDS, PASSED_SECONDS = 0.3, 0.1
MIB = 2**20
GIB = 2**30
EXT4_IOC_SHUTDOWN, NOTHING_WRITTEN = 0x8004587D, struct.pack("I", 2)
"""What ext4 takes as the end of its disk's power: nothing reaches it any more, neither files nor journal."""


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
def on_a_disk_of_its_own(settings: Settings, room_gib: int) -> Iterator[Path]:
    """Move the data of all servers, which do not run, to an ext4 of its own with `room_gib` to spare, and back again,
    with them stopped once more. Yields the image of its disk.

    The inbox stays where it was: it stands for the doctors' mailboxes, which no power cut of ours reaches.
    """
    directory, inbox = data_dir(settings), data_dir(settings, "inbox")
    elsewhere, image = directory.with_name("data-elsewhere"), directory.with_name("data.img")
    mailboxes = directory.with_name("inbox-elsewhere")
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    inbox.rename(mailboxes)
    inbox.symlink_to(mailboxes)
    directory.rename(elsewhere)
    directory.mkdir(mode=0o700)
    with image.open("wb") as file:
        file.truncate(size + room_gib * GIB)
    _run("mkfs.ext4", "-q", str(image))
    _run("mount", "-o", "loop", str(image), str(directory))
    _run("cp", "-a", f"{elsewhere}/.", str(directory))
    try:
        yield image
    finally:
        run_ward("down")
        shutil.rmtree(elsewhere)
        _run("cp", "-a", str(directory), str(elsewhere))
        _run("umount", str(directory))
        directory.rmdir()
        elsewhere.rename(directory)
        inbox.unlink()
        mailboxes.rename(inbox)
        image.unlink()


def cut_power(settings: Settings, image: Path) -> float:
    """End every process at once together with the disk below their data, which keeps what was told to be flushed, as
    after a power cut, and is there again afterwards. Returns when it was (epoch seconds)."""
    directory = data_dir(settings)
    supervisor = int((run_dir(settings) / "supervisord.pid").read_text())
    programs = family(supervisor)
    with _stopped_in_its_tracks(programs):
        at = time.time()
        disk = os.open(directory, os.O_RDONLY)
        try:
            fcntl.ioctl(disk, EXT4_IOC_SHUTDOWN, NOTHING_WRITTEN)
        finally:
            os.close(disk)
        for program in programs:
            with suppress(psutil.NoSuchProcess):
                program.kill()
    psutil.wait_procs(programs, timeout=ENDED_SECONDS)
    _run("umount", str(directory))
    _run("mount", "-o", "loop", str(image), str(directory))
    return at


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
