"""How the fault suite sees that a connection was cut, and that a disk is full."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import disorder
from tests.faults.disorder import is_cut, takes_more

BROKEN_OFF = struct.pack("ii", 1, 0)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's and a server's end of a connection; the server has greeted."""
    monkeypatch.setattr(disorder, "CUT_SEEN_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.sendall(b"220 hello")
            yield client, accepted


def test_a_connection_that_is_broken_off_is_cut(ends: tuple[socket.socket, socket.socket]) -> None:
    client, server = ends
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, BROKEN_OFF)
    server.close()
    assert is_cut(client)


def test_a_connection_that_stays_is_not(ends: tuple[socket.socket, socket.socket]) -> None:
    client, _ = ends
    assert not is_cut(client)


def test_a_connection_that_the_server_has_ended_is_not(ends: tuple[socket.socket, socket.socket]) -> None:
    client, server = ends
    server.close()
    assert not is_cut(client)


def test_a_directory_with_room_takes_more_and_is_left_as_it_was(tmp_path: Path) -> None:
    assert takes_more(tmp_path)
    assert [*tmp_path.iterdir()] == []
