"""A user of a browser test's own."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dashboard import sessions
from dashboard.accounts import Accounts
from dashboard.roles import Role
from infra.settings import Settings


@dataclass(frozen=True)
class OwnUser:
    """Somebody who may log in, with the password."""

    name: str
    password: str


@contextmanager
def own_user(settings: Settings, role: Role) -> Iterator[OwnUser]:
    """A user of that role that nobody else uses; gone at the end."""
    user = OwnUser(f"browser-{uuid.uuid4().hex[:10]}", secrets.token_urlsafe(15))
    Accounts(settings).put(user.name, role, user.password)
    try:
        yield user
    finally:
        accounts = Accounts(settings)
        if accounts.find(user.name):
            accounts.remove(user.name)
        sessions.end_all(settings, user.name)
