"""Wards by the source of contacts, asked of the real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymysql.connections import Connection

from alerts.database import now_ms
from alerts.wards import contacts_of, wards_on_record
from dashboard.live.register import admitted
from dashboard.live.state import Contact
from infra.settings import Contacts, Settings
from infra.settings import Source as SourceTable

pytestmark = pytest.mark.own_world


@pytest.fixture
def contacts(request: pytest.FixtureRequest, stack: Settings, devices: Connection[Any]) -> Iterator[Settings]:
    """Settings with contacts of the test's own, whose time of discharge is of either type, in Norway."""
    name = f"health.wards_{uuid.uuid4().hex[:8]}"
    with devices.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} LIKE health.patients_information")
        cursor.execute(f"ALTER TABLE {name} MODIFY discharged_at {request.param}")
    yield stack.model_copy(
        update={"contacts": Contacts(table=name), "source": SourceTable(time_zone="Europe/Oslo")}, deep=True
    )
    with devices.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")


@pytest.mark.parametrize(
    ("contacts", "present"),
    [("DATETIME(3)", {"ICU", "Maternity"}), ("TIMESTAMP(3) NULL", {"ICU", "Maternity", "Stroke"})],
    indirect=["contacts"],
)
def test_a_ward_is_on_record_while_one_of_its_patients_is_in_hospital(
    contacts: Settings, present: set[str], devices: Connection[Any]
) -> None:
    """On clocks in Norway, which show one hour or two more than UTC, half an hour after now in UTC is over."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with devices.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {contacts.contacts.table} (patient_id, name, admitted_ward, discharged_at)"
            " VALUES (%s, 'Somebody', %s, %s)",
            [
                ("P1", "ICU", None),
                ("P2", "ICU", now - timedelta(days=3)),
                ("P3", "Surgery", now - timedelta(days=3)),
                ("P4", "Maternity", now + timedelta(hours=3)),
                ("P5", None, None),
                ("P6", " ", None),
                ("P7", "Stroke", now + timedelta(minutes=30)),
            ],
        )
    assert wards_on_record(contacts, now_ms()) == present


@pytest.mark.parametrize("contacts", ["TIMESTAMP(3) NULL"], indirect=True)
def test_a_discharge_is_seen_in_a_column_whose_name_is_a_reserved_word(
    contacts: Settings, devices: Connection[Any]
) -> None:
    table = contacts.contacts.table
    columns = {"patient_id": "100 %s", "name": "full.name", "admitted_ward": "where", "discharged_at": "left"}
    odd = contacts.model_copy(update={"contacts": Contacts(table=table, columns=columns)})
    with devices.cursor() as cursor:
        for ours, theirs in columns.items():
            kind = "TIMESTAMP(3) NULL" if ours == "discharged_at" else "VARCHAR(80)"
            cursor.execute(f"ALTER TABLE {table} CHANGE {ours} `{theirs}` {kind}")
        cursor.execute(
            f"INSERT INTO {table} (`100 %s`, `full.name`, `where`, `left`)"
            " VALUES ('P1', 'Ada', 'ICU', NULL), ('P2', 'Bo', 'Surgery', NOW(3) - INTERVAL 3 DAY)"
        )
    now = now_ms()
    stays = contacts_of(odd, ["P1", "P2"]) or {}
    assert {patient: (stay.name, stay.ward, stay.has_left(now)) for patient, stay in stays.items()} == {
        "P1": ("Ada", "ICU", False),
        "P2": ("Bo", "Surgery", True),
    }
    assert wards_on_record(odd, now) == {"ICU"}
    assert admitted(odd) == {"P1": Contact("Ada", "ICU")}
