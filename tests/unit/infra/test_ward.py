"""The script `./ward` in a copy of its own, before there is a Python environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.settings import PROJECT_ROOT

LITTLE_SPACE = """#!/bin/sh
echo 'Filesystem 1048576-blocks Used Available Capacity Mounted on'
echo '/dev/sda1 10000 9000 1000 90% /'
"""
"""A `df` that says so."""


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


def test_too_little_disk_for_the_python_packages_is_one_sentence_before_anything_is_fetched(copy: Path) -> None:
    programs = copy / "programs"
    programs.mkdir()
    (programs / "df").write_text(LITTLE_SPACE)
    (programs / "df").chmod(0o755)
    done = ward(copy, f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert f"Only 1000 MiB of disk are free at {copy}/.ward and the Python packages need 4096" in done.stderr
    assert [path.name for path in (copy / ".ward").iterdir()] == ["prepare.lock"]


def test_a_machine_without_python_3_11_is_told_what_to_install(copy: Path) -> None:
    programs = copy / "programs"
    programs.mkdir()
    for name in ("bash", "env", "dirname", "readlink"):
        (programs / name).symlink_to(str(shutil.which(name)))
    done = ward(copy, str(programs))
    assert done.returncode == 1
    assert "Wardwatch needs Python 3.11 and found none: install it" in done.stderr
