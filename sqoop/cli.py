"""The command `./ward import-contacts`."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from infra.log import configure_logging
from infra.settings import load_settings
from sqoop.importer import import_contacts as run_import


def import_contacts(
    full: Annotated[bool, typer.Option("--full", help="Read every row, not only those that changed.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only, without progress.")] = False,
) -> None:
    """Import the patients' contacts from MySQL into Hive, now.

    Reads what changed since the last import; deletions are found too, at the latest once a day. A running import is
    waited for.
    """
    configure_logging("WARNING")
    signal.signal(signal.SIGTERM, _end)
    settings = load_settings()
    if quiet:
        result = run_import(settings, full)
    else:
        with Console(stderr=True).status("starting") as status:
            result = run_import(settings, full, progress=lambda step: status.update(f"Contacts: {step} …"))
    typer.echo(result.sentence())


def _end(_number: int, _frame: FrameType | None) -> None:
    # As an exception, so that child processes and temporary files go too.
    sys.exit(128 + signal.SIGTERM)
