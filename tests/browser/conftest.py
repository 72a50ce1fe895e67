"""A real Chromium on the ward page of a running stack, and what every test in it starts from."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    StorageState,
    expect,
    sync_playwright,
)

from dashboard.accounts import initial_password_file
from dashboard.roles import Role
from infra.install import axe_script
from infra.settings import PROJECT_ROOT, Settings
from tests.browser.beds import Bed
from tests.running import running_stack, show_complaints, use_test_stack, wait_or_fail

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, PHONE = (1280, 900), (390, 844)
PICTURES = PROJECT_ROOT / "docs" / "pictures"
PATIENCE_MS = 60_000
"""What a page is waited for at most, unless a test says otherwise: others may use the machine too."""

GRAVE = ("serious", "critical")
STANDSTILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"

expect.set_options(timeout=PATIENCE_MS)


class SignIn(Protocol):
    """`sign_in(role)`: an empty page of its own, with a storage of its own, where somebody of that role is logged in.

    All pages of a role share one session of the ward page: a login takes a while, as a password is hashed.
    """

    def __call__(self, role: Role | str, phone: bool = False) -> Page: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("browser").addoption(
        "--pictures", action="store_true", help="put the pictures of the pages into docs/pictures/"
    )


def pytest_configure() -> None:
    use_test_stack()


@pytest.fixture(scope="session")
def stack() -> Iterator[Settings]:
    """Settings of a running stack: one that is there already, or one of its own with the data an earlier one left."""
    with running_stack() as settings:
        yield settings


@pytest.fixture(scope="session")
def page_url(stack: Settings) -> str:
    """Where the ward page is: the stack's, or the one that WARDWATCH_TEST_PAGE_URL names. No slash at its end."""
    own = f"http://{stack.dashboard.host}:{stack.ports.ward_page}"
    return os.environ.get("WARDWATCH_TEST_PAGE_URL", own).rstrip("/")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests, Debian's."""
    if (program := shutil.which("chromium")) is None:
        pytest.fail("chromium is not installed: `./ward test` installs it.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page_errors() -> Iterator[list[str]]:
    """What the consoles of this test's pages complained of. A test that provokes an error takes it out of the list
    after having looked at it; whatever is left at its end fails the test."""
    errors: list[str] = []
    yield errors
    assert not errors, f"the console of a page complained: {errors}"


@pytest.fixture
def open_page(browser: Browser, page_url: str, page_errors: list[str]) -> Iterator[Callable[..., Page]]:
    """`open_page(phone=False, cookies=None)`: an empty page with a storage of its own, where nobody is logged in unless
    the cookies say so. Its address `/board` means that of the ward page."""
    contexts: list[BrowserContext] = []

    def opened(phone: bool = False, cookies: StorageState | None = None) -> Page:
        width, height = PHONE if phone else WIDE
        context = browser.new_context(
            base_url=page_url,
            viewport={"width": width, "height": height},
            has_touch=phone,
            reduced_motion="reduce",
            storage_state=cookies,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        _watch(page, page_errors)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def logged_in() -> dict[Role, StorageState]:
    """The cookies of each role that has logged in."""
    return {}


@pytest.fixture
def sign_in(stack: Settings, open_page: Callable[..., Page], logged_in: dict[Role, StorageState]) -> SignIn:
    """`sign_in(role, phone=False)`, see `SignIn`."""

    def signed_in(role: Role | str, phone: bool = False) -> Page:
        role = Role(role)
        if role not in logged_in:
            page = open_page()
            log_in(page, str(role), initial_password_file(stack, role).read_text().strip())
            logged_in[role] = page.context.storage_state()
        return open_page(phone, logged_in[role])

    return signed_in


def log_in(page: Page, name: str, password: str) -> None:
    """Log in by the form, and see the first page of that user. While tries are slowed it waits, as a person would."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while True:
        page.goto("/login")
        page.get_by_label("User name").fill(name)
        page.get_by_label("Password").fill(password)
        with page.expect_response(lambda answer: answer.request.method == "POST") as sent:
            page.get_by_role("button", name="Log in").click()
        if sent.value.status != 429 or time.monotonic() > deadline:
            break
        page.wait_for_timeout(1000 * float(sent.value.headers["retry-after"]))
    page.wait_for_url(re.compile(r"^(?!.*/login)"))
    page.get_by_role("button", name="Log out").wait_for()


def check_fits(page: Page) -> None:
    """Nothing on the page is wider than its window. It is awaited: a chart follows a changed window by itself, soon."""
    page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")


UNBEGUN_CHART = "reading 'dispose'"
"""NiceGUI 3.18 ends a chart that is taken away in the moment between its place and its beginning as if it had begun: a
word in the console, and nothing else."""


def _watch(page: Page, errors: list[str]) -> None:
    """Collects what the page's console and scripts complain of. That a page itself was refused is not a complaint: the
    test sees it."""
    opened: set[str] = set()

    def requested(request: Request) -> None:
        if request.is_navigation_request():
            opened.add(request.url)

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and message.location.get("url") not in opened:
            errors.append(f"{message.text} ({message.location.get('url')})")

    page.on("request", requested)
    page.on("console", said)
    page.on("pageerror", lambda error: None if UNBEGUN_CHART in str(error) else errors.append(str(error)))


@pytest.fixture(scope="session")
def check_accessible(stack: Settings) -> Callable[[Page], None]:
    """`check_accessible(page)` fails with what axe finds on it as it is now, if that is serious or critical.

    What fades in or out is shown whole or not at all meanwhile: half faded it has too little contrast for axe.
    """
    script = axe_script(stack)
    if not script.exists():
        pytest.fail("axe-core is not installed: `./ward test` installs it.")
    source = script.read_text()

    def check(page: Page) -> None:
        page.evaluate(source)
        still = page.add_style_tag(content=STANDSTILL)
        page.wait_for_function("() => !document.querySelector('[class*=-enter-active], [class*=-leave-active]')")
        found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        still.evaluate("style => style.remove()")
        grave = [_described(one) for one in found["violations"] if one["impact"] in GRAVE]
        assert not grave, f"{page.url} is not accessible:\n" + "\n".join(grave)

    return check


def _described(violation: dict[str, Any]) -> str:
    nodes = [f"    {node['html'][:300]}\n      {node['failureSummary']}" for node in violation["nodes"][:5]]
    return "\n".join([f"{violation['impact']}: {violation['id']}: {violation['help']}", *nodes])


@pytest.fixture
def take_picture(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Page, str], Path]:
    """`take_picture(page, name)`: the page as it is now, as a PNG; in docs/pictures/ with `--pictures`."""
    directory = PICTURES if request.config.getoption("pictures", default=False) else tmp_path

    def taken(page: Page, name: str) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{name}.png"
        page.screenshot(path=path)
        return path

    return taken


@pytest.fixture
def bed(stack: Settings) -> Iterator[Bed]:
    one = Bed(stack, "Zoë <b>Łukasz</b>")
    yield one
    one.discharge()


@pytest.fixture
def neighbour(stack: Settings) -> Iterator[Bed]:
    """Somebody else who sends: without anybody's readings no time passes for the silence of others."""
    one = Bed(stack, "Neighbour")
    yield one
    one.discharge()


@pytest.fixture(scope="session")
def await_condition() -> Callable[..., Any]:
    """`await_condition(fn, seconds, message, interval=0.25)`, see `wait_or_fail`. For what no page shows: playwright's
    own `expect` and `wait_for` serve for the rest."""
    return wait_or_fail


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return show_complaints((yield))
