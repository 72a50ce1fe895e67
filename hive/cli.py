"""`./ward hql`: a question to Hive from the command line."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clinical.tables import DATABASE
from hive.client import Answer, hive_session
from hive.statements import cell, split_statements, write_csv, write_json
from infra.errors import WardError
from infra.settings import load_settings


class Format(StrEnum):
    """How the rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"


def hql(
    query: Annotated[
        str | None, typer.Argument(help="Statements, separated by semicolons.", show_default=False)
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="json: one object a line.")] = Format.table,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the statements from a file.")] = None,
) -> None:
    """Ask Hive, for example: ./ward hql "SELECT * FROM health.vital_readings LIMIT 5".

    Runs on HiveServer2 in the database health. csv and json stream, so any number of rows can be written to a file.
    """
    try:
        statements = split_statements(_script(query, file))
        with hive_session(load_settings()) as session:
            session.run(f"USE {DATABASE}")
            for statement in statements:
                _print(session.run(statement), output)
    except WardError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _script(query: str | None, file: Path | None) -> str:
    if (query is None) == (file is None):
        raise WardError('Give either a query, as in ./ward hql "SHOW TABLES", or a file with -f.')
    if query is not None:
        return query
    assert file is not None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WardError(f"The file {file} cannot be read: {error}.") from error


def _print(answer: Answer, output: Format) -> None:
    if not answer.columns:
        return
    if output is Format.csv:
        write_csv(sys.stdout, answer.columns, answer.rows)
    elif output is Format.json:
        write_json(sys.stdout, answer.columns, answer.rows)
    else:
        table = Table(*answer.columns)
        for row in answer.rows:
            table.add_row(*map(cell, row))
        Console().print(table, markup=False)
