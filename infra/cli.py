"""`./ward`: the command line. Commands of other rooms are imported only when they are used, so that help is quick."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from infra.errors import WardError

WIDTH_OF_FILES = 130
"""Columns of output that does not go to a terminal."""

LAZY: dict[str, tuple[str, str, str]] = {
    "demo": ("alerts.demo", "demo", "From nothing to the first doctor's email, explained on the way."),
    "hql": ("hive.cli", "hql", "Run HQL on the Hive tables."),
    "thresholds": ("hbase.cli", "app", "Show and edit the limits that decide what is a breach."),
    "hbase-shell": ("hbase.shell_command", "shell", "The HBase shell on the threshold table."),
    "subscriptions": ("alerts.cli", "subscriptions", "Which doctors are mailed about which wards and severities."),
    "alarms": ("alerts.alarms_cli", "alarms", "Alarms, their history, who looks after them, and what is silenced."),
    "users": ("dashboard.users_cli", "app", "Who may log in to the ward page, and in which role."),
    "inbox": ("alerts.cli", "inbox", "The emails that the embedded inbox has received."),
    "simulate": ("producers.cli", "simulate", "A ward of patients whose devices write vital signs to MySQL."),
    "dlq": ("producers.dlq_cli", "app", "Messages that could not be read: look, and send them again after a fix."),
    "trace": ("alerts.trace", "trace", "Follow one reading through every system."),
    "bench": ("bench.cli", "bench", "Measure the product against its goals and its peers."),
    "import-contacts": ("sqoop.cli", "import_contacts", "Import the patients' contacts into Hive with Sqoop, now."),
}
"""Command -> module, attribute (a typer app or a plain function) and its line in `./ward --help`."""


class LazyGroup(TyperGroup):
    """A group whose commands in `LAZY` are imported on first use; listing them needs only the table.

    `Any` stands where typer hands over types that it keeps to itself.
    """

    listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *LAZY]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        module, attribute, summary = LAZY[cmd_name]
        if self.listing:
            return _as_command(cmd_name, lambda: None, summary)
        return _as_command(cmd_name, getattr(importlib.import_module(module), attribute), summary)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.listing = True
        super().format_help(ctx, formatter)


def _as_command(name: str, found: Any, summary: str) -> Any:
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name, help=found.__doc__ or summary)(found)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Vital signs from MySQL through Kafka, Spark, Hive and HBase to a doctor's email. Not a medical device.",
)


@app.command()
def up(
    names: Annotated[
        list[str] | None, typer.Argument(help="only these and what they need; default: everything")
    ] = None,
) -> None:
    """Install what is missing, start all servers and streams, and wait until they work."""
    from infra import lifecycle
    from infra.backup import require_finished
    from infra.log import configure_logging

    configure_logging("WARNING")
    require_finished(_settings())
    lifecycle.up(_settings(), names or [], _console())


@app.command()
def down() -> None:
    """Stop all streams and servers. Data is kept."""
    from infra import lifecycle

    lifecycle.down(_settings(), _console())


@app.command()
def restart(
    names: Annotated[list[str], typer.Argument(help="servers or streams, as `./ward status` names them")],
) -> None:
    """Restart servers or streams, one after the other; each goes on where it was and reads wardwatch.toml anew.

    WARDWATCH_… variables, ports and commands stay what they were: `./ward down` and `./ward up` change these.
    """
    from infra import render, supervise
    from infra.backup import require_finished
    from infra.lifecycle import only_one

    settings = _settings()
    require_finished(settings)
    with only_one(settings):
        render.render_all(settings)
        for name in names:
            supervise.restart(settings, name)
            supervise.wait_ready(settings, name)
            _console().print(f"[green]✓[/] {name}")


@app.command()
def backup(
    directory: Annotated[
        Path | None, typer.Argument(help="a new directory; default: .ward/backups/ and the time")
    ] = None,
) -> None:
    """Copy what is not on HDFS: MySQL with the metastore, Airflow's database, the thresholds. The stack must be up."""
    from infra import backup as backups

    settings = _settings()
    target = directory or backups.default_directory(settings)
    backups.save(settings, target, _console())
    typer.echo(f"{target} holds patients' data: keep it where only you can read it, and off this machine.")


@app.command()
def restore(
    directory: Annotated[Path, typer.Argument(help="what `./ward backup` made")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop everything, put a backup back, start everything. What was written since the backup is lost.

    Readings are on HDFS and stay as they are; those of the time since the backup stay in Hive.
    """
    from infra import backup as backups
    from infra.log import configure_logging

    configure_logging("WARNING")
    settings = _settings()
    made_at = backups.check(settings, directory)
    if not yes:
        what = ", ".join(part.what for part in backups.parts_of(settings))
        typer.confirm(f"Replace {what} by those of {made_at:%Y-%m-%d %H:%M} UTC?", abort=True)
    backups.restore(settings, directory, _console())
    typer.echo(
        f"Restored as of {made_at:%Y-%m-%d %H:%M} UTC. To name what MySQL has lost since, backfill the DAG audit from "
        f"{made_at:%Y-%m-%dT%H}:00 to the last full hour."
    )


@app.command()
def status() -> None:
    """Show each server and stream: state, since when, memory, lag and page. Exit status 1 unless all are up."""
    from infra import status as table

    if not table.show(_settings(), _console()):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="server or stream; default: the last lines of all")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on printing as lines come")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="how many lines of each")] = 40,
) -> None:
    """Print the logs of one server or stream, or the end of every one."""
    from infra.logs import print_logs

    print_logs(_settings(), name, follow, lines)


@app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run_tests(
    ctx: typer.Context,
    faults: Annotated[
        bool,
        typer.Option("--faults", help="the long form of the fault suite alone; goes on where it was interrupted"),
    ] = False,
) -> None:
    """Run ruff, mypy and all tests; further arguments go to pytest in place of the test folders."""
    from infra.checks import run_checks

    raise typer.Exit(run_checks(_settings(), ctx.args, _console(), faults))


def _settings() -> Any:
    from infra.settings import load_settings

    return load_settings()


def _console() -> Any:
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH_OF_FILES)


def main() -> None:
    """Run the command line. A WardError becomes its sentence on standard error and exit status 1."""
    try:
        app(prog_name="./ward")
    except WardError as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
