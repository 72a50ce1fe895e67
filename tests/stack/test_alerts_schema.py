"""Tables of the alerts database that another version made."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymysql.connections import Connection

from alerts.bootstrap import create_tables
from alerts.orders import load_unhandled
from alerts.store import LOADED_ALARMS
from infra.errors import ConfigurationError

pytestmark = pytest.mark.looks_on


@pytest.fixture
def database(mysql_root: Connection[Any]) -> Iterator[Connection[Any]]:
    """An empty database of the test's own."""
    name = f"alerts_test_{uuid.uuid4().hex[:8]}"
    with mysql_root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    mysql_root.select_db(name)
    yield mysql_root
    with mysql_root.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


def test_tables_are_made_and_a_second_start_leaves_them(database: Connection[Any]) -> None:
    with database.cursor() as cursor:
        create_tables(cursor)
        cursor.execute("INSERT INTO alarm_events (alarm_id, at, who, what, why) VALUES ('a', 1, 'b', 'c', 'd')")
        create_tables(cursor)
        assert cursor.execute("SELECT 1 FROM alarm_events") == 1


def test_the_engine_finds_the_few_alarms_that_it_loads_by_a_key_also_in_a_table_that_lacked_it(
    database: Connection[Any],
) -> None:
    with database.cursor() as cursor:
        create_tables(cursor)
        cursor.execute("ALTER TABLE alarms DROP KEY by_notice, DROP KEY by_time")
        create_tables(cursor)
        cursor.execute(
            "INSERT INTO alarms (alarm_id, kind, started_at, last_breach_at, breaches, notice)"
            " SELECT LPAD(HEX(seq), 32, '0'), 'clinical', seq, seq, 1, IF(seq = 777, '{}', NULL) FROM seq_1_to_20000"
        )
        cursor.execute("ANALYZE TABLE alarms")
        cursor.execute(f"EXPLAIN {LOADED_ALARMS}")
        [(*_, key, _, _, rows, _)] = cursor.fetchall()
        assert (key, int(rows) < 10) == ("by_notice", True)


def test_a_column_that_may_be_empty_is_added_to_the_table_of_an_older_version(database: Connection[Any]) -> None:
    with database.cursor() as cursor:
        create_tables(cursor)
        cursor.execute("ALTER TABLE orders DROP COLUMN severity")
        cursor.execute(
            "INSERT INTO orders (alarm_id, author, is_claimed, reason, created_at) VALUES ('a', 'b', 0, 'c', 1)"
        )
        create_tables(cursor)
        create_tables(cursor)
        assert [order.severity for order in load_unhandled(cursor)] == [None]


def test_a_column_of_a_newer_version_that_needs_a_value_is_refused(database: Connection[Any]) -> None:
    with database.cursor() as cursor:
        create_tables(cursor)
        cursor.execute("ALTER TABLE alarms ADD COLUMN hint VARCHAR(9) NULL, ADD COLUMN owner VARCHAR(9) NOT NULL")
        with pytest.raises(ConfigurationError, match=r"alarms .*: owner is unknown and must have a value\."):
            create_tables(cursor)


def test_a_table_of_another_version_is_refused_by_its_columns_and_left_alone(database: Connection[Any]) -> None:
    with database.cursor() as cursor:
        create_tables(cursor)
        cursor.execute("ALTER TABLE notifications DROP COLUMN subject, MODIFY attempts BIGINT NOT NULL")
        with pytest.raises(ConfigurationError, match=r"notifications .* subject is missing.* attempts is bigint"):
            create_tables(cursor)
        cursor.execute("SHOW COLUMNS FROM notifications LIKE 'subject'")
        assert cursor.fetchall() == ()
