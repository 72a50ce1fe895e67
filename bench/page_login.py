"""An account of a benchmark's own on the ward page, logged in by HTTP as a browser does it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import requests

from bench.boards_client import origin, page_url
from dashboard.accounts import Accounts
from dashboard.roles import Role
from infra.errors import WardError
from infra.settings import Settings

ANSWER_SECONDS = 60.0
BYTES = 24


@contextmanager
def logged_in(settings: Settings, name: str, role: Role) -> Iterator[str]:
    """The cookie of a session of a new account of that name; at the end the session is over and the account gone.

    Raises WardError when the page does not answer or refuses the account.
    """
    accounts, password = Accounts(settings), secrets.token_urlsafe(BYTES)
    accounts.put(name, role, password)
    try:
        cookie = _log_in(settings, {"name": name, "password": password})
        try:
            yield cookie
        finally:
            with suppress(WardError):  # without its account the session is worth nothing
                _post(settings, "/logout", {}, cookie)
    finally:
        accounts.remove(name)


def _log_in(settings: Settings, form: dict[str, str]) -> str:
    answer = _post(settings, "/login", form)
    if answer.status_code != requests.codes.see_other or not answer.cookies:
        raise WardError(f"The ward page refuses the benchmark's account: it answers {answer.status_code}.")
    return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())


def _post(settings: Settings, path: str, form: dict[str, str], cookie: str = "") -> requests.Response:
    headers = {"Origin": origin(settings), **({"Cookie": cookie} if cookie else {})}
    url = f"{page_url(settings)}{path}"
    try:
        return requests.post(url, data=form, headers=headers, timeout=ANSWER_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        raise WardError(f"The ward page does not answer at {url}: {error}") from error
