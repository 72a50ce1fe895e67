"""Logging in and out of the ward page, and who may open what, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn


def test_after_logging_in_the_first_page_of_the_role_is_open(
    sign_in: SignIn, check_accessible: Callable[[Page], None]
) -> None:
    page = sign_in("doctor")
    expect(page).to_have_url(re.compile("/board$"))
    expect(page.get_by_text("doctor (doctor)")).to_be_visible()
    check_accessible(page)


def test_the_login_is_accessible_on_a_phone(
    open_page: Callable[..., Page],
    check_accessible: Callable[[Page], None],
    take_picture: Callable[[Page, str], None],
) -> None:
    page = open_page(phone=True)
    page.goto("/board")
    expect(page.get_by_label("User name")).to_be_focused()
    check_accessible(page)
    take_picture(page, "ward-page-login-phone")
