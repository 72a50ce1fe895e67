"""The script `./ward` in a copy of its own, before there is a Python environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.settings import PROJECT_ROOT

SCRIPTS = {
    "df": """#!/bin/sh
echo 'Filesystem 1048576-blocks Used Available Capacity Mounted on'
echo '/dev/sda1 10000 9000 1000 90% /'
""",
    "nothing": "",
}
"""A disk with 1,000 MiB to spare: `df` says so."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The directory with the copy."""
    for name in ("ward", "requirements.lock"):
        shutil.copy(PROJECT_ROOT / name, tmp_path / name)
    return tmp_path


def ward(copy: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Run it with these directories of programs."""
    environment = {**os.environ, "PATH": path}
    return subprocess.run([copy / "ward", "status"], env=environment, capture_output=True, text=True, check=False)


def programs(copy: Path, script: str, *linked: str) -> str:
    """A directory with a script of this test's and programs of this machine."""
    directory = copy / "programs"
    directory.mkdir()
    (directory / script).write_text(SCRIPTS[script])
    (directory / script).chmod(0o755)
    for name in linked:
        found = shutil.which(name)
        assert found is not None
        (directory / name).symlink_to(found)
    return str(directory)


def test_too_little_disk_for_the_python_packages_is_one_sentence_before_anything_is_fetched(copy: Path) -> None:
    done = ward(copy, f"{programs(copy, 'df')}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert f"Only 1000 MiB of disk are free at {copy}/.ward and the Python packages need 4096" in done.stderr
    assert [path.name for path in (copy / ".ward").iterdir()] == ["prepare.lock"]


def test_a_machine_without_python_3_11_is_told_what_to_install(copy: Path) -> None:
    done = ward(copy, programs(copy, "nothing", "bash", "env", "dirname", "readlink"))
    assert done.returncode == 1
    assert "Wardwatch needs Python 3.11 and found none: install it" in done.stderr
