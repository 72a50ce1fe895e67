"""A folder of its own for Airflow, so that a test neither reads nor writes a person's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
AIRFLOW_HOME = tempfile.TemporaryDirectory(prefix="wardwatch-airflow-")
os.environ.setdefault("AIRFLOW_HOME", AIRFLOW_HOME.name)


@pytest.fixture(scope="session")
def airflow_environment() -> dict[str, str]:
    """Environment in which `import airflow` finds the project and nothing of a person's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return kept | {
        "AIRFLOW_HOME": AIRFLOW_HOME.name,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "PYTHONPATH": str(ROOT),
    }
