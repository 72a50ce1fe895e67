"""`./ward logs`: what servers and streams printed."""

from __future__ import annotations

import os

from infra.errors import ConfigurationError
from infra.initialise import find_program
from infra.servers import all_of, find, log_file
from infra.settings import Settings


def print_logs(settings: Settings, name: str | None, follow: bool, lines: int) -> None:
    """Become `tail` on the log of `name`, or on every log that there is. Does not return."""
    servers = [find(settings, name)] if name else all_of(settings)
    files = [log_file(settings, server.name) for server in servers]
    existing = [str(file) for file in files if file.exists()]
    if not existing:
        raise ConfigurationError(f"No log of {name or 'anything'} yet in {settings.log_dir}: was it started?")
    options = ["-n", str(lines), *(["-F"] if follow else [])]
    os.execv(find_program("tail"), ["tail", *options, *existing])
