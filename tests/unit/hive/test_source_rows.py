"""The rows that MySQL took in, and what becomes of its errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pymysql
import pytest

from hive import audit, source_rows
from hive.landed import NotYetLandedError
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


class Audited:
    """What an audit asks, in order, and is answered: `ranges` of ids in turn, `in_hive` and `in_mysql`."""

    def __init__(self, in_hive: Sequence[int], in_mysql: Sequence[int], *ranges: tuple[int, int]) -> None:
        self.asked: list[str] = []
        self._in_hive, self._in_mysql, self._ranges = in_hive, in_mysql, iter(ranges)

    def id_range(self, *_: object) -> tuple[int, int]:
        return next(self._ranges)

    def run(self, _statement: str) -> Any:
        self.asked.append("Hive")
        return type("Answer", (), {"rows": iter([(one, 1) for one in self._in_hive])})

    def ids(self, *_: object) -> Iterator[int]:
        self.asked.append("MySQL")
        yield from self._in_mysql

    def result(self, monkeypatch: pytest.MonkeyPatch) -> audit.AuditResult:
        def wait(_settings: Settings, end: datetime, _ids: Sequence[int], _seconds: float) -> None:
            assert end == END

        monkeypatch.setattr(audit, "find_rows", lambda *_: ROWS)
        monkeypatch.setattr(audit, "id_range", self.id_range)
        monkeypatch.setattr(audit, "wait_until_landed", wait)
        monkeypatch.setattr(audit, "hive_session", lambda _settings: nullcontext(self))
        monkeypatch.setattr(audit, "source_ids", self.ids)
        return audit.audit_hour(Settings(), datetime(2026, 1, 31, 10, tzinfo=UTC), END)


def test_mysql_is_asked_for_ids_once_hive_has_sorted_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    audited = Audited([1], [1], (1, 1))
    assert audited.result(monkeypatch).agrees
    assert audited.asked == ["Hive", "MySQL"]


def test_a_row_that_hive_lacks_is_missing_while_nothing_was_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Audited([1, 3], [1, 2, 3], (1, 3), (1, 3)).result(monkeypatch).missing_ids == [2]


def test_a_row_that_was_committed_during_the_audit_may_be_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotYetLandedError, match="committed during the audit"):
        Audited([1, 2], [1, 2, 3], (1, 2), (1, 3)).result(monkeypatch)


def test_a_row_of_no_time_is_in_no_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "of_no_time", lambda _settings, ids: {2} & set(ids))
    result = Audited([1, 2, 3], [1], (1, 1)).result(monkeypatch)
    assert (result.unexpected_ids, result.counts["unexpected"]) == ([3], 1)
