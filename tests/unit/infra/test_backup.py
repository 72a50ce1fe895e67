"""A backup as a directory: whole under its name, and refused when it is not what was written."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from infra import backup
from infra.databases import mysql_databases
from infra.errors import ConfigurationError, WardError
from infra.settings import Contacts, Settings, Source

WORDS = "a patient's address"


def write_words(_settings: Settings, path: Path) -> None:
    path.write_text(WORDS)


def fail(_settings: Settings, _path: Path) -> None:
    raise WardError("The server is away.")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(backup, "PARTS", (backup.Part("words.txt", "words", "mariadb", write_words, fail),))
    monkeypatch.setattr(backup, "_runs", lambda _settings, _server: True)
    return Settings(state_dir=tmp_path / "state")


@pytest.fixture
def saved(settings: Settings, tmp_path: Path) -> Path:
    directory = tmp_path / "backup"
    backup.save(settings, directory, Console(quiet=True))
    return directory


def test_a_backup_says_when_it_was_made_and_is_its_owners_only(settings: Settings, saved: Path) -> None:
    assert datetime.now(UTC) - backup.check(settings, saved) < timedelta(minutes=5)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o700
    assert stat.S_IMODE((saved / "words.txt").stat().st_mode) == 0o600


def test_a_directory_that_is_there_is_never_written_into(settings: Settings, saved: Path) -> None:
    with pytest.raises(ConfigurationError, match="is there already"):
        backup.save(settings, saved, Console(quiet=True))


def test_without_the_stack_it_says_what_to_start(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_runs", lambda _settings, _server: False)
    with pytest.raises(WardError, match=r"Not running: mariadb. Start the stack with `./ward up`"):
        backup.save(settings, tmp_path / "backup", Console(quiet=True))


def test_a_directory_that_cannot_be_written_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WardError, match=r"file/backup cannot be written: Not a directory"):
        backup.save(settings, tmp_path / "file" / "backup", Console(quiet=True))


def test_no_backup_is_made_of_half_a_restore(settings: Settings, tmp_path: Path) -> None:
    settings.state_dir.mkdir()
    (settings.state_dir / backup.MARK).write_text("/backups/of-yesterday")
    with pytest.raises(WardError, match="A restore was interrupted"):
        backup.save(settings, tmp_path / "backup", Console(quiet=True))


def test_a_backup_that_failed_leaves_nothing_behind(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PARTS", (backup.Part("words.txt", "words", "mariadb", fail, fail),))
    with pytest.raises(WardError, match="is away"):
        backup.save(settings, tmp_path / "backup", Console(quiet=True))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_backup_left_goes_with_the_next_one_beside_it_and_nothing_else_does(
    settings: Settings, tmp_path: Path
) -> None:
    for name, file in (("killed.partial", "words.txt"), ("download.partial", "somebody-elses"), ("whole", "words.txt")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    backup.save(settings, tmp_path / "backup", Console(quiet=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "download.partial", "whole"]


def test_a_backup_that_is_being_made_is_left_alone(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def disturbed(settings: Settings, path: Path) -> None:
        """Meanwhile somebody makes another of the same name."""
        monkeypatch.setattr(backup, "PARTS", (backup.Part("words.txt", "words", "mariadb", write_words, fail),))
        with pytest.raises(WardError, match="is being made by another"):
            backup.save(settings, tmp_path / "backup", Console(quiet=True))
        refused.append(path)
        write_words(settings, path)

    monkeypatch.setattr(backup, "PARTS", (backup.Part("words.txt", "words", "mariadb", disturbed, fail),))
    backup.save(settings, tmp_path / "backup", Console(quiet=True))
    assert len(refused) == 1
    backup.check(settings, tmp_path / "backup")


def test_a_changed_file_is_refused_by_name(settings: Settings, saved: Path) -> None:
    (saved / "words.txt").write_text(WORDS.replace("a", "o", 1))
    with pytest.raises(ConfigurationError, match=r"words.txt is not what the backup wrote.*nothing was changed"):
        backup.check(settings, saved)


def test_a_missing_file_is_refused_by_name(settings: Settings, saved: Path) -> None:
    (saved / "words.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"has no words.txt"):
        backup.check(settings, saved)


def test_a_directory_that_is_no_backup_is_said_to_be_none(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no backup"):
        backup.check(settings, tmp_path)


def test_a_backup_of_another_format_says_what_to_do(settings: Settings, saved: Path) -> None:
    manifest = orjson.loads((saved / backup.MANIFEST).read_bytes())
    (saved / backup.MANIFEST).write_bytes(orjson.dumps({**manifest, "format": 99}))
    with pytest.raises(ConfigurationError, match="restore it with the version of Wardwatch that made it"):
        backup.check(settings, saved)


def test_readings_and_contacts_in_databases_of_their_own_are_in_the_backup() -> None:
    elsewhere = Settings(source=Source(table="clinic.vitals"), contacts=Contacts(table="registry.patients"))
    assert mysql_databases(elsewhere) == ("health", "clinic", "registry", "alerts", "metastore")
    assert mysql_databases(Settings()) == ("health", "alerts", "metastore")


def test_a_server_elsewhere_is_left_to_its_own_backups(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"mysql": settings.mysql.model_copy(update={"host": "rds.example"})})
    assert backup.parts_of(elsewhere) == []


def test_an_interrupted_restore_is_said_at_the_next_start(settings: Settings) -> None:
    settings.state_dir.mkdir()
    backup.require_finished(settings)
    (settings.state_dir / backup.MARK).write_text("/backups/of-yesterday")
    with pytest.raises(WardError, match=r"\./ward restore /backups/of-yesterday"):
        backup.require_finished(settings)
