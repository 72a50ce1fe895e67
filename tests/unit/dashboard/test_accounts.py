"""The file of accounts."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dashboard import accounts as module
from dashboard.accounts import Account, Accounts, ensure_accounts, initial_password_file, users_file
from dashboard.roles import Role
from infra.errors import ConfigurationError
from infra.settings import Settings

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash keeps the parameters it was made with, so that cheap ones are checked as costly ones are."""
    monkeypatch.setattr(module, "SCRYPT_N", 2**4)
    monkeypatch.setattr(module, "SCRYPT_P", 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a state directory after its first start."""
    made = Settings(state_dir=tmp_path)
    ensure_accounts(made)
    return made


def test_the_first_start_makes_an_account_for_each_role_with_the_password_in_a_private_file(
    settings: Settings,
) -> None:
    accounts = Accounts(settings)
    assert accounts.all() == sorted((Account(role.value, role) for role in Role), key=lambda one: one.name)
    for role in Role:
        kept = initial_password_file(settings, role)
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert accounts.check_password(role.value, kept.read_text().strip()) == Account(role.value, role)


def test_no_password_can_be_read_in_the_file(settings: Settings) -> None:
    Accounts(settings).put("amy", Role.NURSE, PASSWORD)
    assert stat.S_IMODE(users_file(settings).stat().st_mode) == 0o600
    assert PASSWORD not in users_file(settings).read_text()


def test_a_later_start_changes_nothing(settings: Settings) -> None:
    Accounts(settings).remove("nurse")
    before = users_file(settings).read_text()
    ensure_accounts(settings)
    assert users_file(settings).read_text() == before


def test_a_first_start_that_was_interrupted_keeps_the_passwords_that_were_told(settings: Settings) -> None:
    password = initial_password_file(settings, Role.OPS).read_text()
    users_file(settings).unlink()
    ensure_accounts(settings)
    assert Accounts(settings).check_password("ops", password) == Account("ops", Role.OPS)


@pytest.mark.parametrize(("name", "password"), [("amy", PASSWORD + "x"), ("amy", ""), ("bob", PASSWORD), ("", "")])
def test_a_wrong_name_or_password_is_nobody(settings: Settings, name: str, password: str) -> None:
    accounts = Accounts(settings)
    accounts.put("amy", Role.NURSE, PASSWORD)
    assert accounts.check_password(name, password) is None


def test_two_accounts_with_the_same_password_have_different_hashes(settings: Settings) -> None:
    accounts = Accounts(settings)
    accounts.put("amy", Role.NURSE, PASSWORD)
    accounts.put("bob", Role.NURSE, PASSWORD)
    entries = json.loads(users_file(settings).read_text())
    assert entries["amy"]["password"] != entries["bob"]["password"]


def test_a_page_that_is_open_hears_of_changes_that_another_process_makes(settings: Settings) -> None:
    page, shell = Accounts(settings), Accounts(settings)
    assert page.find("amy") is None
    shell.put("amy", Role.NURSE, PASSWORD)
    assert page.find("amy") == Account("amy", Role.NURSE)
    shell.put("amy", Role.DOCTOR, PASSWORD + "2")
    assert page.find("amy") == Account("amy", Role.DOCTOR)
    assert page.check_password("amy", PASSWORD) is None
    shell.remove("amy")
    assert page.find("amy") is None


@pytest.mark.parametrize("name", ["", "Amy", "1amy", "a b", "a/../b", "ä", "a" * 65, "amy\n"])
def test_what_is_no_user_name_is_refused_with_what_one_is(settings: Settings, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no user name: write a-z"):
        Accounts(settings).put(name, Role.NURSE, PASSWORD)


@pytest.mark.parametrize("password", ["short", "x" * 257])
def test_a_password_has_bounds(settings: Settings, password: str) -> None:
    with pytest.raises(ConfigurationError, match="12 to 256 characters"):
        Accounts(settings).put("amy", Role.NURSE, password)


def test_removing_nobody_says_how_to_find_names(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no user amy: `\./ward users list`"):
        Accounts(settings).remove("amy")


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"amy": 1}',
        '{"amy": {"role": "boss", "password": "scrypt$1$1$1$a$b"}}',
        '{"amy": {"role": "nurse", "password": "open"}}',
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_lets_nobody_in(settings: Settings, text: str) -> None:
    users_file(settings).write_text(text)
    with pytest.raises(ConfigurationError, match=r"ward_users\.json cannot be read .*mend it"):
        Accounts(settings).check_password("amy", PASSWORD)


def test_without_the_file_it_is_said_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"`\./ward up` makes it"):
        Accounts(Settings(state_dir=tmp_path)).find("amy")


def test_a_crash_while_saving_leaves_the_old_accounts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_from: Path, _to: Path) -> None:
        raise OSError("crash")

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(OSError, match="crash"):
        Accounts(settings).put("amy", Role.NURSE, PASSWORD)
    monkeypatch.undo()
    accounts = Accounts(settings)
    assert len(accounts.all()) == len(Role)
    assert os.listdir(settings.secrets_dir).count("ward_users.json") == 1


def test_accounts_that_are_added_at_the_same_time_are_all_kept_and_nothing_else_is_left(settings: Settings) -> None:
    before = set(settings.secrets_dir.iterdir())
    names = [f"user{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: Accounts(settings).put(name, Role.NURSE, PASSWORD), names))
    assert {one.name for one in Accounts(settings).all()} >= set(names)
    assert set(settings.secrets_dir.iterdir()) == before
