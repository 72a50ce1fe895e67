"""The command `./ward import-contacts`."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from infra.errors import WardError
from infra.settings import load_settings
from sqoop.importer import import_contacts as run_import


def import_contacts(
    full: Annotated[bool, typer.Option("--full", help="Read every row, not only those that changed.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only, without progress.")] = False,
) -> None:
    """Import the patients' contacts from MySQL into Hive, now.

    Reads what changed since the last import; deletions are found too, at the latest once a day.
    """
    signal.signal(signal.SIGTERM, _end)
    errors = Console(stderr=True)
    try:
        settings = load_settings()
        if quiet:
            result = run_import(settings, full)
        else:
            with errors.status("starting") as status:
                result = run_import(settings, full, progress=lambda step: status.update(f"Contacts: {step} …"))
    except WardError as error:
        errors.print(f"[red]Contacts not imported:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    typer.echo(result.sentence())


def _end(_number: int, _frame: FrameType | None) -> None:
    # As an exception, so that child processes and temporary files go too.
    sys.exit(128 + signal.SIGTERM)
