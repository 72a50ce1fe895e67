"""Who may log in to the ward page: a file of names, roles and hashed passwords, made at first start.

`check_password` is the one place that decides; a directory such as LDAP would take its place there. The file is
`ward_users.json` among the secrets (mode 600), replaced as a whole, so a crash leaves the old one or the new one. It is
read again when it changed: an account that was removed, or whose role changed, is so within seconds on every page.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.roles import Role
from infra.errors import ConfigurationError
from infra.secrets import write_private
from infra.settings import Settings

FILE = "ward_users.json"
NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")
PASSWORD_MIN, PASSWORD_MAX = 12, 256
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 5
"""16 MiB and some 200 ms of processor time a try, one of the choices of OWASP's password storage cheat sheet. Tries are
slowed besides, see `dashboard.throttle`."""

SALT_BYTES = 16


@dataclass(frozen=True)
class Account:
    """Somebody who may log in."""

    name: str
    role: Role


class Accounts:
    """The accounts of the file, read again whenever it changed."""

    def __init__(self, settings: Settings) -> None:
        self._path = users_file(settings)
        self._read_at: tuple[int, int] | None = None
        self._entries: dict[str, dict[str, Any]] = {}

    def find(self, name: str) -> Account | None:
        """The account of that name, as the file says now."""
        entry = self._load().get(name)
        return Account(name, Role(entry["role"])) if entry else None

    def check_password(self, name: str, password: str) -> Account | None:
        """The account if the password is its own. Takes as long for a name that is not known as for one that is."""
        entry = self._load().get(name)
        right = _matches(password[:PASSWORD_MAX], entry["password"] if entry else _NOBODY)
        return Account(name, Role(entry["role"])) if entry and right else None

    def all(self) -> list[Account]:
        """Every account, by name."""
        return [Account(name, Role(entry["role"])) for name, entry in sorted(self._load().items())]

    def put(self, name: str, role: Role, password: str) -> None:
        """Add an account, or give it another role and password. Raises ConfigurationError for what cannot be one."""
        check_name(name)
        check_password_length(password)
        entry = {"role": role.value, "password": hashed(password)}
        with self._alone():
            self._save({**self._load(), name: entry})

    def remove(self, name: str) -> None:
        """Remove an account. Its open pages end within seconds. Raises ConfigurationError when there is none."""
        with self._alone():
            self.require(name)
            self._save({other: entry for other, entry in self._load().items() if other != name})

    def require(self, name: str) -> Account:
        """The account of that name. Raises ConfigurationError when there is none."""
        if (account := self.find(name)) is None:
            raise ConfigurationError(f"There is no user {name}: `./ward users list` shows those that there are.")
        return account

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one at a time changes the file, else what another adds meanwhile would be lost."""
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            self._read_at = None
            yield
        finally:
            os.close(directory)

    def _load(self) -> dict[str, dict[str, Any]]:
        try:
            state = self._path.stat()
        except FileNotFoundError:
            raise ConfigurationError(f"{self._path} is missing: `./ward up` makes it.") from None
        if self._read_at != (state.st_mtime_ns, state.st_ino):
            self._entries = _read(self._path)
            self._read_at = (state.st_mtime_ns, state.st_ino)
        return self._entries

    def _save(self, entries: dict[str, dict[str, Any]]) -> None:
        write_private(self._path, json.dumps(entries, indent=1, sort_keys=True) + "\n")
        self._read_at = None


def check_name(name: str) -> None:
    """Raises ConfigurationError for what cannot be a user name."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no user name: write a-z, 0-9, '.', '_' or '-', a letter first.")


def check_password_length(password: str) -> None:
    """Raises ConfigurationError for what is too short, or too long, for a password."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise ConfigurationError(f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters.")


def users_file(settings: Settings) -> Path:
    """Where the accounts are kept."""
    return settings.secrets_dir / FILE


def password_file(settings: Settings, name: str) -> Path:
    """Where a password that was made for a user is kept until it is told, mode 600."""
    return settings.secrets_dir / f"ward_page_{name}_password"


def initial_password_file(settings: Settings, role: Role) -> Path:
    """Where the password made at first start for the account named like the role is kept, mode 600."""
    return password_file(settings, role.value)


def ensure_accounts(settings: Settings) -> None:
    """At first start one account a role, named like it, with a password in a file of its own. Later: nothing."""
    path = users_file(settings)
    if path.exists():
        return
    entries: dict[str, dict[str, Any]] = {}
    for role in Role:
        kept = initial_password_file(settings, role)
        password = kept.read_text().strip() if kept.exists() else secrets.token_urlsafe(15)
        write_private(kept, password)
        entries[role.value] = {"role": role.value, "password": hashed(password)}
    write_private(path, json.dumps(entries, indent=1, sort_keys=True) + "\n")


def hashed(password: str) -> str:
    """The password as it is kept: scrypt with a salt of its own and the parameters it was made with."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    parts = (str(SCRYPT_N), str(SCRYPT_R), str(SCRYPT_P), _text(salt), _text(digest))
    return "$".join(("scrypt", *parts))


def _matches(password: str, kept: str) -> bool:
    _, n, r, p, salt, digest = kept.split("$")
    return hmac.compare_digest(_scrypt(password, _bytes(salt), int(n), int(r), int(p)), _bytes(digest))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text())
        for entry in entries.values():
            Role(entry["role"])
            if len(str(entry["password"]).split("$")) != 6:
                raise ValueError("a password is not hashed")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}): mend it, or put a copy of it back.") from error
    return entries


_NOBODY = hashed(secrets.token_urlsafe())
