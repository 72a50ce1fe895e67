"""The threshold table on the real HBase, HDFS and Kafka, in tables and directories of its own."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition
from typer.testing import CliRunner, Result

import hbase.cli
from clinical.thresholds import CSV_COLUMNS, ThresholdRow, read_table
from clinical.topics import TECHNICAL_ALARMS
from hbase.alarms import AHEAD, AWAY, EMPTY, INVALID
from hbase.bootstrap import LOADED, LOADING, MARK, bootstrap
from hbase.edits import make, plan_set
from hbase.files import DEFAULT_TABLE, HOME_GLUCOSE, keyed, read_csv
from hbase.shell_command import shell_command
from hbase.snapshots import latest, load, new_snapshot, store, versions
from hbase.spark_source import NAME, register
from hbase.table import (
    FAMILY,
    VERSIONS,
    Cells,
    EditConflictError,
    apply_edit,
    connected,
    move_mark,
    read_state,
    row_history,
    state_table,
)
from hbase.watcher import AWAY_SECONDS, ThresholdWatcher
from infra.clients import hdfs, kafka_config
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings, Thresholds
from infra.waiting import wait_for
from spark_jobs.session import spark_session

pytestmark = pytest.mark.own_world

DEADLINE_SECONDS = 120
DEFAULTS = {key: {**row, "updated_by": "defaults"} for key, row in keyed(read_csv(DEFAULT_TABLE)).items()}


class Clock:
    """A clock that the test moves on."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@contextmanager
def own_ward(stack: Settings) -> Iterator[Settings]:
    """A ward with a table and an HDFS directory of its own, as a first start leaves them."""
    name = f"threshold_test_{uuid.uuid4().hex[:8]}"
    settings = stack.model_copy(
        update={
            "thresholds": stack.thresholds.model_copy(update={"table": name}),
            "hadoop": stack.hadoop.model_copy(update={"warehouse": f"/{name}", "hbase_timeout_ms": 30_000}),
        }
    )
    bootstrap(settings)
    yield settings
    with connected(settings) as connection:
        for table in (name, state_table(settings)):
            connection.delete_table(table, disable=True)
    remove(settings)


@pytest.fixture(scope="module")
def first_start(stack: Settings) -> Iterator[Settings]:
    """That of this module."""
    with own_ward(stack) as settings:
        yield settings


@pytest.fixture
def ward(first_start: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The same with the default rows and no snapshots; commands use it."""
    put_back(first_start)
    monkeypatch.setattr(hbase.cli, "load_settings", lambda: first_start)
    monkeypatch.setattr(hbase.cli.out, "width", 200)
    yield first_start
    remove(first_start)


def put_back(settings: Settings) -> None:
    state = read_state(settings)
    strange = [key for key, row in state.cells.items() if not set(row) <= set(DEFAULTS.get(key, {}))]
    if strange:
        apply_edit(settings, state, {}, strange)
        state = read_state(settings)
    different = {key: row for key, row in DEFAULTS.items() if state.cells.get(key) != row}
    apply_edit(settings, state, different, ())
    assert read_state(settings).cells == DEFAULTS


def remove(settings: Settings) -> None:
    files = hdfs(settings)
    if files.exists(settings.hdfs_path()):
        files.rm(settings.hdfs_path(), recursive=True)


def ward_command(*words: str) -> Result:
    return CliRunner().invoke(hbase.cli.app, list(words))


def put(settings: Settings, row_key: str, column: str, text: str) -> None:
    """One cell, as a `put` in the shell writes it."""
    with connected(settings) as connection:
        connection.table(settings.thresholds.table).put(row_key, {f"{FAMILY}:{column}": text})


def delete(settings: Settings, *row_keys: str) -> None:
    with connected(settings) as connection, connection.table(settings.thresholds.table).batch() as batch:
        for row_key in row_keys:
            batch.delete(row_key, columns=[FAMILY])


def await_(condition: Callable[[], bool], what: str) -> None:
    assert wait_for(condition, DEADLINE_SECONDS, 0.1), f"not within {DEADLINE_SECONDS} s: {what}"


def settle(watcher: ThresholdWatcher, clock: Clock, seconds: int = 5) -> list[str]:
    """Poll once a second; versions that came into force."""
    came = []
    for _ in range(seconds):
        if (snapshot := watcher.poll()) is not None:
            came.append(snapshot.version)
        clock.now += 1
    return came


def alarms(settings: Settings, source: str) -> list[tuple[str, bool, str]]:
    """What was published by `source` so far: kind, cleared, detail."""
    group = {"group.id": f"test-{uuid.uuid4()}", "enable.auto.commit": False}
    consumer = Consumer(kafka_config(settings, **group))
    try:
        partition = TopicPartition(TECHNICAL_ALARMS, 0, 0)
        low, end = consumer.get_watermark_offsets(partition, timeout=30)
        partition.offset = low
        consumer.assign([partition])
        found = []
        deadline = time.monotonic() + DEADLINE_SECONDS
        while consumer.position([TopicPartition(TECHNICAL_ALARMS, 0)])[0].offset < end and low < end:
            assert time.monotonic() < deadline
            message = consumer.poll(1)
            if message is not None and message.error() is None:
                alarm = orjson.loads(message.value() or b"")
                if alarm["source"] == source:
                    found.append((alarm["kind"], alarm["cleared"], alarm["detail"]))
        return found
    finally:
        consumer.close()


def watching(settings: Settings) -> tuple[ThresholdWatcher, Clock, str]:
    clock, source = Clock(), f"test-{uuid.uuid4().hex[:8]}"
    return ThresholdWatcher(settings, clock, source), clock, source


def started(settings: Settings) -> tuple[ThresholdWatcher, Clock, str]:
    """A watcher on a table that is in force already."""
    store(settings, new_snapshot(load_rows(settings), int(time.time() * 1000) - 1000))
    watcher, clock, source = watching(settings)
    watcher.start()
    assert settle(watcher, clock) == []
    return watcher, clock, source


def load_rows(settings: Settings) -> list[ThresholdRow]:
    rows, problems = read_table(read_state(settings).cells)
    assert problems == []
    return rows


def without_hbase(settings: Settings) -> Settings:
    """The same ward with a Thrift address where nobody answers."""
    return settings.model_copy(update={"hadoop": settings.hadoop.model_copy(update={"hbase_thrift_port": 1})})


# First start


def test_the_first_start_loads_the_default_rows_and_keeps_ten_versions(first_start: Settings) -> None:
    with connected(first_start) as connection:
        families = connection.table(first_start.thresholds.table).families()
    assert families[FAMILY.encode()]["max_versions"] == VERSIONS
    put_back(first_start)
    assert read_state(first_start).cells == DEFAULTS


def test_later_starts_neither_overwrite_what_was_edited_nor_bring_back_what_was_deleted(ward: Settings) -> None:
    put(ward, "spo2#001", "delay_seconds", "7")
    delete(ward, "news2#001", "news2#002", "news2#003", "news2#004")
    before = read_state(ward)
    bootstrap(ward)
    assert read_state(ward) == before
    assert len(before.cells) == 151


def test_a_start_that_crashed_while_loading_is_completed_by_the_next_one(ward: Settings) -> None:
    delete(ward, *[key for key in DEFAULTS if key > "respiratory_rate"])
    put(ward, "glucose#001", "delay_seconds", "9")
    assert move_mark(ward, MARK, LOADED, LOADING)
    bootstrap(ward)
    cells = read_state(ward).cells
    assert cells.pop("glucose#001")["delay_seconds"] == "9"
    assert cells == {key: row for key, row in DEFAULTS.items() if key != "glucose#001"}
    assert not move_mark(ward, MARK, LOADING, LOADED), "it says loaded already"


# Commands


def test_set_writes_the_cell_and_its_author_and_history_shows_both(ward: Settings) -> None:
    answer = ward_command("set", "spo2#001", "delay_seconds=7", "--author", "amira")
    assert answer.exit_code == 0, answer.output
    cells = read_state(ward).cells
    assert cells["spo2#001"] == DEFAULTS["spo2#001"] | {"delay_seconds": "7", "updated_by": "amira"}
    assert [v.text for v in row_history(ward, "spo2#001") if v.column == "delay_seconds"][-2:] == ["15", "7"]
    shown = ward_command("history", "spo2#001").output.splitlines()
    assert shown[-1].split()[2:] == ["amira", "delay_seconds", "7"]


def test_an_edit_that_would_break_the_table_writes_nothing_and_offers_the_one_that_would_not(ward: Settings) -> None:
    answer = ward_command("set", "heart_rate#040", "high_value=125")
    assert answer.exit_code == 1
    assert "126 to 130" in str(answer.exception)
    assert "thresholds set heart_rate#040 high_value=125 heart_rate#041 low_value=126" in answer.output
    assert read_state(ward).cells == DEFAULTS
    assert ward_command("set", "heart_rate#040", "high_value=125", "heart_rate#041", "low_value=126").exit_code == 0
    assert read_state(ward).cells["heart_rate#041"]["low_value"] == "126"


def test_of_two_edits_made_from_the_same_reading_the_second_is_told_to_start_again(ward: Settings) -> None:
    state = read_state(ward)
    make(ward, state, plan_set(state.cells, ["spo2#001", "delay_seconds=7"]).signed("amira"))
    with pytest.raises(EditConflictError, match="nothing was written"):
        make(ward, state, plan_set(state.cells, ["spo2#002", "delay_seconds=8"]).signed("bo"))
    assert read_state(ward).cells["spo2#002"] == DEFAULTS["spo2#002"]


def test_rows_written_while_a_clock_was_ahead_can_be_edited_deleted_and_written_again_and_ops_are_told(
    stack: Settings,
) -> None:
    key = "spo2#001"
    with own_ward(stack) as ward:
        watcher, clock, source = started(ward)
        row = {f"{FAMILY}:{column}".encode(): text.encode() for column, text in DEFAULTS[key].items()}
        with connected(ward) as connection:
            in_an_hour = round(time.time() * 1000) + 3_600_000
            connection.table(ward.thresholds.table).put(key.encode(), row, timestamp=in_an_hour)
        settle(watcher, clock)
        ((kind, cleared, detail),) = alarms(ward, source)
        assert (kind, cleared) == (AHEAD, False)
        assert f"a time to come, as {key}" in detail

        state = read_state(ward)
        make(ward, state, plan_set(state.cells, [key, "alert_message=corrected"]))
        assert read_state(ward).cells[key]["alert_message"] == "corrected"
        apply_edit(ward, read_state(ward), {}, [key])
        assert key not in read_state(ward).cells
        apply_edit(ward, read_state(ward), {key: DEFAULTS[key]}, ())
        state = read_state(ward)
        assert state.cells == DEFAULTS
        assert max(state.written_at["heart_rate#001"].values()) < in_an_hour, "other rows are not ahead for it"


def test_export_and_import_round_trip_and_the_glucose_sets_replace_each_other(ward: Settings, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    assert ward_command("export", str(file)).exit_code == 0
    assert content(keyed(read_csv(file))) == content(DEFAULTS)
    edition = read_state(ward).edition
    assert "nothing to change" in ward_command("import", str(file)).output
    assert read_state(ward).edition == edition

    both = ["--replace", "glucose,glucose_mean_10m"]
    assert ward_command("import", str(HOME_GLUCOSE), *both, "--dry-run").exit_code == 0
    assert read_state(ward).cells == DEFAULTS
    assert ward_command("import", str(HOME_GLUCOSE), *both).exit_code == 0
    assert content(read_state(ward).cells, "glucose") == content(keyed(read_csv(HOME_GLUCOSE)), "glucose")
    assert ward_command("import", str(file), *both).exit_code == 0
    assert content(read_state(ward).cells) == content(DEFAULTS)


def test_limits_of_one_patient_are_set_listed_exported_and_taken_away(ward: Settings, tmp_path: Path) -> None:
    who = ["--author", "Dr Jane", "--reason", "COPD, target 88-92 %"]
    answer = ward_command("patient", "P-7", "spo2", "--normal", "88:92")
    assert answer.exit_code == 1
    assert "need an author: add --author" in str(answer.exception)
    assert ward_command("patient", "P-7", "spo2", "--normal", "88:92", *who, "--dry-run").exit_code == 0
    assert read_state(ward).cells == DEFAULTS

    assert ward_command("patient", "P-7", "spo2", "--normal", "88:92", *who).exit_code == 0
    with_limits = read_state(ward).cells
    assert {(row["updated_by"], row["reason"]) for key, row in with_limits.items() if key not in DEFAULTS} == {
        ("Dr Jane", "COPD, target 88-92 %")
    }
    shown = ward_command("list", "--patient", "P-7").output.splitlines()
    assert [line.split()[:2] for line in shown[1:-1]] == [[f"spo2#{n:03d}", "P-7"] for n in range(8, 13)]
    assert shown[-1] == "P-7, spo2: COPD, target 88-92 %"
    assert "P-7 spo2" in ward_command("import", str(DEFAULT_TABLE)).output, "an older file leaves them"
    assert read_state(ward).cells == with_limits

    file = tmp_path / "table.csv"
    assert ward_command("export", str(file)).exit_code == 0
    assert ward_command("patient", "P-7", "spo2", "--remove").exit_code == 0
    assert read_state(ward).cells == DEFAULTS
    assert ward_command("import", str(file), "--author", "Dr Jane").exit_code == 0
    assert read_state(ward).cells == with_limits


def test_limits_of_one_patient_without_a_reason_never_come_into_force(ward: Settings) -> None:
    ward_command("patient", "P-7", "spo2", "--normal", "88:", "--author", "Dr Jane", "--reason", "COPD")
    watcher, clock, source = started(ward)
    before = watcher.current
    assert {row.patient_id for row in load(ward, before.version).rows} == {None, "P-7"}
    put(ward, "spo2#008", "reason", "")
    assert settle(watcher, clock) == []
    assert latest(ward) == before
    ((kind, _, detail),) = alarms(ward, source)
    assert kind == INVALID
    assert "spo2#008: reason is blank" in detail


def content(cells: Cells, attribute: str = "") -> list[list[str]]:
    rows = [row for key, row in cells.items() if key.startswith(attribute)]
    return sorted([row.get(column, "") for column in CSV_COLUMNS] for row in rows)


def test_check_says_what_is_in_force_and_names_the_row_that_is_wrong(ward: Settings) -> None:
    watcher, _, _ = started(ward)
    answer = ward_command("check")
    assert answer.exit_code == 0
    assert f"In force: {watcher.current.version}, 155 rows" in answer.output
    put(ward, "spo2#001", "high_value", "ninety")
    answer = ward_command("check")
    assert answer.exit_code == 1
    assert "spo2#001: high_value is 'ninety', which is no number" in answer.output
    assert "stays in force until the table is right" in answer.output


def test_list_shows_the_rows_for_an_age_and_who_changed_them(ward: Settings) -> None:
    put(ward, "spo2#001", "delay_seconds", "7")
    answer = ward_command("list", "spo2", "--age", "0.5")
    assert [line.split()[0] for line in answer.output.splitlines()[1:]] == ["spo2#001", "spo2#002", "spo2#003"]
    assert "(HBase shell)" in answer.output.splitlines()[1]
    assert "defaults" in answer.output.splitlines()[2]


# What comes into force


def test_the_first_start_of_all_accepts_the_table_and_writes_it_to_hdfs_first(ward: Settings) -> None:
    watcher = ThresholdWatcher(ward)
    snapshot = watcher.start()
    assert versions(ward) == [snapshot.version]
    assert load(ward, snapshot.version) == snapshot == latest(ward)
    assert len(snapshot.rows) == 155


def test_a_change_comes_into_force_once_it_is_quiet_and_once_only(ward: Settings) -> None:
    watcher, clock, _ = started(ward)
    ward_command("set", "spo2#004", "delay_seconds=4")
    assert watcher.poll() is None
    clock.now += 1.9
    assert watcher.poll() is None
    clock.now += 0.1
    snapshot = watcher.poll()
    assert snapshot is not None
    assert next(row for row in snapshot.rows if row.row_key == "spo2#004").delay_seconds == 4
    assert latest(ward) == watcher.current == snapshot
    assert settle(watcher, clock) == []


def test_a_table_that_says_the_same_makes_no_new_version(ward: Settings) -> None:
    watcher, clock, _ = started(ward)
    put(ward, "temperature#001", "high_value", "34.90")
    put(ward, "temperature#001", "high_value", "34.9")
    put(ward, "temperature#001", "clear_margin", "0.20")
    assert settle(watcher, clock) == []
    assert len(versions(ward)) == 1


def test_an_edit_cell_by_cell_in_the_hbase_shell_settles_to_one_snapshot(ward: Settings) -> None:
    watcher, clock, source = started(ward)
    table = ward.thresholds.table
    shell = subprocess.Popen(
        shell_command(ward, ["-n"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert shell.stdin is not None
    shell.stdin.write(f"put '{table}', 'heart_rate#040', 't:high_value', '125'\n")
    shell.stdin.flush()
    await_(lambda: read_state(ward).cells["heart_rate#040"]["high_value"] == "125", "the first put")
    assert watcher.poll() is None
    clock.now += 1
    assert watcher.poll() is None
    shell.stdin.write(f"put '{table}', 'heart_rate#041', 't:low_value', '126'\n")
    output = shell.communicate(timeout=DEADLINE_SECONDS)[0]
    assert shell.returncode == 0, output
    (version,) = settle(watcher, clock)
    assert versions(ward)[0] == version
    limits = {row.row_key: (row.low_value, row.high_value) for row in watcher.current.rows}
    assert limits["heart_rate#040"] == (Decimal(111), Decimal(125))
    assert limits["heart_rate#041"] == (Decimal(126), None)
    assert alarms(ward, source) == [], "the half table was never looked at"


def test_a_bad_edit_leaves_the_old_table_in_force_and_ops_are_told_once_and_when_it_is_mended(ward: Settings) -> None:
    watcher, clock, source = started(ward)
    before = watcher.current
    put(ward, "spo2#004", "high_value", "ninety-one")
    assert settle(watcher, clock, 8) == []
    assert watcher.current == before == latest(ward)
    ((kind, cleared, detail),) = alarms(ward, source)
    assert (kind, cleared) == (INVALID, False)
    assert "spo2#004: high_value is 'ninety-one', which is no number" in detail
    assert before.version in detail
    put(ward, "spo2#004", "high_value", "91")
    assert settle(watcher, clock, 8) == []
    assert [(kind, cleared) for kind, cleared, _ in alarms(ward, source)] == [(INVALID, False), (INVALID, True)]


def test_an_alarm_that_outlives_the_watcher_is_cleared_by_the_next_one(ward: Settings) -> None:
    watcher, clock, source = started(ward)
    put(ward, "spo2#004", "low_value", "95")
    settle(watcher, clock)
    put(ward, "spo2#004", "low_value", "")
    after = ThresholdWatcher(ward, clock, source)
    after.start()
    settle(after, clock)
    assert [(kind, cleared) for kind, cleared, _ in alarms(ward, source)] == [(INVALID, False), (INVALID, True)]


def test_deleting_every_row_does_not_disarm(ward: Settings) -> None:
    watcher, clock, source = started(ward)
    before = watcher.current
    delete(ward, *DEFAULTS)
    assert settle(watcher, clock) == []
    assert watcher.current == before
    assert [(kind, cleared) for kind, cleared, _ in alarms(ward, source)] == [(EMPTY, False)]
    restarted = ThresholdWatcher(ward, clock, source)
    assert restarted.start() == before


def test_with_hbase_away_at_the_start_the_newest_snapshot_is_in_force_and_ops_are_told(ward: Settings) -> None:
    started(ward)
    make(ward, state := read_state(ward), plan_set(state.cells, ["spo2#004", "delay_seconds=4"]).signed("amira"))
    newest = new_snapshot(load_rows(ward), int(time.time() * 1000))
    store(ward, newest)
    away, clock, source = watching(without_hbase(ward))
    assert away.start() == newest
    assert settle(away, clock, 3) == []
    assert alarms(ward, source) == [], "a short absence is no news"
    assert settle(away, clock, int(AWAY_SECONDS) + 3) == []
    ((kind, cleared, detail),) = alarms(ward, source)
    assert (kind, cleared) == (AWAY, False)
    assert newest.version in detail
    back = ThresholdWatcher(ward, clock, source)
    assert back.start() == newest
    assert settle(back, clock) == []
    assert [(kind, cleared) for kind, cleared, _ in alarms(ward, source)] == [(AWAY, False), (AWAY, True)]


def test_with_hbase_away_and_no_snapshot_at_all_the_start_fails_with_a_reason(ward: Settings) -> None:
    with pytest.raises(UnavailableError, match="HBase"):
        ThresholdWatcher(without_hbase(ward)).start()


def test_a_first_start_on_a_bad_table_fails_naming_the_row(ward: Settings) -> None:
    put(ward, "spo2#001", "high_value", "ninety")
    watcher, _, source = watching(ward.model_copy(update={"thresholds": quick(ward)}))
    with pytest.raises(ConfigurationError, match="spo2#001: high_value is 'ninety'"):
        watcher.start()
    assert [(kind, cleared) for kind, cleared, _ in alarms(ward, source)] == [(INVALID, False)]


def quick(settings: Settings) -> Thresholds:
    """Settings of a table that counts as quiet at once, for a clock that stands still."""
    return settings.thresholds.model_copy(update={"settle_seconds": 0})


def test_corrupt_and_half_written_snapshots_are_passed_over(ward: Settings) -> None:
    watcher, _, _ = started(ward)
    good = watcher.current
    files = hdfs(ward)
    folder = ward.hdfs_path("thresholds")
    content = files.cat_file(f"{folder}/{good.version}.json")
    later = f"29991231T235959000Z-{good.version[-12:]}"
    files.pipe_file(f"{folder}/{later}.json", content[: len(content) // 2])
    files.pipe_file(f"{folder}/29991231T235959001Z-000000000000.json", content)
    files.pipe_file(f"{folder}/.29991231T235959002Z-{good.version[-12:]}.json", content)
    assert latest(ward) == good
    with pytest.raises(ConfigurationError, match="corrupt"):
        load(ward, later)
    with pytest.raises(ConfigurationError, match="does not exist"):
        load(ward, "20200101T000000000Z-000000000000")


def test_the_table_is_a_spark_data_source(ward: Settings) -> None:
    put(ward, "spo2#001", "delay_seconds", "7")
    spark = spark_session(ward, "thresholds-test", "local[2]")
    try:
        register(spark)
        table = (
            spark.read.format(NAME)
            .option("host", ward.hadoop.hbase_thrift_host)
            .option("port", str(ward.hbase_thrift_port))
            .option("table", ward.thresholds.table)
            .option("timeout_ms", "30000")
            .load()
        )
        rows = {row.row_key: row for row in table.collect()}
    finally:
        spark.stop()
    assert len(rows) == 155
    assert rows["spo2#001"].delay_seconds == 7
    assert rows["temperature#001"].high_value == Decimal("34.9")
    assert rows["temperature#001"].low_value is None
    assert rows["spo2#003"].alert_flag is False
