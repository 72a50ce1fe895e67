"""Tables and columns of a site that are called as nobody should call them: what MySQL is asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
import pytest
from pymysql.connections import Connection

from alerts.trace import trace_reading
from alerts.wards import contacts_of, wards_on_record
from dashboard.live.register import admitted
from dashboard.patient import admissions
from dashboard.patient.admissions import Admissions
from hive.source_rows import SourceRows, id_range, of_no_time, source_ids
from infra.errors import WardError
from infra.identifiers import quoted, quoted_table
from infra.settings import Contacts, Settings, Source
from producers import source
from producers.mapping import ColumnPlan, TimeColumn
from sqoop.source import Column, ContactsTable

COLUMNS = {"patient_id": "id %s", "name": "full.name", "admitted_ward": "its `ward`", "discharged_at": "left"}
SETTINGS = Settings(
    contacts=Contacts(table="clinic.100% of `us`", columns=COLUMNS),
    source=Source(table="clinic.rows %", key_column="key", inserted_at_column="in %s"),
)
PLAN = ColumnPlan(
    "key", "id %s", None, None, TimeColumn("in %s", ZoneInfo("UTC")), (("bp %", "blood_pressure", False),)
)
ROWS = SourceRows("2026-01-31 10:00", "2026-01-31 11:00", datetime(2026, 1, 31, 11, tzinfo=UTC))
TABLE = ContactsTable(SETTINGS.contacts.table, {name: Column(theirs, "varchar") for name, theirs in COLUMNS.items()})

PEOPLE = "`clinic`.`100% of ``us```"
READINGS = "`clinic`.`rows %`"
ID, NAME, WARD = "CAST(`id %s` AS CHAR)", "CAST(`full.name` AS CHAR)", "CAST(`its ``ward``` AS CHAR)"
PATIENT = f"{ID}, {NAME}, {WARD}, CAST(`left` AS CHAR) FROM {PEOPLE}"
LATELY = "`left` IS NULL OR `left` > NOW(3) - INTERVAL 1 DAY"


class Server:
    """Takes the place of a connection and of its cursor, and answers with no row; `sent`: what would reach MySQL."""

    description = ((None, 0),) * 4
    open = True
    _result = None

    def __init__(self) -> None:
        self.sent: list[str] = []

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None: ...
    def close(self) -> None: ...

    def cursor(self, *_: object) -> Server:
        return self

    def execute(self, statement: str, arguments: Any = None) -> None:
        connection: Any = Connection(defer_connect=True)
        connection.server_status = 0
        self.sent.append(connection.cursor().mogrify(statement, arguments))

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return []

    def fetchmany(self, _rows: int) -> list[Any]:
        return []


def follow() -> None:
    reader = source.SourceReader(SETTINGS)
    reader.open()
    reader.after(7, 10)


def trace() -> None:
    with suppress(WardError):
        next(trace_reading(SETTINGS, 7))


@pytest.mark.parametrize(
    ("ask", "statement"),
    [
        (
            lambda: wards_on_record(SETTINGS, 0),
            f"SELECT `its ``ward```, MAX(`left`), MAX(`left` IS NULL) FROM {PEOPLE} WHERE `its ``ward``` IS NOT NULL"
            f" AND ({LATELY}) GROUP BY `its ``ward```",
        ),
        (
            lambda: contacts_of(SETTINGS, ["P1"]),
            f"SELECT `id %s`, `its ``ward```, `left`, `full.name` FROM {PEOPLE} WHERE `id %s` IN ('P1')",
        ),
        (
            lambda: admitted(SETTINGS),
            f"SELECT `id %s`, `full.name`, `its ``ward```, `left` FROM {PEOPLE} WHERE {LATELY}",
        ),
        (
            lambda: Admissions(SETTINGS).find("P1"),
            f"SELECT {PATIENT} WHERE `id %s` = 'P1'",
        ),
        (
            lambda: Admissions(SETTINGS).search("x", with_names=True),
            f"SELECT {PATIENT} WHERE ({ID} LIKE '%x%' OR {NAME} LIKE '%x%' OR {WARD} LIKE '%x%')"
            f" AND `id %s` IS NOT NULL AND `left` IS NULL ORDER BY {WARD}, {ID} LIMIT 201",
        ),
        (
            lambda: Admissions(SETTINGS).wards(),
            f"SELECT DISTINCT {WARD} FROM {PEOPLE} WHERE {WARD} <> '' ORDER BY 1",
        ),
        (trace, f"SELECT * FROM {READINGS} WHERE `key` = 7"),
        (
            lambda: id_range(SETTINGS, ROWS),
            f"SELECT MIN(`key`), MAX(`key`) FROM {READINGS} WHERE `in %s` >= '{ROWS.first}' AND `in %s` < '{ROWS.end}'",
        ),
        (
            lambda: list(source_ids(SETTINGS, ROWS)),
            f"SELECT `key` FROM {READINGS} WHERE `in %s` >= '{ROWS.first}' AND `in %s` < '{ROWS.end}' ORDER BY `key`",
        ),
        (
            lambda: of_no_time(SETTINGS, [7]),
            f"SELECT `key` FROM {READINGS} WHERE `in %s` IS NULL AND `key` IN (7)",
        ),
        (
            follow,
            "SELECT `key`, `id %s`, NULL, NULL, TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', `in %s`) DIV 1000,"
            f" `bp %` FROM {READINGS} WHERE `key` > 7 ORDER BY `key` LIMIT 10",
        ),
    ],
    ids=[
        "wards on record",
        "contacts",
        "admitted",
        "patient",
        "search",
        "wards of the form",
        "trace",
        "range of ids",
        "ids",
        "rows of no time",
        "producer",
    ],
)
def test_mysql_takes_every_name_of_a_site_for_a_name(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[], object], statement: str
) -> None:
    server = Server()
    monkeypatch.setattr(pymysql, "connect", lambda **_: server)
    monkeypatch.setattr(Settings, "secret", lambda *_: "secret")
    monkeypatch.setattr(admissions, "find_contacts_table", lambda *_: TABLE)
    monkeypatch.setattr(source, "inspect", lambda *_: PLAN)
    ask()
    assert server.sent[-1] == statement


def test_whoever_needs_no_time_of_discharge_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    monkeypatch.setattr(pymysql, "connect", lambda **_: server)
    monkeypatch.setattr(Settings, "secret", lambda *_: "secret")
    admitted(Settings(contacts=Contacts(table="clinic.people", columns={"patient_id": "id"})))
    assert server.sent[-1].startswith("SELECT `id`, NULL, NULL, NULL FROM `clinic`.`people` WHERE NULL IS NULL OR")


def test_a_name_with_a_backtick_stays_one_identifier() -> None:
    assert quoted_table("clinic.odd`name") == "`clinic`.`odd``name`"


def test_a_dot_parts_a_database_from_its_table_and_no_column() -> None:
    assert (quoted("full.name"), quoted_table("clinic.a.b")) == ("`full.name`", "`clinic`.`a.b`")
