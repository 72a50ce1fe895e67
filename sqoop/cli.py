"""The command `./ward import-contacts`."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from infra.log import configure_logging
from infra.metrics import CONTACTS_VERSION, read_state
from infra.settings import Settings, load_settings
from infra.waiting import wait_for
from sqoop.importer import import_contacts as run_import

DETECTION = "detect-breaches"
TAKEN_UP_SECONDS = 60.0
"""Detection looks for a new snapshot every three seconds, and takes some more to load it; when it has just taken up
another, it waits for the end of an epoch besides."""

POLL_SECONDS = 0.5


def import_contacts(
    full: Annotated[bool, typer.Option("--full", help="Read every row, not only those that changed.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only, without progress.")] = False,
) -> None:
    """Import the patients' contacts from MySQL into Hive, now.

    Reads what changed since the last import; deletions are found too, at the latest once a day. A running import is
    waited for, and so is detection: when this ends, new breaches carry the contacts just imported.
    """
    configure_logging("WARNING")
    signal.signal(signal.SIGTERM, _end)
    settings = load_settings()
    if quiet:
        result = run_import(settings, full)
        taken_up = await_detection(settings, result.version)
    else:
        with Console(stderr=True).status("starting") as status:
            result = run_import(settings, full, progress=lambda step: status.update(f"Contacts: {step} …"))
            status.update("Contacts: waiting until detection has them …")
            taken_up = await_detection(settings, result.version)
    typer.echo(f"{result.sentence()} {taken_up}")


def await_detection(settings: Settings, version: str, seconds: float | None = None) -> str:
    """Wait until detection judges by the snapshot `version` or a later one; a sentence that says how it stands."""
    if seconds is None:
        seconds = TAKEN_UP_SECONDS + settings.spark.realtime_epoch_seconds

    def look() -> str:
        state = read_state(settings, DETECTION)
        if state is None:
            return "Detection does not run; when it does, it takes it up."
        taken_up = state.in_force.get(CONTACTS_VERSION, "") >= version
        return "Breaches carry it from now on." if taken_up else ""

    late = f"Detection has not taken it up after {seconds:.0f} s: see `./ward logs {DETECTION}`."
    return wait_for(look, seconds, POLL_SECONDS) or late


def _end(_number: int, _frame: FrameType | None) -> None:
    # As an exception, so that child processes and temporary files go too.
    sys.exit(128 + signal.SIGTERM)
