"""Pieces of Spark SQL that the transforms share: text in, text out.

The transforms are SQL text, not `Column`s: a `Column` costs several calls to the JVM for each node, the parser of
readings seven thousand for each batch, and those took minutes on a machine that was busy with other things.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame

from infra.errors import ConfigurationError

CORRUPT = "_corrupt"
LATEST_MS = 4_102_444_800_000
"""1 January 2100. A number outside 1970 to 2100 is not a time; it would also overflow a timestamp."""


def text(value: str) -> str:
    """A string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def text_list(values: Iterable[str]) -> str:
    """String literals for `IN (…)` or `array(…)`."""
    return ", ".join(text(value) for value in values)


def struct(**fields: str) -> str:
    """A struct of expressions."""
    return f"named_struct({', '.join(f'{text(name)}, {expression}' for name, expression in fields.items())})"


def computed_once(expression: str) -> str:
    """The expression as a generator of one row: as a plain column, the optimizer copies it into the filters above it.

    For `from_json` only: a generator and what it computes is interpreted for each row, not compiled.
    """
    return f"explode(array({expression}))"


def text_fields(message: str, fields: Iterable[str]) -> str:
    """A JSON object's fields, all as text, so that `"abc"` in a number is told from null; `_corrupt` if it is none."""
    schema = ", ".join(f"{name} STRING" for name in (*fields, CORRUPT))
    options = f"map('mode', 'PERMISSIVE', 'columnNameOfCorruptRecord', '{CORRUPT}')"
    return f"from_json({message}, '{schema}', {options})"


def time_of(expression: str) -> str:
    """TIMESTAMP of a text in epoch milliseconds; NULL when it is no time between 1970 and 2100."""
    ms = f"try_cast({expression} AS BIGINT)"
    return f"timestamp_millis(CASE WHEN {ms} BETWEEN 0 AND {LATEST_MS} THEN {ms} END)"


def require_columns(df: DataFrame, columns: tuple[str, ...]) -> None:
    """Raises ConfigurationError naming the columns that `df` lacks."""
    present = set(df.columns)
    missing = [name for name in columns if name not in present]
    if missing:
        raise ConfigurationError(
            f"The data frame lacks the columns {', '.join(missing)}; it has {', '.join(df.columns)}."
        )
