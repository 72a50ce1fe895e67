"""The merge as a process of its own: what it is given and what comes back."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.errors import ConfigurationError
from infra.settings import Settings
from sqoop.merge import run_merge, without_secrets

SECRET = "s3cret with spaces"
REQUEST = {
    "table": "health.patients",
    "rows": "/staging/rows",
    "keys": None,
    "base": None,
    "full": True,
    "expected_rows": 0,
    "temporary": "/patients/_new_20260301T120000000Z",
    "target": "/patients/20260301T120000000Z",
    "time_zones": {},
    "previous_mark": "",
    "mark_limit": "2026-03-01 12:00:00.000000",
    "manifest_name": "_import.json",
    "manifest": {},
}


def test_another_process_gets_the_settings_without_secrets_and_with_the_ports_as_they_are(tmp_path: Path):
    moved = Settings(state_dir=tmp_path, port_offset=1000, reader_password=SecretStr(SECRET))
    sent = without_secrets(moved)
    assert SECRET not in str(sent)
    assert not [name for name in sent if "password" in name]
    assert Settings(**sent).ports == moved.ports


def test_the_sentence_of_the_merge_comes_back_as_the_same_kind_of_error(tmp_path: Path):
    settings = Settings(state_dir=tmp_path, tools_dir=tmp_path / "nothing installed")
    with (tmp_path / "output").open("wb") as output, pytest.raises(ConfigurationError, match=r"No jars in .*nothing"):
        run_merge(settings, REQUEST, output)
