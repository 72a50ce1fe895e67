"""The audit of the ward page: who looked at which patient, and who changed what. Append-only, in MySQL.

An act is recorded before it is done: what cannot be recorded is not done.
"""

from __future__ import annotations

import getpass

from alerts.database import now_ms
from dashboard.accounts import Account
from dashboard.database import alerts_cursor
from infra.settings import Settings

DETAIL_MAX = 4000


def record(settings: Settings, account: Account, act: str, patient_id: str | None = None, detail: str = "") -> None:
    """Write one line. Raises UnavailableError when MySQL is away."""
    _record(settings, account.name, account.role.value, act, patient_id, detail)


def record_refused_login(settings: Settings, typed_name: str) -> None:
    """A login with a wrong name or password. Raises UnavailableError."""
    _record(settings, typed_name[:64], "", "login refused", None, "")


def record_from_shell(settings: Settings, act: str, detail: str) -> None:
    """An act of somebody at the command line, under their name on this machine. Raises UnavailableError."""
    _record(settings, getpass.getuser()[:64], "shell", act, None, detail)


def _record(settings: Settings, name: str, role: str, act: str, patient_id: str | None, detail: str) -> None:
    with alerts_cursor(settings) as cursor:
        cursor.execute(
            "INSERT INTO page_audit (at, user_name, role, act, patient_id, detail) VALUES (%s, %s, %s, %s, %s, %s)",
            (now_ms(), name, role, act, patient_id, detail[:DETAIL_MAX]),
        )
