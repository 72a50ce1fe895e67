"""A server that hangs does not take every thread of the pages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pymysql
import pytest
from nicegui import run

from dashboard.alarms.acts import SilenceForm, end_silence, silence
from dashboard.board.element import refresh
from dashboard.database import ANSWER_SECONDS
from dashboard.pages.alarms import _load
from dashboard.patient.admissions import Admissions, Patient
from dashboard.patient.bands import KEPT_SECONDS, Limits
from dashboard.roles import Role
from hbase import snapshots
from infra.errors import UnavailableError
from infra.settings import Settings
from tests.unit.dashboard.visits import OpenVisit, visit_of

PATIENCE_SECONDS = 300
FORM = SilenceForm("P1", "", "", "1h", "", "known to run low", 1_790_000_000_000)
ASKED: list[Callable[[OpenVisit], Any]] = [
    lambda visit: silence(visit, FORM),
    lambda visit: end_silence(visit, 1),
    lambda visit: _load(visit, "a" * 32),
    lambda visit: Admissions(visit.house.settings).discharge(Patient("P1", {}), visit.record),
]


@pytest.mark.parametrize("ask", ASKED)
def test_mysql_is_waited_for_a_short_time_only(
    ask: Callable[[OpenVisit], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[float] = []

    def connect(*, read_timeout: float, **_: Any) -> None:
        patience.append(read_timeout)
        raise pymysql.err.OperationalError(2003, "away")

    monkeypatch.setattr(pymysql, "connect", connect)
    monkeypatch.setattr(Settings, "secret", lambda *_: "secret")
    with pytest.raises(UnavailableError):
        ask(visit_of(Role.DOCTOR, tmp_path))
    assert patience == [ANSWER_SECONDS]


def test_while_hdfs_hangs_only_who_asks_waits_and_the_others_have_the_limits_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, answers = threading.Event(), threading.Event()
    now = [0.0]

    def latest(_settings: Settings) -> Any:
        if now[0]:
            asked.set()
            answers.wait()
        return SimpleNamespace(rows=[f"row of {now[0]:.0f}"])

    def texts(limits: Limits) -> list[str]:
        return [str(row) for row in limits.rows()]

    monkeypatch.setattr(snapshots, "latest", latest)
    limits = Limits(Settings(), lambda: now[0])
    assert texts(limits) == ["row of 0"]
    now[0] = KEPT_SECONDS
    asking = threading.Thread(target=limits.rows)
    asking.start()
    asked.wait()
    assert texts(limits) == ["row of 0"]
    answers.set()
    asking.join()
    assert texts(limits) == ["row of 10"]


def test_who_knows_no_limits_does_not_wait_for_hdfs_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.patient.bands.TURN_SECONDS", 0.01)
    asked, answers = threading.Event(), threading.Event()

    def latest(_settings: Settings) -> None:
        asked.set()
        answers.wait()

    monkeypatch.setattr(snapshots, "latest", latest)
    limits = Limits(Settings())
    asking = threading.Thread(target=limits.rows)
    asking.start()
    asked.wait()
    with pytest.raises(UnavailableError, match="has not answered"):
        limits.rows()
    answers.set()
    asking.join()


def test_the_board_goes_on_while_all_threads_of_the_pages_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, board = threading.Event(), MagicMock()
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(run, "thread_pool", pool)
        pool.submit(answers.wait)
        with suppress(TimeoutError):
            asyncio.run(asyncio.wait_for(refresh(board), PATIENCE_SECONDS))
        answers.set()
    board.refresh.assert_called_once()
