"""`./ward users`: accounts of the ward page, with their audit and sessions in the real MySQL."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from dashboard import sessions
from dashboard.accounts import Account, Accounts, password_file
from dashboard.roles import Role
from dashboard.users_cli import app
from infra.errors import ConfigurationError
from infra.settings import Settings
from tests.stack.alerting import query, unique

pytestmark = pytest.mark.own_world

PASSWORD = "correct horse battery"


def users(*arguments: str, typed: str = "") -> Result:
    """Run `./ward users`, with that typed; raises what it raises."""
    return CliRunner().invoke(app, arguments, input=typed, catch_exceptions=False)


@pytest.fixture
def user(stack: Settings) -> Iterator[str]:
    """A name that only this test uses; no such user is left."""
    name = unique("user")
    yield name
    if Accounts(stack).find(name):
        users("remove", name)


def acts(settings: Settings, name: str) -> list[tuple[str, str, str]]:
    rows = query(
        settings, "SELECT act, role, detail FROM page_audit WHERE detail LIKE %s ORDER BY entry_id", f"{name}%"
    )
    return [(act, role, detail) for act, role, detail in rows]


def test_a_user_is_added_with_a_typed_password_that_is_nowhere_shown(stack: Settings, user: str) -> None:
    shown = users("add", user, "--role", "nurse", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert shown.exit_code == 0
    assert PASSWORD not in shown.output
    assert Accounts(stack).check_password(user, PASSWORD) == Account(user, Role.NURSE)
    assert not password_file(stack, user).exists()
    [line] = [line for line in users("list").output.splitlines() if user in line]
    assert "nurse" in line


def test_a_typing_error_is_asked_about_again(stack: Settings, user: str) -> None:
    shown = users("add", user, "--role", "nurse", typed=f"{PASSWORD}\n{PASSWORD}x\n{PASSWORD}\n{PASSWORD}\n")
    assert shown.exit_code == 0
    assert Accounts(stack).check_password(user, PASSWORD)


def test_a_generated_password_is_in_a_private_file_and_not_shown(stack: Settings, user: str) -> None:
    shown = users("add", user, "--role", "analyst", "--generate").output
    kept = password_file(stack, user)
    password = kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert str(kept) in shown.replace("\n", "")
    assert password not in shown
    assert Accounts(stack).check_password(user, password) == Account(user, Role.ANALYST)


def test_a_new_password_replaces_the_old_one_and_ends_the_sessions(stack: Settings, user: str) -> None:
    users("add", user, "--role", "doctor", "--generate")
    old, token = password_file(stack, user).read_text(), sessions.begin(stack, user)
    users("password", user, typed=f"{PASSWORD}\n{PASSWORD}\n")
    accounts = Accounts(stack)
    assert accounts.check_password(user, old) is None
    assert accounts.check_password(user, PASSWORD) == Account(user, Role.DOCTOR)
    assert not password_file(stack, user).exists()
    assert sessions.user_of(stack, token, is_act=False) is None


def test_a_removed_user_leaves_neither_password_nor_session_to_one_of_the_same_name(stack: Settings, user: str) -> None:
    users("add", user, "--role", "admin", "--generate")
    token = sessions.begin(stack, user)
    users("remove", user)
    assert Accounts(stack).find(user) is None
    assert not password_file(stack, user).exists()
    users("add", user, "--role", "nurse", "--generate")
    assert sessions.user_of(stack, token, is_act=False) is None


def test_each_change_is_in_the_audit_without_a_password(stack: Settings, user: str) -> None:
    users("add", user, "--role", "nurse", typed=f"{PASSWORD}\n{PASSWORD}\n")
    users("password", user, typed=f"{PASSWORD}\n{PASSWORD}\n")
    users("remove", user)
    assert acts(stack, user) == [
        ("user added", "shell", f"{user}, nurse"),
        ("user's password changed", "shell", user),
        ("user removed", "shell", f"{user}, nurse"),
    ]


def test_what_cannot_be_is_refused_before_a_password_is_asked_for(stack: Settings, user: str) -> None:
    users("add", user, "--role", "nurse", "--generate")
    with pytest.raises(ConfigurationError, match=f"There is a user {user} already"):
        users("add", user, "--role", "doctor")
    with pytest.raises(ConfigurationError, match="is no user name"):
        users("add", "../" + user, "--role", "doctor")
    for command in ("password", "remove"):
        with pytest.raises(ConfigurationError, match=f"There is no user {user}x"):
            users(command, user + "x")


def test_a_short_password_is_refused_and_nothing_is_changed(stack: Settings, user: str) -> None:
    with pytest.raises(ConfigurationError, match="12 to 256 characters"):
        users("add", user, "--role", "nurse", typed="short\nshort\n")
    assert Accounts(stack).find(user) is None
    assert acts(stack, user) == []
