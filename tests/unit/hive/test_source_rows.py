"""The rows that MySQL took in, and what becomes of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pymysql
import pytest

from hive import audit, source_rows
from hive.audit import audit_hour
from hive.source_rows import SourceRows, id_range, source_ids
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings

END = datetime(2026, 1, 31, 11, tzinfo=UTC)
ROWS = SourceRows("2026-01-31 10:00:00.000", "2026-01-31 11:00:00.000", END)


class Socket:
    """Takes what is written to it."""

    def sendall(self, _data: bytes) -> None: ...
    def settimeout(self, _seconds: float) -> None: ...
    def close(self) -> None: ...


def packets(*payloads: bytes) -> bytes:
    return b"".join(
        len(payload).to_bytes(3, "little") + bytes([number]) + payload for number, payload in enumerate(payloads, 1)
    )


def text(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def broken_off(*ids: bytes) -> Any:
    """A connection that gives these ids as the first rows of its answer and is then lost."""
    column = text(b"def") + 3 * text(b"") + 2 * text(b"id") + b"\x0c\x3f\x00\x14\x00\x00\x00\x08\x00\x00\x00\x00\x00"
    connection: Any = pymysql.connections.Connection(defer_connect=True)
    connection._sock, connection._current_timeout, connection.server_status = Socket(), None, 2
    connection._rfile = BytesIO(packets(b"\x01", column, b"\xfe\x00\x00\x02\x00", *map(text, ids)))
    return connection


def test_a_connection_that_is_lost_while_ids_are_read_makes_mysql_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_rows, "reader_connection", lambda _settings: broken_off(b"7", b"8"))
    monkeypatch.setattr(source_rows, "FETCH_ROWS", 1)
    ids = source_ids(Settings(), ROWS)
    assert (next(ids), next(ids)) == (7, 8)
    with pytest.raises(UnavailableError, match=r"MySQL at .*Lost connection"):
        next(ids)


def test_what_is_not_read_any_more_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = broken_off(b"7", b"8")
    monkeypatch.setattr(source_rows, "reader_connection", lambda _settings: connection)
    monkeypatch.setattr(source_rows, "FETCH_ROWS", 1)
    ids = source_ids(Settings(), ROWS)
    assert next(ids) == 7
    ids.close()
    assert not connection.open


def test_a_table_that_is_gone_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"\xff\x7a\x04#42S02Table 'health.x' doesn't exist"
    connection = broken_off()
    connection._rfile = BytesIO(packets(refusal))
    monkeypatch.setattr(source_rows, "reader_connection", lambda _settings: connection)
    with pytest.raises(ConfigurationError, match=r"health\.patients_vital_info cannot be read.*doesn't exist"):
        id_range(Settings(), ROWS)


def test_mysql_is_asked_for_ids_once_hive_has_sorted_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Hive:
        def run(self, _statement: str) -> Any:
            asked.append("Hive")
            return type("Answer", (), {"rows": iter([(1, 1)])})

    @contextmanager
    def session(_settings: Settings) -> Any:
        yield Hive()

    def ids(_settings: Settings, _rows: SourceRows) -> Any:
        asked.append("MySQL")
        yield 1

    def wait(_settings: Settings, end: datetime, _ids: Sequence[int], _seconds: float) -> None:
        assert end == END

    monkeypatch.setattr(audit, "find_rows", lambda *_: ROWS)
    monkeypatch.setattr(audit, "id_range", lambda *_: (1, 1))
    monkeypatch.setattr(audit, "wait_until_landed", wait)
    monkeypatch.setattr(audit, "hive_session", session)
    monkeypatch.setattr(audit, "source_ids", ids)
    assert audit_hour(Settings(), datetime(2026, 1, 31, 10, tzinfo=UTC), END).agrees
    assert asked == ["Hive", "MySQL"]
