"""Commands: `ward users …`, the accounts of the ward page.

A password is typed twice or made here and written to a file of mode 600; it is never on the command line, where other
users of the machine could read it. Each change is in the audit of the ward page, under the name on this machine.
"""

from __future__ import annotations

import secrets
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dashboard import audit, sessions
from dashboard.accounts import Accounts, check_name, check_password_length, password_file
from dashboard.roles import Role
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.locks import named_lock
from infra.secrets import write_private
from infra.settings import Settings, load_settings

RANDOM_BYTES = 15
LOCK, LOCK_SECONDS = "wardwatch-page-users", 10.0

Name = Annotated[str, typer.Argument(help="User name: a-z, 0-9, '.', '_' or '-', a letter first.")]
Generate = Annotated[
    bool, typer.Option("--generate", help="Make a password and write it to a file that only you can read.")
]

app = typer.Typer(help="Who may log in to the ward page, and in which role.", no_args_is_help=True)


@app.command("list")
def list_command() -> None:
    """List the users and their roles."""
    table = Table("user", "role")
    for account in Accounts(load_settings()).all():
        table.add_row(account.name, account.role.value)
    Console(markup=False, highlight=False).print(table)


@app.command("add")
def add_command(
    name: Name,
    role: Annotated[Role, typer.Option(help="What they may see and do.")],
    generate: Generate = False,
) -> None:
    """Add a user; the password is asked for twice."""
    settings = load_settings()
    check_name(name)
    if Accounts(settings).find(name):
        raise ConfigurationError(
            f"There is a user {name} already: `./ward users password {name}` changes the password."
        )
    password = _new_password(generate)
    with named_lock(settings, LOCK, LOCK_SECONDS):
        accounts = Accounts(settings)
        if accounts.find(name):
            raise ConfigurationError(f"Somebody else has just added a user {name}.")
        audit.record_from_shell(settings, "user added", f"{name}, {role.value}")
        _put(settings, accounts, name, role, password, generate)
    typer.echo(f"{name} may log in as {role.value}.")


@app.command("password")
def password_command(name: Name, generate: Generate = False) -> None:
    """Change a user's password; it is asked for twice. Pages that they have open end."""
    settings = load_settings()
    Accounts(settings).require(name)
    password = _new_password(generate)
    with named_lock(settings, LOCK, LOCK_SECONDS):
        accounts = Accounts(settings)
        role = accounts.require(name).role
        audit.record_from_shell(settings, "user's password changed", name)
        _put(settings, accounts, name, role, password, generate)
        _end_sessions(settings, name)
    typer.echo(f"{name} has a new password.")


@app.command("remove")
def remove_command(name: Name) -> None:
    """Remove a user. Pages that they have open end."""
    settings = load_settings()
    with named_lock(settings, LOCK, LOCK_SECONDS):
        accounts = Accounts(settings)
        role = accounts.require(name).role
        audit.record_from_shell(settings, "user removed", f"{name}, {role.value}")
        accounts.remove(name)
        password_file(settings, name).unlink(missing_ok=True)
        _end_sessions(settings, name)
    typer.echo(f"{name} is no user any more.")


def _new_password(generate: bool) -> str:
    if generate:
        return secrets.token_urlsafe(RANDOM_BYTES)
    password: str = typer.prompt("Password (12 characters or more)", hide_input=True, confirmation_prompt=True)
    check_password_length(password)
    return password


def _put(settings: Settings, accounts: Accounts, name: str, role: Role, password: str, generated: bool) -> None:
    """The file first: a crash in between leaves a file that is put right by the next try, and no unknown password."""
    path = password_file(settings, name)
    if generated:
        write_private(path, password)
    accounts.put(name, role, password)
    if generated:
        typer.echo(f"The password is in {path}: tell it, then delete the file.")
    else:
        path.unlink(missing_ok=True)


def _end_sessions(settings: Settings, name: str) -> None:
    try:
        sessions.end_all(settings, name)
    except UnavailableError as error:
        raise WardError(f"Done, but the pages that {name} has open could not be ended, do it again: {error}") from error
