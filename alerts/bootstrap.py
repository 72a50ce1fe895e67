"""What the alerts need before they run: tables, the default subscription of ops, topics and subscriptions in SNS."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from pymysql.cursors import Cursor

from alerts.database import now_ms
from alerts.subscriptions import reconcile
from alerts.subscriptions_table import add_default_ops
from infra.clients import alerts_connection
from infra.errors import ConfigurationError
from infra.settings import Settings

SCHEMA = Path(__file__).with_name("schema.sql")
CREATION = re.compile(r"CREATE TABLE IF NOT EXISTS (?P<table>\w+) ")
MODEL = "table_as_it_should_be"


def bootstrap(settings: Settings) -> None:
    """Create what is missing; a second run changes nothing, a run cut short is completed by the next.

    Raises UnavailableError when MySQL or SNS does not answer, ConfigurationError when a table is of another version.
    """
    with closing(alerts_connection(settings)) as connection:
        with connection.cursor() as cursor:
            create_tables(cursor)
            add_default_ops(cursor, settings.alerts.ops_email, now_ms())
        reconcile(settings, connection)


def create_tables(cursor: Cursor, schema: Path = SCHEMA) -> None:
    """Apply a file such as `schema.sql`: every statement leaves an existing table alone, but columns that may be
    empty and keys that are not unique are added where they are missing.

    Raises ConfigurationError naming the other columns of an existing table that are missing, or of another type:
    another version made it, and to write into it might lose an alarm.
    """
    for statement in schema.read_text().split("\n--;\n"):
        cursor.execute(statement)
        if created := CREATION.search(statement):
            _require_same(cursor, created["table"], CREATION.sub(f"CREATE TEMPORARY TABLE {MODEL} ", statement))


def _require_same(cursor: Cursor, table: str, create_model: str) -> None:
    """The server itself says how it would make the table now, so that spellings of a type do not differ."""
    cursor.execute(create_model)
    try:
        (expected, _, optional), (found, needed, _) = _columns(cursor, MODEL), _columns(cursor, table)
        keys, present = _keys(cursor, MODEL), _keys(cursor, table)
    finally:
        cursor.execute(f"DROP TEMPORARY TABLE {MODEL}")
    added = optional - found.keys()
    wrong = [
        f"{name} is missing" if name not in found else f"{name} is {found[name]} and should be {kind}"
        for name, kind in expected.items()
        if name not in added and found.get(name) != kind
    ]
    wrong += [f"{name} is unknown and must have a value" for name in found.keys() - expected.keys() if name in needed]
    if wrong:
        raise ConfigurationError(
            f"The table {table} of the alerts database was made by another version of Wardwatch: {'; '.join(wrong)}. "
            "Nothing was changed. Go on with that version, or make a backup and alter the table."
        )
    for name in added:
        cursor.execute(f"ALTER TABLE {table} ADD COLUMN {name} {expected[name]} NULL")
    for name in keys.keys() - present.keys():
        cursor.execute(f"ALTER TABLE {table} ADD KEY {name} ({', '.join(keys[name])})")


def _columns(cursor: Cursor, table: str) -> tuple[dict[str, str], set[str], set[str]]:
    """The type of each column; those for which a row must bring a value, and those that may be empty."""
    cursor.execute(f"SHOW COLUMNS FROM {table}")
    rows = cursor.fetchall()
    needed = {name for name, _, null, _, default, extra in rows if null == "NO" and default is None and not extra}
    optional = {name for name, _, null, *_ in rows if null == "YES"}
    return {name: kind for name, kind, *_ in rows}, needed, optional


def _keys(cursor: Cursor, table: str) -> dict[str, list[str]]:
    """The columns of each key that is not unique, in order, with the length of a prefix."""
    cursor.execute(f"SHOW INDEX FROM {table} WHERE Non_unique")
    keys: dict[str, list[str]] = {}
    for _, _, name, _, column, _, _, length, *_ in cursor.fetchall():
        keys.setdefault(name, []).append(f"{column}({length})" if length else column)
    return keys
