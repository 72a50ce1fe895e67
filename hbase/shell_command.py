"""The command `./ward hbase-shell`: HBase's own shell on the threshold table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from infra.errors import ConfigurationError
from infra.settings import Settings, load_settings

SHELL_SOURCES = Path(__file__).parent / "shell"
SHELL_HEAP = "256m"


def shell(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGUMENT", help="Passed on to the shell; put `--` before options of its own."),
    ] = None,
    noninteractive: Annotated[
        bool, typer.Option("--noninteractive", "-n", help="Read commands from standard input; stop at an error.")
    ] = False,
) -> None:
    """Open HBase's own shell, for example to `put 'threshold_reference', 'spo2#001', 't:delay_seconds', '10'`."""
    words = [*(["-n"] if noninteractive else []), *(arguments or [])]
    command = shell_command(load_settings(), words)
    os.execv(command[0], command)


def shell_command(settings: Settings, arguments: list[str]) -> list[str]:
    """The command line of HBase's shell. Raises ConfigurationError when it is not installed."""
    from infra import java

    if not (settings.lib_dir / "hbase-shell").is_dir():
        raise ConfigurationError(f"No HBase shell in {settings.lib_dir}: run `./ward up` once, which installs it.")
    logging = f"-Dlog4j2.configurationFile={SHELL_SOURCES / 'log4j2.properties'}"
    return java.command(
        settings,
        "hbase-shell",
        "org.jruby.JarBootstrapMain",
        *arguments,
        heap=SHELL_HEAP,
        conf=("hbase", "hadoop", str(SHELL_SOURCES)),
        flags=(*java.HBASE_FLAGS, logging, "-Djruby.cli.warning.level=NIL"),
        more_jars=("hbase",),
    )
