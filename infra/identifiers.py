"""Names of tables and columns as a site's settings give them, for a statement that MySQL executes.

A site's name may be a reserved word (`left`), and have spaces, dots, backticks and percent signs in it.
"""

from __future__ import annotations


def quoted(name: str) -> str:
    """A column's name in backticks."""
    return f"`{name.replace('`', '``')}`"


def quoted_table(table: str) -> str:
    """`database.table`, each part in backticks."""
    return ".".join(map(quoted, table.split(".", 1)))


def quoted_before_arguments(name: str) -> str:
    """A column's name in backticks, for a statement that is executed with arguments."""
    return before_arguments(quoted(name))


def quoted_table_before_arguments(table: str) -> str:
    """`database.table`, each part in backticks, for a statement that is executed with arguments."""
    return before_arguments(quoted_table(table))


def before_arguments(sql: str) -> str:
    """SQL that has no place for an argument, as a part of a statement that is executed with arguments, even none."""
    return sql.replace("%", "%%")
