"""The Hive tables as analysts see them, through HiveServer2."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from bench.scratch_readings import History, scratch_readings
from clinical.tables import DATABASE, PATIENTS, TABLES, VITAL_READINGS, StoredTable
from clinical.vitals import MEASURED, REPORTED
from hive import ddl
from hive.bootstrap import _complete, bootstrap, table_path
from hive.cli import hql
from hive.client import HiveSession, QueryError, hive_session, query
from hive.statements import split_statements
from infra.clients import hdfs
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.looks_on


def questions_of_the_readme() -> list[str]:
    """The HQL of its blocks of code: of whole scripts, of `./ward hql` and of Python."""
    text = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    blocks: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    scripts = [block for language, block in blocks if language == "sql"]
    for _, block in blocks:
        scripts += re.findall(r'(?:\./ward hql |cursor\.execute\()"([^"]+)"', block)
    return [statement for script in scripts for statement in split_statements(script)]


@pytest.fixture
def session(stack: Settings) -> Iterator[HiveSession]:
    with hive_session(stack) as opened:
        yield opened


@pytest.fixture
def scratch(stack: Settings, session: HiveSession) -> Iterator[StoredTable]:
    """A table of readings that lacks the last two columns."""
    whole = replace(VITAL_READINGS, name=f"test_ddl_{uuid.uuid4().hex[:8]}")
    path = stack.hdfs_path("hive", whole.name)
    session.run(ddl.create_table(replace(whole, columns=whole.columns[:-2]), stack.default_fs + path))
    yield whole
    session.run(f"DROP TABLE {whole.full_name}")
    if hdfs(stack).exists(path):
        hdfs(stack).rm(path, recursive=True)


def ask(*arguments: str) -> tuple[int, str, str]:
    """Run `hql` as the command line does."""
    app = Typer()
    app.command()(hql)
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_is_there_with_its_comment(session: HiveSession, table: StoredTable) -> None:
    rows = session.rows(f"DESCRIBE {table.full_name}")
    described = {name: (kind, comment) for name, kind, comment in rows if name and not name.startswith("#")}
    expected = {c.name: (c.type.lower(), c.comment) for c in (*table.columns, *table.partitions)}
    assert described == expected


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_table_is_external_and_says_what_it_holds(session: HiveSession, table: StoredTable) -> None:
    described = {str(name).strip(): value for name, value, _ in session.rows(f"DESCRIBE FORMATTED {table.full_name}")}
    assert described["Table Type:"].strip() == "EXTERNAL_TABLE"
    parameters = {k.strip(): v for _, k, v in session.rows(f"DESCRIBE FORMATTED {table.full_name}") if k and v}
    assert parameters["comment"].strip() == table.comment


def test_bootstrapping_again_changes_nothing(stack: Settings, session: HiveSession) -> None:
    def state() -> list[list[tuple[Any, ...]]]:
        names = session.rows("SHOW TABLES IN health")
        return [names, *(session.rows(f"SHOW CREATE TABLE {table.full_name}") for table in TABLES.values())]

    before = state()
    bootstrap(stack)
    after = state()
    # An import of contacts, which may come in between, switches their location.
    changing = ("transient_lastDdlTime", f"{PATIENTS.name}/")
    assert [[r for r in part if not any(word in str(r) for word in changing)] for part in after] == [
        [r for r in part if not any(word in str(r) for word in changing)] for part in before
    ]


def test_an_old_table_gets_the_columns_that_it_lacks(session: HiveSession, scratch: StoredTable) -> None:
    _complete(session, scratch)
    names = [name for name, *_ in session.rows(f"DESCRIBE {scratch.full_name}")]
    assert names[: len(scratch.columns)] == list(scratch.column_names)


def test_a_table_with_another_type_is_reported_by_name(session: HiveSession, scratch: StoredTable) -> None:
    wrong = replace(scratch, columns=(replace(scratch.columns[0], type="STRING"), *scratch.columns[1:]))
    with pytest.raises(ConfigurationError, match="reading_id is BIGINT and should be STRING"):
        _complete(session, wrong)


def test_patients_may_be_asked_for_before_the_first_import(stack: Settings, session: HiveSession) -> None:
    """The stack's own table has moved on to a snapshot: here one more is made as that was."""
    fresh = replace(PATIENTS, name=f"test_ddl_{uuid.uuid4().hex[:8]}")
    session.run(ddl.create_table(fresh, stack.default_fs + table_path(stack, PATIENTS)))
    try:
        assert session.rows(f"SELECT * FROM {fresh.full_name}") == []
    finally:
        session.run(f"DROP TABLE {fresh.full_name}")
    assert hdfs(stack).ls(table_path(stack, PATIENTS)) == []


@pytest.mark.parametrize("question", questions_of_the_readme())
def test_what_the_readme_asks_is_answered(session: HiveSession, question: str) -> None:
    session.run(f"USE {DATABASE}")
    answer = session.run(question)
    assert answer.columns
    assert all(len(row) == len(answer.columns) for row in answer.rows)


def test_the_readme_has_questions_of_each_kind() -> None:
    assert len(questions_of_the_readme()) >= 6


def test_the_long_view_has_a_row_for_each_attribute_that_a_reading_has(session: HiveSession) -> None:
    columns = ("event_date", "event_hour", "reading_id", *REPORTED)
    [reading] = session.rows(
        f"SELECT {', '.join(columns)} FROM {VITAL_READINGS.full_name}"
        " WHERE heart_rate IS NOT NULL AND on_oxygen IS NOT NULL AND consciousness IS NOT NULL LIMIT 1"
    )
    (date, hour, reading_id), values = reading[:3], dict(zip(REPORTED, reading[3:], strict=True))
    expected: dict[str, tuple[Any, ...]] = {
        name: (values[name], None, vital.ucum, vital.loinc or None)
        for name, vital in MEASURED.items()
        if values[name] is not None
    }
    expected["on_oxygen"] = (None, "true" if values["on_oxygen"] else "false", None, None)
    expected["consciousness"] = (None, values["consciousness"], None, None)
    question = (
        f"SELECT attribute, value, text_value, unit, loinc FROM {VITAL_READINGS.full_name}_long"
        f" WHERE event_date = '{date}' AND event_hour = {hour} AND reading_id = {reading_id}"
    )
    rows = session.rows(question)
    assert len(rows) == len(expected)
    assert {attribute: tuple(row) for attribute, *row in rows} == expected
    mixed = session.rows(f"{question} AND (attribute <> 'heart_rate' OR reading_id < 0)")
    assert {attribute for attribute, *_ in mixed} == expected.keys() - {"heart_rate"}, "Hive dropped the filter"


def test_hql_prints_rows_as_json_and_csv() -> None:
    status, out, _ = ask("SELECT 1 AS n, 'a,b' AS t, CAST(NULL AS STRING) AS nothing;", "--format", "json")
    assert status == 0
    assert json.loads(out) == {"n": 1, "t": "a,b", "nothing": None}
    status, out, _ = ask("SELECT 1 AS n, 'a,b' AS t", "--format", "csv")
    assert out.splitlines() == ["n,t", '1,"a,b"']


def test_hql_runs_a_file_of_statements_in_the_database_health(tmp_path: Path) -> None:
    script = tmp_path / "question.hql"
    script.write_text("SET hive.query.name=question; -- a comment; of its own\nDESCRIBE vital_readings")
    status, out, _ = ask("-f", str(script))
    assert status == 0
    assert "reading_id" in out


def test_a_wrong_statement_is_answered_with_the_server_s_sentence() -> None:
    status, _, err = ask("SELECT nothing FROM vital_readings")
    assert status == 1
    assert "nothing" in err
    assert "Traceback" not in err
    assert "at org.apache" not in err


def test_a_failing_statement_raises_and_the_session_lives_on(session: HiveSession) -> None:
    with pytest.raises(QueryError, match=r"(?i)table not found"):
        session.run("SELECT * FROM health.no_such_table")
    assert session.rows("SELECT 2") == [(2,)]


def test_a_server_that_is_not_there_is_named(stack: Settings) -> None:
    nowhere = stack.model_copy(update={"hadoop": stack.hadoop.model_copy(update={"hiveserver2_port": 9})})
    with pytest.raises(UnavailableError, match=r"HiveServer2 at 127\.0\.0\.1:9"):
        query(nowhere, "SELECT 1")


def test_a_scan_of_many_splits_counts_every_row_once(stack: Settings) -> None:
    """As many tasks as files, if the server ran them at once: in one JVM they would take rows from each other."""
    history = History(days=1, hours_a_day=1, files_an_hour=16, rows_a_file=20_000, patients=50)
    with scratch_readings(stack) as make, hive_session(stack) as opened:
        table = make()
        table.land(history)
        for setting in ("tez.grouping.split-count=16", "tez.grouping.min-size=1"):
            opened.run(f"SET {setting}")
        statement = f"SELECT COUNT(*), SUM(reading_id) FROM {table.table.full_name}"
        answers = [opened.rows(statement) for _ in range(3)]
    assert answers == [[(history.rows, history.rows * (history.rows - 1) // 2)]] * 3
