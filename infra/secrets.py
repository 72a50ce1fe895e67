"""The embedded stack's passwords and keys: made once, readable by their owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from infra.settings import Settings

NAMES = (
    "mysql_root_password",
    "reader_password",
    "devices_password",
    "alerts_password",
    "metastore_password",
    "postgres_password",
    "airflow_admin_password",
    "airflow_viewer_password",
    "airflow_secret_key",
    "airflow_jwt_secret",
    "acknowledge_key",
)
RANDOM_BYTES = 24


def ensure_secrets(settings: Settings) -> None:
    """Write a file of mode 600 for every secret that is neither set nor there yet.

    A secret that exists is never replaced. A crash leaves either no file or a whole one.
    """
    settings.secrets_dir.mkdir(parents=True, exist_ok=True)
    settings.secrets_dir.chmod(0o700)
    for name in NAMES:
        path = settings.secrets_dir / name
        if getattr(settings, name) is None and not path.exists():
            write_private(path, secrets.token_urlsafe(RANDOM_BYTES))


def write_private(path: Path, text: str) -> None:
    """Replace the file `path` with `text` in one step; nobody but the owner can read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.rename(path)
