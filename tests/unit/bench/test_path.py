"""No high alarm is left out of the path's figures for want of a mail.

SQLite takes the statements about alarms as MySQL does, but for the marks of their arguments.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from bench import path
from bench.path import Raised, _await_told, _has_read_all, _high_alarms, _raised, _report
from infra.errors import WardError
from infra.metrics import StreamState
from infra.settings import Settings

DELAYS = {"b1": 1_000, "b2": 2_000}


def test_alarms_that_are_raised_or_told_late_are_waited_for_and_counted() -> None:
    looks = [{"a": True, "b": False}, {"a": True, "b": True}]
    assert _await_told(lambda: looks.pop(0), 60) == 2


def test_an_alarm_without_a_mail_is_an_error_that_names_it() -> None:
    with pytest.raises(WardError, match="Of 3 high alarms 2 have no sent mail after 0 s: b, c"):
        _await_told(lambda: {"a": True, "b": False, "c": False}, 0)


def test_no_alarm_at_all_is_no_figure() -> None:
    with pytest.raises(WardError, match="No high alarm was raised"):
        _await_told(dict, 0)


@pytest.mark.parametrize(("progress", "lag", "expected"), [(11.0, 0, True), (11.0, 3, False), (9.0, 0, False)])
def test_a_stream_has_read_all_when_it_says_so_afterwards(progress: float, lag: int, expected: bool) -> None:
    assert _has_read_all(StreamState(1.0, progress, lag, 5, 0), since=10.0) == expected
    assert not _has_read_all(None, since=10.0)


def test_mails_that_waited_for_others_are_counted_apart() -> None:
    raised = [Raised("b1", 1_100, 1_150, 1_500), Raised("b2", 2_100, 22_000, 22_100)]
    figures = {one.name: one.value for one in _report(3, raised, DELAYS, 120, 1).figures}
    assert figures["high alarms, each with a sent mail"] == "3"
    assert figures["  by a reading and told as high; at once"] == "2; 1"
    assert figures["commit to SNS, longest"] == "0.50 s"


class Alerts:
    """The tables of alarms; times are of the clock."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:")
        self._run("CREATE TABLE alarms (alarm_id, kind, peak_severity)")
        events = "event_id INTEGER PRIMARY KEY, alarm_id, at, what, breach_id, notification_id"
        self._run(f"CREATE TABLE alarm_events ({events})")
        self._run("CREATE TABLE notifications (notification_id, severity, created_at, sent_at)")

    def alarm(self, alarm: str, at: int, peak: str = "high") -> None:
        self._run("INSERT INTO alarms VALUES (?, 'clinical', ?)", alarm, peak)
        self.event(alarm, "raised", at, f"breach of {alarm}")

    def event(self, alarm: str, what: str, at: int, breach: str | None, mail: str | None = None) -> None:
        statement = "INSERT INTO alarm_events (alarm_id, at, what, breach_id, notification_id) VALUES (?, ?, ?, ?, ?)"
        self._run(statement, alarm, at, what, breach, mail)

    def mail(self, alarm: str, what: str, severity: str, at: int, sent_at: int | None) -> None:
        self.event(alarm, what, at, None, f"{what} {alarm}")
        self._run("INSERT INTO notifications VALUES (?, ?, ?, ?)", f"{what} {alarm}", severity, at, sent_at)

    def rows(self, _settings: Settings, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        return self._run(statement.replace("%s", "?"), *arguments)

    def _run(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        return self._database.execute(statement, arguments).fetchall()


def test_every_alarm_that_was_high_is_listed_whether_it_is_told_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = Alerts()
    monkeypatch.setattr(path, "_rows", alerts.rows)
    for alarm in ("told", "not decided", "waits", "over before its turn", "told as medium only"):
        alerts.alarm(alarm, 1_000)
    alerts.alarm("long ago", 10)
    alerts.alarm("medium", 1_000, peak="medium")
    alerts.mail("told", "raised", "high", 1_100, 1_200)
    alerts.mail("waits", "raised", "high", 1_100, None)
    alerts.mail("over before its turn", "resolved", "high", 1_100, 1_200)
    alerts.mail("told as medium only", "raised", "medium", 1_100, 1_200)
    assert _high_alarms(Settings(), 500) == {
        "told": True,
        "not decided": False,
        "waits": False,
        "over before its turn": True,
        "told as medium only": False,
    }
    assert _raised(Settings(), 500) == [Raised("breach of told", 1_000, 1_100, 1_200)]
