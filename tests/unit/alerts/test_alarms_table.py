"""Which alarms a list holds. SQLite takes these statements as MySQL does, but for the marks of their arguments."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, cast

from pymysql.cursors import Cursor

from alerts.alarms_table import COLUMNS, list_of_vital

NAMES = [name.strip() for name in COLUMNS.split(",")]


class Table:
    """A cursor on a table of alarms."""

    def __init__(self) -> None:
        self._cursor = sqlite3.connect(":memory:").cursor()
        self._cursor.execute(f"CREATE TABLE alarms ({COLUMNS})")

    def add(self, alarm_id: str, **values: object) -> None:
        row = {"alarm_id": alarm_id, "patient_id": "P1", "attribute": "spo2", "started_at": 1, "breaches": 1, **values}
        row.setdefault("last_breach_at", row.get("raised_at"))
        self.execute(f"INSERT INTO alarms VALUES ({', '.join(['%s'] * len(NAMES))})", [row.get(name) for name in NAMES])

    def execute(self, statement: str, arguments: Sequence[object]) -> None:
        self._cursor.execute(statement.replace("%s", "?"), arguments)

    def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    def of_spo2(self, limit: int) -> list[str]:
        return [one.alarm_id for one in list_of_vital(cast(Cursor, self), "P1", "spo2", (100, 200), limit)]


def test_alarms_of_a_vital_are_those_that_were_active_in_the_time_however_many_others_are_newer() -> None:
    table = Table()
    table.add("lasting", raised_at=50)
    table.add("ended within", raised_at=60, ended_at=100)
    table.add("raised within", raised_at=200, ended_at=900)
    table.add("over before", raised_at=50, ended_at=99)
    table.add("raised later", raised_at=201)
    table.add("never raised", last_breach_at=150)
    table.add("of another", patient_id="P2", raised_at=150)
    for number in range(20):
        table.add(f"of another vital {number}", attribute="glucose", raised_at=150, last_breach_at=1_000 + number)
    assert table.of_spo2(10) == ["raised within", "ended within", "lasting"]
    assert table.of_spo2(2) == ["raised within", "ended within"]
