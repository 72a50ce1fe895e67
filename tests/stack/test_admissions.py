"""Creating, changing and discharging patients in MySQL, on a table of the test's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dashboard.patient.admissions import Admissions, ConflictError, InvalidError, Patient
from infra.clients import devices_connection
from infra.errors import UnavailableError, WardError
from infra.settings import Contacts, MySQL, Settings

pytestmark = pytest.mark.own_world

TODAY = date(2026, 3, 1)
ZOE = {
    "patient_id": "adm-1",
    "name": "Zoë <script>alert(1)</script>",
    "admitted_ward": "Cardiology",
    "date_of_birth": "1961-02-28",
    "sex": "F",
    "phone": "+47 22 33 44 55",
    "address": "1 High St\nOslo",
    "spo2_scale": "2",
    "pregnant": "0",
    "other_details": "",
}


@dataclass
class World:
    """A table of contacts that nobody else uses, and an audit in memory."""

    settings: Settings
    audit: list[tuple[str, str, str]] = field(default_factory=list)
    is_audit_away: bool = False
    imports_asked: int = 0

    @property
    def admissions(self) -> Admissions:
        return Admissions(self.settings, self._ask)

    def _ask(self) -> None:
        self.imports_asked += 1

    def record(self, act: str, patient_id: str, detail: str) -> None:
        if self.is_audit_away:
            raise UnavailableError("MySQL", "nowhere", "the test")
        self.audit.append((act, patient_id, detail))

    def sql(self, statement: str, *arguments: Any) -> tuple[tuple[Any, ...], ...]:
        with closing(devices_connection(self.settings)) as connection, connection.cursor() as cursor:
            cursor.execute(statement.replace("CONTACTS", self.settings.contacts.table), arguments)
            return tuple(cursor.fetchall())

    def create(self, **changed: str) -> Patient:
        return self.admissions.create({**ZOE, **changed}, TODAY, self.record)


@pytest.fixture
def world(stack: Settings) -> Iterator[World]:
    table = f"health.admissions_{uuid.uuid4().hex[:8]}"
    made = World(stack.model_copy(update={"contacts": Contacts(table=table)}))
    made.sql(f"CREATE TABLE {table} LIKE health.patients_information")
    yield made
    made.sql(f"DROP TABLE {table}")


def test_a_new_patient_stands_in_the_table_and_in_the_audit(world: World) -> None:
    before = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    written = world.create()
    assert world.imports_asked == 1
    assert {name: written.values[name] for name in ZOE} == ZOE
    row = world.sql("SELECT name, spo2_scale, pregnant, date_of_birth, discharged_at, updated_at FROM CONTACTS")[0]
    assert row[:5] == (ZOE["name"], 2, 0, date(1961, 2, 28), None)
    assert row[5] > before
    act, patient_id, detail = world.audit[0]
    assert (act, patient_id) == ("create patient", "adm-1")
    assert "admitted_ward: '' -> 'Cardiology'" in detail
    assert not [text for text in ("Zoë", "22 33", "High St", "1961") if text in detail]


def test_what_is_left_empty_is_null(world: World) -> None:
    world.create(phone=" ", date_of_birth="", sex="", spo2_scale="", pregnant="")
    row = world.sql("SELECT phone, date_of_birth, sex, spo2_scale, pregnant, other_details FROM CONTACTS")[0]
    assert row == (None,) * 6


def test_an_id_is_given_once(world: World) -> None:
    world.create()
    with pytest.raises(InvalidError) as refused:
        world.create(name="Another")
    assert list(refused.value.problems) == ["patient_id"]
    assert world.sql("SELECT COUNT(*), MAX(name) FROM CONTACTS") == ((1, ZOE["name"]),)


def test_ids_that_differ_in_case_are_two_patients(world: World) -> None:
    world.create()
    world.create(patient_id="ADM-1", name="Other")
    found = world.admissions.find("ADM-1")
    assert found is not None
    assert found.values["name"] == "Other"


def test_what_is_wrong_is_not_written_and_not_in_the_audit(world: World) -> None:
    with pytest.raises(InvalidError) as refused:
        world.create(name="", phone="none", date_of_birth="2030-01-01")
    assert set(refused.value.problems) == {"name", "phone", "date_of_birth"}
    assert world.sql("SELECT COUNT(*) FROM CONTACTS") == ((0,),)
    assert world.audit == []


def test_only_what_was_changed_is_written(world: World) -> None:
    patient = world.create()
    world.sql("UPDATE CONTACTS SET updated_at = '2020-01-01'")
    written = world.admissions.change(patient, {**ZOE, "admitted_ward": "Icu", "phone": "110"}, TODAY, world.record)
    assert (written.values["admitted_ward"], written.values["phone"]) == ("Icu", "110")
    assert world.audit[-1] == (
        "change patient",
        "adm-1",
        "admitted_ward: 'Cardiology' -> 'Icu'; phone changed",
    )
    assert world.sql("SELECT updated_at > '2026-01-01' FROM CONTACTS") == ((1,),), "the next import must see it"


def test_a_form_without_a_change_writes_nothing(world: World) -> None:
    patient = world.create()
    assert world.admissions.change(patient, ZOE, TODAY, world.record) == patient
    assert len(world.audit) == 1


def test_the_second_of_two_editors_is_told_what_changed_and_overwrites_nothing(world: World) -> None:
    opened = world.create()
    world.admissions.change(opened, {"admitted_ward": "ICU"}, TODAY, world.record)
    with pytest.raises(ConflictError, match="Ward was 'Cardiology' and is now 'ICU'"):
        world.admissions.change(opened, {"phone": "113"}, TODAY, world.record)
    with pytest.raises(ConflictError):
        world.admissions.discharge(opened, world.record)
    found = world.admissions.find("adm-1")
    assert found is not None
    assert (found.values["admitted_ward"], found.values["phone"]) == ("ICU", ZOE["phone"])
    assert found.discharged_at is None
    assert [act for act, _, _ in world.audit] == ["create patient", "change patient"]


def test_a_change_of_somebody_who_was_deleted_meanwhile_is_told(world: World) -> None:
    opened = world.create()
    world.sql("DELETE FROM CONTACTS")
    with pytest.raises(ConflictError, match="deleted"):
        world.admissions.change(opened, {"phone": "113"}, TODAY, world.record)


def test_what_cannot_be_recorded_is_not_done(world: World) -> None:
    patient = world.create()
    world.is_audit_away = True
    acts: list[Callable[[], Patient]] = [
        lambda: world.create(patient_id="adm-2"),
        lambda: world.admissions.change(patient, {"phone": "113"}, TODAY, world.record),
        lambda: world.admissions.discharge(patient, world.record),
    ]
    for act in acts:
        with pytest.raises(UnavailableError):
            act()
    assert world.sql("SELECT patient_id, phone, discharged_at FROM CONTACTS") == (("adm-1", ZOE["phone"], None),)
    assert world.imports_asked == 1


def test_somebody_is_discharged_and_admitted_again(world: World) -> None:
    gone = world.admissions.discharge(world.create(), world.record)
    assert gone.discharged_at is not None
    assert abs(gone.discharged_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert world.admissions.search("adm", with_names=True).patients == []
    assert len(world.admissions.search("adm", with_names=True, discharged_too=True).patients) == 1
    back = world.admissions.admit_again(gone, world.record)
    assert back.discharged_at is None
    assert [act for act, _, _ in world.audit] == ["create patient", "discharge patient", "admit patient again"]


def test_a_search_without_names_neither_finds_by_them_nor_gives_them(world: World) -> None:
    world.create()
    assert [p.patient_id for p in world.admissions.search("script", with_names=True).patients] == ["adm-1"]
    assert world.admissions.search("script", with_names=False).patients == []
    found = world.admissions.search("cardio", with_names=False).patients
    assert set(found[0].values) == {"patient_id", "admitted_ward", "discharged_at"}


def test_signs_of_a_pattern_are_looked_for_as_they_are(world: World) -> None:
    world.create()
    world.create(patient_id="adm_2", name="100 %")
    assert [p.patient_id for p in world.admissions.search("%", with_names=True).patients] == ["adm_2"]
    assert [p.patient_id for p in world.admissions.search("m_2", with_names=True).patients] == ["adm_2"]
    assert world.admissions.search("\\", with_names=True).patients == []


def test_a_table_of_the_sites_own_is_offered_and_written_as_far_as_it_goes(stack: Settings) -> None:
    table = f"health.site_{uuid.uuid4().hex[:8]}"
    columns = {"patient_id": "pid", "name": "who", "updated_at": "changed", "admitted_ward": ""}
    settings = stack.model_copy(
        update={
            "contacts": Contacts(table=table, columns=columns),
            "source": stack.source.model_copy(update={"time_zone": "Asia/Tokyo"}),
        }
    )
    world = World(settings)
    world.sql(f"CREATE TABLE {table} (pid VARCHAR(10) PRIMARY KEY, who VARCHAR(8) NOT NULL, changed DATETIME)")
    try:
        assert [one.name for one in world.admissions.fields()] == ["patient_id", "name"]
        patient = world.create(name="Zoë")
        ahead = world.sql("SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), changed) FROM CONTACTS")[0][0]
        assert 535 <= ahead <= 540, "their clock is that of Tokyo"
        with pytest.raises(WardError, match="too long"):
            world.admissions.change(patient, {"name": "longer than theirs"}, TODAY, world.record)
        with pytest.raises(WardError, match="no column for the time of discharge"):
            world.admissions.discharge(patient, world.record)
        assert world.admissions.wards() == []
    finally:
        world.sql(f"DROP TABLE {table}")


def test_mysql_away_is_a_sentence(stack: Settings) -> None:
    away = stack.model_copy(update={"mysql": MySQL(port=1)})
    with pytest.raises(UnavailableError, match="MySQL"):
        Admissions(away).find("adm-1")
