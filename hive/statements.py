"""Splitting an HQL script into statements, and writing their answers. Pure: no server."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import orjson

_TOKEN = re.compile(
    r"""'(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | `[^`]*` | --[^\n]* | ; | [^'"`;-]+ | .""", re.DOTALL | re.VERBOSE
)


def split_statements(script: str) -> list[str]:
    """The statements of a script, without their semicolons and without `--` comments.

    A semicolon within quotes does not end a statement.
    """
    statements, current = [], ""
    for token in _TOKEN.findall(script):
        if token == ";":
            statements.append(current)
            current = ""
        elif not token.startswith("--"):
            current += token
    statements.append(current)
    return [statement.strip() for statement in statements if statement.strip()]


def write_csv(out: IO[str], columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
    """RFC 4180 with a header; NULL is an empty field."""
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)


def write_json(out: IO[str], columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
    """One JSON object a line; a DECIMAL is a number, a time its text."""
    for row in rows:
        out.write(orjson.dumps(dict(zip(columns, row, strict=True)), default=_plain).decode() + "\n")


def cell(value: Any) -> str:
    """A value as a person reads it."""
    return "NULL" if value is None else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value))
