"""`./ward`: the command line. Commands of other rooms are imported only when they are used, so that help is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import click
import typer
from typer.core import TyperGroup

from infra.errors import WardError

LAZY: dict[str, tuple[str, str, str]] = {
    "demo": ("infra.demo", "demo", "From nothing to the first doctor's email, explained on the way."),
    "hql": ("hive.cli", "hql", "Run HQL on the Hive tables."),
    "thresholds": ("hbase.cli", "app", "Show and edit the limits that decide what is a breach."),
    "hbase-shell": ("hbase.cli", "shell", "The HBase shell on the threshold table."),
    "subscriptions": ("alerts.cli", "subscriptions", "Which doctors are mailed about which wards and severities."),
    "inbox": ("alerts.cli", "inbox", "The emails that the embedded inbox has received."),
    "simulate": ("producers.cli", "simulate", "A ward of patients whose devices write vital signs to MySQL."),
    "import-contacts": ("sqoop.cli", "import_contacts", "Import the patients' contacts into Hive with Sqoop, now."),
}
"""Command -> module, attribute (a typer app or a plain function) and its line in `./ward --help`."""


class LazyGroup(TyperGroup):
    """A group whose commands in `LAZY` are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *LAZY]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        if ctx.resilient_parsing or not ctx.meta.get("ward.listing", False):
            return _load(cmd_name)
        return click.Command(cmd_name, help=LAZY[cmd_name][2])

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        ctx.meta["ward.listing"] = True
        super().format_help(ctx, formatter)


def _load(name: str) -> click.Command:
    module, attribute, summary = LAZY[name]
    found: Any = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name, group.help = name, group.help or summary
        return group
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name, help=found.__doc__ or summary)(found)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Wardwatch: vital signs from MySQL through Kafka, Spark, Hive and HBase to a doctor's email. No medical device.",
)


@app.command()
def up(
    names: Annotated[list[str] | None, typer.Argument(help="only these and what they need; default: everything")] = None,
) -> None:
    """Install what is missing, start all servers and streams, and wait until they work."""
    from infra import lifecycle

    lifecycle.up(_settings(), names or [], _console())


@app.command()
def down() -> None:
    """Stop all streams and servers. Data is kept."""
    from infra import lifecycle

    lifecycle.down(_settings(), _console())


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


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(ctx: typer.Context) -> None:
    """Run ruff, mypy and all tests; further arguments go to pytest in place of the test folders."""
    from infra.checks import run_checks

    raise typer.Exit(run_checks(_settings(), ctx.args, _console()))


def _settings() -> Any:
    from infra.settings import load_settings

    return load_settings()


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line. A WardError becomes its sentence on standard error and exit status 1."""
    try:
        app(prog_name="./ward")
    except WardError as error:
        click.secho(str(error), fg="red", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
