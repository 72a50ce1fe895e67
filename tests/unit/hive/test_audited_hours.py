"""Hours of which MySQL has more rows than at their audit, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
import typer

from hive import audit, audited_hours, source_rows
from hive.audit import AuditResult
from hive.id_merge import compare
from infra.errors import ConfigurationError
from infra.settings import Producer, Settings, Source

HOUR = timedelta(hours=1)
START = datetime(2026, 1, 31, 10, tzinfo=UTC)


class MySQL:
    """A connection that answers each statement with the next of some results, and its cursor."""

    def __init__(self, *results: Any) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._results = list(results)

    def cursor(self) -> MySQL:
        return self

    def __enter__(self) -> MySQL:
        return self

    def __exit__(self, *_: object) -> None: ...
    def close(self) -> None: ...

    def execute(self, statement: str, arguments: Any) -> None:
        self.asked.append((statement, arguments))

    def fetchall(self) -> Any:
        return self._results.pop(0)

    def fetchone(self) -> Any:
        return self._results.pop(0)


@pytest.fixture
def oslo() -> Settings:
    return Settings(source=Source(time_zone="Europe/Oslo"))


def counted(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, hours: list[datetime], kind: str, by_minute: Mapping[int, int]
) -> tuple[list[int], Any]:
    """The rows of each hour when MySQL answers with these minutes, and what it was asked for."""
    mysql = MySQL((kind,), list(by_minute.items()))
    monkeypatch.setattr(source_rows, "reader_connection", lambda _settings: mysql)
    counts = source_rows.row_counts(settings, hours)
    return [counts[hour] for hour in hours], mysql.asked[-1][1]


def test_the_rows_of_hours_are_counted_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = [START - 3 * HOUR, START - HOUR]
    by_minute = {0: 5, 59: 1, 60: 100, 119: 100, 120: 7, 179: 2}
    counts, arguments = counted(monkeypatch, Settings(), hours, "timestamp", by_minute)
    assert counts == [6, 9]
    assert arguments == ("2026-01-31 07:00:00.000", "2026-01-31 07:00:00.000", "2026-01-31 10:00:00.000")


def test_hours_of_a_wall_clock_are_counted_as_they_are_audited(oslo: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hour that the clock shows twice belongs to the first of the two."""
    end_of_summer = [datetime(2025, 10, 26, hour, tzinfo=UTC) for hour in (0, 1, 2)]
    counts, arguments = counted(monkeypatch, oslo, end_of_summer, "datetime", {0: 50, 30: 8, 60: 3})
    assert counts == [58, 0, 3]
    assert arguments == ("2025-10-26 02:00:00.000", "2025-10-26 02:00:00.000", "2025-10-26 04:00:00.000")


def test_without_hours_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_rows, "reader_connection", lambda _settings: pytest.fail("MySQL was asked"))
    assert source_rows.row_counts(Settings(), {}) == {}


def test_hours_that_have_more_rows_than_were_noted_are_found_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """One has as many, one fewer (the source forgets), two have more; what was not noted is not counted."""
    hours = [START - back * HOUR for back in (5, 4, 3, 2)]
    mysql = MySQL([(int(hour.timestamp() * 1000), 10) for hour in hours])
    monkeypatch.setattr(audited_hours, "alerts_connection", lambda _settings: mysql)
    now = dict(zip(hours, (10, 9, 11, 500), strict=True))
    monkeypatch.setattr(audited_hours, "row_counts", lambda _settings, there: {hour: now[hour] for hour in there})
    settings = Settings(producer=Producer(late_commit_audit_hours=6))
    assert audited_hours.grown_since(settings, START) == hours[2:]
    ((_, arguments),) = mysql.asked
    since = int((START - 6 * HOUR).timestamp() * 1000)
    assert arguments == ("health.patients_vital_info", since, int(START.timestamp() * 1000))


def test_notes_that_cannot_be_kept_say_what_creates_their_table(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(MySQL):
        def execute(self, _statement: str, _arguments: Any) -> None:
            raise pymysql.err.ProgrammingError(1146, "Table 'alerts.audited_hours' doesn't exist")

    monkeypatch.setattr(audited_hours, "alerts_connection", lambda _settings: Refusing())
    with pytest.raises(ConfigurationError, match=r"doesn't exist.*`\./ward up` creates it"):
        audited_hours.note(Settings(), START, 7)


class World:
    """Rows in MySQL and Hive by hour, and what was noted; the audit's own parts around them are real."""

    def __init__(self, in_mysql: Mapping[datetime, list[int]], in_hive: Mapping[datetime, list[int]]) -> None:
        self.in_mysql = dict(in_mysql)
        self.in_hive = dict(in_hive)
        self.notes: dict[datetime, int] = {}
        self.audited: list[datetime] = []

    def audit_hour(self, _settings: Settings, start: datetime, end: datetime, _wait: float) -> AuditResult:
        self.audited.append(start)
        return AuditResult(start, end, compare(self.in_mysql.get(start, []), self.in_hive.get(start, [])))

    def note(self, _settings: Settings, hour: datetime, rows: int) -> None:
        self.notes[hour] = rows

    def noted(self, _settings: Settings, first: datetime, end: datetime) -> dict[datetime, int]:
        return {hour: rows for hour, rows in self.notes.items() if first <= hour < end}

    def row_counts(self, _settings: Settings, hours: Mapping[datetime, int]) -> dict[datetime, int]:
        return {hour: len(self.in_mysql.get(hour, [])) for hour in hours}

    def run(
        self, capsys: pytest.CaptureFixture[str], missing: Path, hour: datetime, earlier: bool = True
    ) -> tuple[int, dict[str, Any]]:
        """The program's exit status for an hour, and its finding."""
        status = 0
        try:
            audit.main(hour.isoformat(), (hour + HOUR).isoformat(), 0, missing, earlier)
        except typer.Exit as ended:
            status = ended.exit_code
        return status, json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World({START: [1, 2]}, {START: [1, 2], START + HOUR: []})
    monkeypatch.setattr(audit, "configure_logging", lambda: None)
    monkeypatch.setattr(audit, "audit_hour", world.audit_hour)
    monkeypatch.setattr(audit, "note", world.note)
    monkeypatch.setattr(audited_hours, "noted", world.noted)
    monkeypatch.setattr(audited_hours, "row_counts", world.row_counts)
    return world


def test_a_row_that_is_committed_after_the_audit_of_its_hour_is_found_by_the_next(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing, following = tmp_path / "missing", START + HOUR
    assert world.run(capsys, missing, START)[0] == 0
    status, found = world.run(capsys, missing, following)
    assert (status, found["earlier"], world.audited) == (0, [], [START, following])
    world.in_mysql[START] = [1, 2, 3]
    for _ in range(2):  # as a try that ended before it was sent again
        status, found = world.run(capsys, missing, following)
        assert (status, found["agrees"], missing.read_text()) == (1, True, "3\n")
        [earlier] = found["earlier"]
        assert (earlier["from"], earlier["missing_ids"]) == (START.isoformat(), [3])
    world.in_hive[START] = [1, 2, 3]
    status, found = world.run(capsys, missing, following)
    assert (status, [hour["agrees"] for hour in found["earlier"]], missing.read_text()) == (0, [True], "")
    world.audited.clear()
    assert world.run(capsys, missing, following)[1]["earlier"] == []
    assert world.audited == [following]


def test_an_hour_looks_back_and_never_ahead(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    world.notes = {START: 1, START - 26 * HOUR: 0, START - 2 * HOUR: 0}
    world.in_mysql |= {hour: [1, 2] for hour in world.notes}
    world.in_hive = world.in_mysql
    found = world.run(capsys, tmp_path / "missing", START - HOUR)[1]
    assert [hour["from"] for hour in found["earlier"]] == [(START - 2 * HOUR).isoformat()]


def test_an_audit_by_hand_looks_at_nothing_else_and_notes_nothing(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world.notes = {START - HOUR: 0}
    world.in_mysql[START - HOUR] = [0]
    assert world.run(capsys, tmp_path / "missing", START, earlier=False)[0] == 0
    assert (world.audited, world.notes) == ([START], {START - HOUR: 0})


@pytest.mark.parametrize(
    ("end", "full"), [(START + HOUR, True), (START + 2 * HOUR, False), (START + timedelta(minutes=30), False)]
)
def test_only_a_full_hour_is_noted(end: datetime, full: bool) -> None:
    assert audited_hours.is_an_hour(START, end) is full
    assert not audited_hours.is_an_hour(START + timedelta(minutes=1), end + timedelta(minutes=1))
