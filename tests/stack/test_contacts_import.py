"""Sqoop's import on the real MySQL, HDFS, metastore and HiveServer2, on a source table and a Hive table of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from clinical.tables import PATIENTS
from hive import ddl
from hive.client import hive_session
from infra.clients import devices_connection, hdfs
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.locks import named_lock
from infra.settings import Contacts, Hadoop, MySQL, Settings
from sqoop import importer
from sqoop.importer import LOCK, UNCHANGED, ImportResult, import_contacts
from sqoop.plan import KEYS_EVERY, Kind
from sqoop.snapshots import TEMPORARY_PREFIX, Snapshots, version_of
from sqoop.source import MARK_FORMAT, find_contacts_table
from sqoop.steps import Context, Pass, run_pass

pytestmark = pytest.mark.own_world

NASTY = [
    # id, name, address, phone, ward, born, sex, spo2_scale, pregnant, other, updated_at, discharged_at
    ("it's", 'Zoë, "O\'Brien" 😀', "1 High St\nFlat 2\r\n\tOslo", "", "Cardiology", "1931-02-28", "F", 2, 1, "a\\b\\n"),
    ("no contact", "Ola", None, None, None, None, None, None, None, None),
    ("texts that look like NULL", "null", "NULL", "\\N", "", "1890-01-01", "M", 1, 0, "\x01\x02,|;"),
    ("שלום", "王秀英", "ул. Ленина, д. 5", "+47 22 33 44 55", "Ward 1", "2026-02-28", "F", 1, 0, "x" * 20_000),
    ("leap", " spaces kept ", '"quoted"', "''", "%s $CONDITIONS", "2000-02-29", "M", 1, 0, "<&>"),
]
COLUMNS = ", ".join(PATIENTS.column_names)
MANY = 40


@dataclass
class World:
    """A source table and a Hive table that nobody else uses."""

    settings: Settings
    source: str
    table: str

    def sql(self, statement: str, *rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with closing(devices_connection(self.settings)) as connection, connection.cursor() as cursor:
            if rows:
                cursor.executemany(statement, rows)
            else:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def insert(self, *rows: tuple[Any, ...], updated_at: datetime | None = None) -> None:
        names = PATIENTS.column_names[: len(rows[0])]
        marks = ", ".join(["%s"] * len(names))
        extra = ("", "") if updated_at is None else (", updated_at", f", '{updated_at:%Y-%m-%d %H:%M:%S.%f}'")
        self.sql(f"INSERT INTO {self.source} ({', '.join(names)}{extra[0]}) VALUES ({marks}{extra[1]})", *rows)

    def run(self, full: bool = False) -> ImportResult:
        return import_contacts(self.settings, full, reason="test", table=self.table)

    def in_mysql(self) -> list[dict[str, Any]]:
        return by_id(self.sql(f"SELECT {COLUMNS} FROM {self.source}"))

    def in_hive(self) -> list[dict[str, Any]]:
        with hive_session(self.settings) as session:
            return by_id(session.rows(f"SELECT {COLUMNS} FROM {self.table}"))

    def location(self) -> str:
        with hive_session(self.settings) as session:
            rows = session.rows(f"DESCRIBE FORMATTED {self.table}")
        return next(str(row[1]).strip() for row in rows if str(row[0]).strip() == "Location:")

    def snapshot_uri(self, version: str) -> str:
        return self.settings.default_fs + self.snapshots().path(version)

    def snapshots(self) -> Snapshots:
        return Snapshots(self.settings, self.table)

    def assert_hive_equals_mysql(self) -> None:
        assert self.in_hive() == self.in_mysql()


def by_id(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows of MySQL or Hive in the same form: Hive gives a DATE and a TIMESTAMP as text, MySQL a BOOLEAN as number."""

    def plain(name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in ("updated_at", "discharged_at"):
            return value if isinstance(value, datetime) else datetime.fromisoformat(value)
        if name == "pregnant":
            return bool(value)
        return str(value) if name == "date_of_birth" else value

    named = ({n: plain(n, v) for n, v in zip(PATIENTS.column_names, row, strict=True)} for row in rows)
    return sorted(named, key=lambda row: row["patient_id"])


def naive_utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def new_world(stack: Settings) -> Iterator[World]:
    name = f"contacts_{uuid.uuid4().hex[:8]}"
    settings = stack.model_copy(update={"contacts": Contacts(table=f"health.{name}")})
    world = World(settings, f"health.{name}", f"health.{name}")
    world.sql(f"CREATE TABLE {world.source} LIKE health.patients_information")
    columns = ", ".join(f"{column.name} {column.type}" for column in PATIENTS.columns)
    location = settings.hdfs_uri("hive", name, "empty")
    with hive_session(settings) as session:
        session.run(
            f"CREATE EXTERNAL TABLE {world.table} ({columns}) STORED AS PARQUET LOCATION '{ddl.quote(location)}'"
        )
    yield world
    with hive_session(settings) as session:
        session.run(f"DROP TABLE IF EXISTS {world.table}")
    world.sql(f"DROP TABLE IF EXISTS {world.source}")
    files = hdfs(settings)
    for path in (world.snapshots().directory, world.snapshots().staging):
        files.rm(path, recursive=True)


@pytest.fixture
def bare(stack: Settings) -> Iterator[World]:
    """Both tables, empty: nothing was ever imported."""
    yield from new_world(stack)


@pytest.fixture(scope="module")
def imported(stack: Settings) -> Iterator[World]:
    """Both tables after a first import; every test leaves Hive equal to MySQL."""
    for world in new_world(stack):
        world.insert(*NASTY)
        world.sql(f"UPDATE {world.source} SET discharged_at = '2001-02-03 04:05:06.789' WHERE patient_id = 'leap'")
        first = world.run()
        assert (first.kind, first.new, first.rows, first.written) == (Kind.FULL, len(NASTY), len(NASTY), True)
        assert first.unreadable == {}
        assert world.location() == world.snapshot_uri(first.version)
        yield world


def test_hive_equals_mysql_row_by_row_whatever_the_text(imported: World) -> None:
    assert len(imported.in_hive()) == len(NASTY)
    imported.assert_hive_equals_mysql()


def test_no_patient_data_is_left_on_the_way(imported: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # A log of its own: the next import of the schedule, of other patients, writes the usual one anew.
    log = imported.settings.log_dir / f"test-{uuid.uuid4().hex}.log"
    monkeypatch.setattr(importer, "LOG_FILE", log.name)
    try:
        assert imported.run(full=True).rows_read == len(imported.in_mysql())
        said = log.read_text()
    finally:
        log.unlink(missing_ok=True)
    # Under the lock, so that no import of the schedule is on its way just now.
    with named_lock(imported.settings, LOCK, timeout_seconds=600):
        assert hdfs(imported.settings).ls(imported.snapshots().staging) == []
        assert not (imported.settings.state_dir / "run" / "sqoop").exists()
    assert "Sqoop version" in said
    for secret in ("O'Brien", "王秀英", "+47 22 33 44 55", imported.settings.secret("reader_password")):
        assert secret not in said


def test_a_delta_brings_changed_new_and_late_rows(imported: World) -> None:
    world = imported
    old = world.snapshots().versions()
    world.sql(f"UPDATE {world.source} SET phone = '+47 99 88 77 66', name = NULL WHERE patient_id = 'no contact'")
    world.insert(("new", "Kari"))
    # Committed late: its time lies before that of rows that were imported already.
    world.insert(("late", "Per"), updated_at=naive_utc() - timedelta(minutes=5))
    result = world.run()
    assert (result.kind, result.new, result.changed, result.deleted) == (Kind.DELTA, 2, 1, 0)
    world.assert_hive_equals_mysql()
    assert world.snapshots().versions() == [*old, result.version]


def test_an_import_without_changes_moves_nothing(imported: World) -> None:
    world = imported
    before = world.location()
    again = world.run()
    assert (again.written, again.new + again.changed + again.deleted) == (False, 0)
    assert world.snapshot_uri(again.version) == before
    assert world.run().kind == UNCHANGED
    assert world.location() == before


@pytest.fixture
def source_alone(stack: Settings) -> Iterator[World]:
    """An empty source table that is never imported."""
    name = f"health.contacts_{uuid.uuid4().hex[:8]}"
    world = World(stack.model_copy(update={"contacts": Contacts(table=name)}), name, "")
    world.sql(f"CREATE TABLE {name} LIKE health.patients_information")
    yield world
    world.sql(f"DROP TABLE {name}")


def test_a_further_change_of_any_row_is_seen_in_the_digest(source_alone: World) -> None:
    world, patients = source_alone, [f"patient {number}" for number in range(MANY)]
    world.insert(*((patient, "Ann") for patient in patients))
    hour_ago = (naive_utc() - timedelta(hours=1)).strftime(MARK_FORMAT)
    with closing(devices_connection(world.settings)) as connection:
        source = find_contacts_table(world.settings, connection)
        digests = [source.count(connection, hour_ago).digest]
        for patient in patients:
            world.sql(
                f"UPDATE {world.source} SET updated_at = updated_at + INTERVAL 1 SECOND WHERE patient_id = '{patient}'"
            )
            digests.append(source.count(connection, hour_ago).digest)
    assert len(set(digests)) == MANY + 1


def test_a_deletion_is_seen_from_the_number_of_rows(imported: World) -> None:
    world = imported
    world.sql(f"DELETE FROM {world.source} WHERE patient_id = 'leap'")
    result = world.run()
    assert (result.kind, result.deleted) == (Kind.DELTA_AND_KEYS, 1)
    world.assert_hive_equals_mysql()


def test_after_the_databases_clock_was_set_back_what_changes_is_seen_all_the_same(imported: World) -> None:
    world = imported
    world.run()
    newest = world.snapshots().versions()[-1]
    last = world.snapshots().manifest(newest)
    assert last is not None
    ahead = naive_utc() + timedelta(hours=2)
    since = ahead - timedelta(seconds=world.settings.contacts.overlap_seconds)
    seen = {"since": since.strftime(MARK_FORMAT), "total": last["rows"], "matching": 0, "digest": 0}
    world.snapshots().write_manifest(newest, {**last, "mark": ahead.strftime(MARK_FORMAT), "seen": seen})
    world.sql(f"UPDATE {world.source} SET phone = '+47 11 22 33 44' WHERE patient_id = 'no contact'")
    result = world.run()
    assert (result.kind, result.changed) == (Kind.DELTA, 1)
    world.assert_hive_equals_mysql()


def test_the_daily_comparison_of_keys_finds_what_count_and_overlap_cannot(imported: World) -> None:
    world = imported
    world.sql(f"DELETE FROM {world.source} WHERE patient_id = 'שלום'")
    world.insert(("much too late", "Nils"), updated_at=naive_utc() - timedelta(days=3))
    make_the_keys_due(world)
    result = world.run()
    assert (result.kind, result.new, result.deleted) == (Kind.FULL, 1, 1)
    world.assert_hive_equals_mysql()


def test_what_the_comparison_of_keys_found_is_found_again_when_the_full_import_after_it_fails(
    imported: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = imported

    def fail_in_full(context: Context, kind: Kind) -> Pass:
        if kind is Kind.FULL:
            raise WardError("Sqoop ended with status 1")
        return run_pass(context, kind)

    world.insert(("old", "Eva"), updated_at=naive_utc() - timedelta(days=3))
    world.run(full=True)
    # As by a transaction that was open for long: earlier than what is looked at, and the number of rows is the same.
    at = (naive_utc() - timedelta(days=2)).strftime(MARK_FORMAT)
    world.sql(f"UPDATE {world.source} SET phone = '+47 55', updated_at = '{at}' WHERE patient_id = 'old'")
    make_the_keys_due(world)
    with monkeypatch.context() as patch:
        patch.setattr(importer, "run_pass", fail_in_full)
        with pytest.raises(WardError, match="status 1"):
            world.run()
    assert world.run().kind == Kind.FULL
    world.assert_hive_equals_mysql()


def test_two_callers_who_wait_for_an_import_share_the_next_one(imported: World) -> None:
    waiting = threading.Semaphore(0)

    def call() -> ImportResult:
        # The first step that is reported is the wait for the lock.
        return import_contacts(imported.settings, table=imported.table, progress=lambda _step: waiting.release())

    with ThreadPoolExecutor(2) as pool:
        with named_lock(imported.settings, LOCK, timeout_seconds=600):
            calls = [pool.submit(call) for _ in range(2)]
            assert all(waiting.acquire(timeout=60) for _ in calls)
        results = [future.result() for future in calls]
    assert {result.version for result in results} == {imported.snapshots().versions()[-1]}
    assert sorted(result.by_another for result in results) == [False, True]


def make_the_keys_due(world: World) -> None:
    newest = world.snapshots().versions()[-1]
    manifest = world.snapshots().manifest(newest)
    assert manifest is not None
    checked = datetime.fromisoformat(manifest["keys_checked_at"]) - KEYS_EVERY
    world.snapshots().write_manifest(newest, {**manifest, "keys_checked_at": checked.isoformat()})


def test_a_failure_leaves_the_last_snapshot_in_force_and_the_next_import_repairs(bare: World) -> None:
    world = bare
    world.insert(*NASTY)
    good = world.run()
    location, rows = world.location(), world.in_hive()

    # The Hive table goes away between Sqoop's step and Spark's.
    world.insert(("after", "Liv"))
    with hive_session(world.settings) as session:
        session.run(f"ALTER TABLE {world.table} RENAME TO {world.table}_away")
    try:
        with pytest.raises(ConfigurationError, match=f"Hive table {world.table} is missing"):
            world.run()
    finally:
        with hive_session(world.settings) as session:
            session.run(f"ALTER TABLE {world.table}_away RENAME TO {world.table}")
    assert (world.location(), world.in_hive()) == (location, rows)
    assert world.snapshots().versions() == [good.version]
    assert hdfs(world.settings).ls(world.snapshots().staging) == []

    # A crash after the rename and before the switch: a newer snapshot lies there and is not in force.
    repaired = world.run()
    with hive_session(world.settings) as session:
        session.run(f"ALTER TABLE {world.table} SET LOCATION '{location}'")
    assert world.in_hive() == rows
    completed = world.run()
    assert (completed.version, completed.written) == (repaired.version, False)
    world.assert_hive_equals_mysql()


MERGE, NAME, SWITCH = "sqoop.steps.merge", "sqoop.snapshots.hdfs_rename", "sqoop.steps.put_in_force"
"""What an import does last: it merges, gives the written snapshot its name, and switches the table to it."""


def import_and_die(settings: Settings, table: str, at: str) -> None:
    """An import that is killed when it comes to that step."""
    with patch(at, lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
        import_contacts(settings, reason="test", table=table)


@pytest.mark.parametrize("at", [MERGE, NAME, SWITCH])
def test_an_import_that_is_killed_leaves_the_last_snapshot_in_force_and_the_next_one_repairs(
    imported: World, at: str
) -> None:
    world = imported
    location, rows, versions = world.location(), world.in_hive(), world.snapshots().versions()
    world.sql(f"UPDATE {world.source} SET name = 'changed before {at}' ORDER BY patient_id LIMIT 1")
    world.insert((f"new before {at}", "Kari"))
    process = multiprocessing.get_context("spawn").Process(
        target=import_and_die, args=(world.settings, world.table, at), daemon=True
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert (world.location(), world.in_hive()) == (location, rows)
    unnamed = [name for name in hdfs_names(world) if name.startswith(TEMPORARY_PREFIX)]
    assert len(unnamed) == (at == NAME)
    assert len(world.snapshots().versions()) == len(versions) + (at == SWITCH)

    world.run()
    world.assert_hive_equals_mysql()
    assert hdfs(world.settings).ls(world.snapshots().staging) == []
    assert sorted(hdfs_names(world)) == world.snapshots().versions()


def hdfs_names(world: World) -> list[str]:
    """What lies beside the directory that the table pointed at first."""
    paths = hdfs(world.settings).ls(world.snapshots().directory, detail=False)
    return [name for path in paths if (name := path.rsplit("/", 1)[1]) != "empty"]


def test_an_import_removes_the_snapshots_beyond_those_that_are_kept(imported: World) -> None:
    """Four of hours ago lie there as well; with the two newest of them there are as many as are kept."""
    before = imported.snapshots().versions()
    old = [version_of(datetime.now(UTC) - timedelta(hours=hours)) for hours in (10, 9, 8, 7)]
    for version in old:
        hdfs(imported.settings).pipe_file(f"{imported.snapshots().path(version)}/part-00000.parquet", b"rows")
    kept = len([*old[2:], *before, "the new one"])
    contacts = imported.settings.contacts.model_copy(update={"keep_snapshots": kept})
    world = replace(imported, settings=imported.settings.model_copy(update={"contacts": contacts}))
    world.insert(("after the old ones", "Eli"))
    result = world.run()
    assert result.written
    assert sorted(hdfs_names(world)) == [*old[2:], *before, result.version]
    assert world.location() == world.snapshot_uri(result.version)
    world.assert_hive_equals_mysql()


def test_a_table_of_another_shape_without_times_of_change_is_imported_in_full(bare: World) -> None:
    world = bare
    world.sql(f"DROP TABLE {world.source}")
    world.sql(
        f"CREATE TABLE {world.source} (customerId INT PRIMARY KEY, `full name` VARCHAR(50) CHARACTER SET latin1,"
        " tel BIGINT, expecting BIT(1), born VARCHAR(20), `left` DATETIME)"
    )
    world.sql(
        f"INSERT INTO {world.source} VALUES (%s, %s, %s, %s, %s, %s)",
        (7, "Åse", 4722334455, 1, "1950-05-17", "2026-07-01 14:00:00"),
        (8, None, None, 0, "unknown", None),
    )
    mapping = {
        "patient_id": "customerId",
        "name": "full name",
        "phone": "tel",
        "pregnant": "expecting",
        "date_of_birth": "born",
        "discharged_at": "left",
    }
    local = world.settings.source.model_copy(update={"time_zone": "Europe/Oslo"})
    contacts = Contacts(table=world.source, columns=mapping)
    world.settings = world.settings.model_copy(update={"contacts": contacts, "source": local})

    result = world.run()
    assert (result.kind, result.rows, result.unreadable) == (Kind.FULL, 2, {"date_of_birth": 1})
    nothing = dict.fromkeys(PATIENTS.column_names)
    assert world.in_hive() == [
        {
            **nothing,
            "patient_id": "7",
            "name": "Åse",
            "phone": "4722334455",
            "pregnant": True,
            "date_of_birth": "1950-05-17",
            "discharged_at": datetime(2026, 7, 1, 12),  # noqa: DTZ001 - Hive has no zone; it is UTC
        },
        {**nothing, "patient_id": "8", "pregnant": False},
    ]


def test_a_broken_manifest_makes_the_next_import_full(bare: World) -> None:
    world = bare
    world.insert(("p1", "Ola"))
    first = world.run()
    path = f"{world.snapshots().path(first.version)}/_import.json"
    hdfs(world.settings).pipe_file(path, orjson.dumps({"mark": "2026"})[:5])
    second = world.run()
    assert (second.kind, second.written, second.version) == (Kind.FULL, False, first.version)


@pytest.mark.parametrize(
    ("contacts", "said"),
    [
        (Contacts(table="health.no_such_table"), "The contacts table health.no_such_table does not exist"),
        (
            Contacts(table="health.patients_information", columns={"patient_id": "patient_id", "phone": "telephone"}),
            "has no column telephone",
        ),
    ],
)
def test_a_wrong_source_is_said_before_anything_starts(bare: World, contacts: Contacts, said: str) -> None:
    bare.settings = bare.settings.model_copy(update={"contacts": contacts})
    with pytest.raises(ConfigurationError, match=said):
        bare.run()
    assert bare.snapshots().versions() == []


@pytest.mark.parametrize(
    ("change", "server"),
    [
        ({"mysql": MySQL(port=1)}, "MySQL at 127.0.0.1:1 "),
        ({"hadoop": Hadoop(webhdfs_url="http://127.0.0.1:1")}, "HDFS at http://127.0.0.1:1 "),
        ({"hadoop": Hadoop(hiveserver2_port=1)}, "HiveServer2 at 127.0.0.1:1 "),
    ],
)
def test_a_server_that_is_away_is_named(stack: Settings, change: dict[str, Any], server: str) -> None:
    with pytest.raises(UnavailableError, match=f"{server}cannot be reached"):
        import_contacts(stack.model_copy(update=change), reason="test", table="health.contacts_nowhere")
