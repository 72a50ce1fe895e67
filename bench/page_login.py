"""An account of a benchmark's own on the ward page, logged in by HTTP as a browser does it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from bench.page_socket import ANSWER_SECONDS, origin, page_url
from dashboard import sessions
from dashboard.accounts import Accounts
from dashboard.roles import Role
from infra.errors import WardError
from infra.settings import Settings

BYTES = 24


@contextmanager
def logged_in(settings: Settings, name: str, role: Role) -> Iterator[str]:
    """The cookie of a session of a new account of that name; at the end the session is over and the account gone, also
    while the page does not answer.

    Raises WardError when the page does not answer or refuses the account.
    """
    accounts, password = Accounts(settings), secrets.token_urlsafe(BYTES)
    accounts.put(name, role, password)
    try:
        cookies = _log_in(settings, {"name": name, "password": password})
        try:
            yield "; ".join(f"{key}={value}" for key, value in cookies.items())
        finally:
            for token in cookies.values():
                sessions.end(settings, token)
    finally:
        accounts.remove(name)


def _log_in(settings: Settings, form: dict[str, str]) -> dict[str, str]:
    """The cookies that the page gives."""
    url = f"{page_url(settings)}/login"
    try:
        answer = requests.post(
            url, data=form, headers={"Origin": origin(settings)}, timeout=ANSWER_SECONDS, allow_redirects=False
        )
    except requests.RequestException as error:
        raise WardError(f"The ward page does not answer at {url}: {error}") from error
    cookies: dict[str, str] = answer.cookies.get_dict()
    if answer.status_code != requests.codes.see_other or not cookies:
        raise WardError(f"The ward page refuses the benchmark's account: it answers {answer.status_code}.")
    return cookies
