"""Who is logged in: sessions in MySQL, so that they outlive the page and end everywhere at once.

The cookie holds a random token and nothing else; the table holds its hash. A session ends `dashboard.idle_minutes`
after the last act of its user (opening a page is one), `dashboard.session_hours` after the login, or by logging out.
"""

from __future__ import annotations

import hashlib
import secrets

from alerts.database import now_ms
from dashboard.database import alerts_cursor
from infra.settings import Settings

TOKEN_BYTES = 32
SEEN_EVERY_MS = 60_000
KEPT_MS = 30 * 86_400_000


def begin(settings: Settings, user_name: str) -> str:
    """A new session's token. Old ended sessions are forgotten on the way. Raises UnavailableError."""
    token, now = secrets.token_urlsafe(TOKEN_BYTES), now_ms()
    with alerts_cursor(settings) as cursor:
        cursor.execute("DELETE FROM page_sessions WHERE seen_at < %s", (now - KEPT_MS,))
        cursor.execute(
            "INSERT INTO page_sessions (token_hash, user_name, created_at, seen_at) VALUES (%s, %s, %s, %s)",
            (_hash(token), user_name, now, now),
        )
    return token


def user_of(settings: Settings, token: str, is_act: bool) -> str | None:
    """The user name of a session that lasts; None when it has ended or never was. `is_act`: its user did something,
    which keeps it from ending. Raises UnavailableError.
    """
    now = now_ms()
    with alerts_cursor(settings) as cursor:
        cursor.execute(
            "SELECT user_name, created_at, seen_at FROM page_sessions WHERE token_hash = %s", (_hash(token),)
        )
        row: tuple[str, int, int] | None = cursor.fetchone()
        if row is None:
            return None
        name, created, seen = row
        if now - seen > settings.dashboard.idle_minutes * 60_000:
            return None
        if now - created > settings.dashboard.session_hours * 3_600_000:
            return None
        if is_act and now - seen > SEEN_EVERY_MS:
            cursor.execute("UPDATE page_sessions SET seen_at = %s WHERE token_hash = %s", (now, _hash(token)))
    return name


def end(settings: Settings, token: str) -> None:
    """Log out: the session's pages end within seconds. Raises UnavailableError."""
    with alerts_cursor(settings) as cursor:
        cursor.execute("DELETE FROM page_sessions WHERE token_hash = %s", (_hash(token),))


def end_all(settings: Settings, user_name: str) -> None:
    """End every session of a user: their pages end within seconds. Raises UnavailableError."""
    with alerts_cursor(settings) as cursor:
        cursor.execute("DELETE FROM page_sessions WHERE user_name = %s", (user_name,))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
