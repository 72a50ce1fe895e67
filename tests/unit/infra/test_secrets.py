"""Secrets are made once and are their owner's alone."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from infra.secrets import NAMES, ensure_secrets, write_private
from infra.settings import Settings


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_every_secret_setting_has_a_generated_file(tmp_path: Path) -> None:
    ensure_secrets(Settings(state_dir=tmp_path))
    secret_settings = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == secret_settings == set(NAMES)


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    ensure_secrets(Settings(state_dir=tmp_path))
    assert mode(tmp_path / "secrets") == 0o700
    assert {mode(path) for path in (tmp_path / "secrets").iterdir()} == {0o600}


def test_all_secrets_differ_and_survive_a_second_start(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    ensure_secrets(settings)
    first = {name: settings.secret(name) for name in NAMES}
    ensure_secrets(settings)
    assert {name: settings.secret(name) for name in NAMES} == first
    assert len(set(first.values())) == len(NAMES)


def test_a_secret_that_is_set_gets_no_file(tmp_path: Path) -> None:
    ensure_secrets(Settings(state_dir=tmp_path, reader_password=SecretStr("given")))
    assert not (tmp_path / "secrets" / "reader_password").exists()


def test_a_private_file_replaces_an_open_one_and_a_half_written_one(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / "conf.partial").write_text("left by a crash")
    write_private(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["conf"]
