"""The Hive tables as analysts see them, through HiveServer2."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from clinical.tables import PATIENTS, TABLES, VITAL_READINGS, StoredTable
from hive import ddl
from hive.bootstrap import _complete, bootstrap, table_path
from hive.cli import hql
from hive.client import HiveSession, QueryError, hive_session, query
from infra.clients import hdfs
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings

pytestmark = pytest.mark.leaves_streams


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
    changing = "transient_lastDdlTime"
    assert [[r for r in part if changing not in str(r)] for part in after] == [
        [r for r in part if changing not in str(r)] for part in before
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
