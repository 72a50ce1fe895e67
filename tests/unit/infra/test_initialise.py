"""Data that another version left is refused with what to do, before anything is started on it."""

from pathlib import Path

import pytest

from infra import initialise
from infra.errors import ConfigurationError
from infra.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


def test_a_new_state_directory_is_stamped_and_known_from_then_on(settings: Settings) -> None:
    initialise.require_known_layout(settings)
    initialise.require_known_layout(settings)
    assert (settings.state_dir / "initialised" / "layout").read_text() == initialise.LAYOUT


def test_a_state_directory_of_another_layout_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    initialise.require_known_layout(settings)
    monkeypatch.setattr(initialise, "LAYOUT", "2")
    with pytest.raises(ConfigurationError, match=r"has the layout 1, and this version of Wardwatch knows 2"):
        initialise.require_known_layout(settings)


def test_data_of_another_postgresql_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initialise, "postgres_dir", lambda _settings: tmp_path)
    monkeypatch.setattr(initialise, "find_postgres", lambda name: f"/usr/lib/postgresql/17/bin/{name}")
    (tmp_path / "PG_VERSION").write_text("15\n")
    with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 15, and the newest that is installed is 17"):
        initialise.postgres(settings)
